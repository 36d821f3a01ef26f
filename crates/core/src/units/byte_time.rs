use std::{ops::AddAssign, time::Duration};

use super::Bytes;

const GIB_HOUR: f64 = 1_073_741_824.0 * 3600.0;

/// Memory held for some time: bytes times seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ByteTime(f64);

impl ByteTime {
    /// Nothing.
    pub const ZERO: Self = Self(0.0);

    /// `bytes` held for `time`.
    #[must_use]
    pub fn of(bytes: Bytes, time: Duration) -> Self {
        Self(bytes.as_f64() * time.as_secs_f64())
    }

    /// The same in GiB·h.
    #[must_use]
    pub fn gib_hours(self) -> f64 {
        self.0 / GIB_HOUR
    }

    /// A finite time that is not negative, as one read from a file must be.
    #[must_use]
    pub fn is_sound(self) -> bool {
        self.0.is_finite() && self.0 >= 0.0
    }
}

impl AddAssign for ByteTime {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_gib_for_two_hours_is_a_gib_hour() {
        let mut held = ByteTime::of(Bytes::mib(512), Duration::from_hours(1));
        held += ByteTime::of(Bytes::mib(512), Duration::from_hours(1));
        assert!((held.gib_hours() - 1.0).abs() < 1e-12);
    }
}
