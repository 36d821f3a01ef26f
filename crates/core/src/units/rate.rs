use std::{fmt, str::FromStr, time::Duration};

use super::{Bytes, Ratio, UnitError};

const EXPECTED: &str = "a rate: a size per s, min, h or day, such as 64MiB/s or 20GiB/day";

/// Bytes per time, kept as it was written so that it prints as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ByteRate {
    /// This much…
    pub bytes: Bytes,
    /// …in this time.
    pub per: Duration,
}

impl ByteRate {
    /// `bytes` a second.
    #[must_use]
    pub const fn per_second(bytes: Bytes) -> Self {
        Self { bytes, per: Duration::from_secs(1) }
    }

    /// How much that is in `span`.
    #[must_use]
    pub fn over(self, span: Duration) -> Bytes {
        if self.per.is_zero() {
            return Bytes::MAX;
        }
        self.bytes.scale(Ratio::new(span.as_secs_f64() / self.per.as_secs_f64()))
    }
}

/// The time that a rate's denominator names.
pub(crate) fn denominator(unit: &str) -> Option<Duration> {
    let seconds = match unit {
        "s" | "sec" | "second" => 1,
        "min" | "m" | "minute" => 60,
        "h" | "hour" => 3600,
        "d" | "day" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per.as_secs() {
            1 => write!(f, "{}/s", self.bytes),
            60 => write!(f, "{}/min", self.bytes),
            3600 => write!(f, "{}/h", self.bytes),
            86_400 => write!(f, "{}/day", self.bytes),
            _ => write!(f, "{}/{}", self.bytes, humantime::format_duration(self.per)),
        }
    }
}

impl FromStr for ByteRate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, EXPECTED);
        let (bytes, unit) = text.split_once('/').ok_or_else(error)?;
        let bytes = bytes.parse().map_err(|_| error())?;
        let per = denominator(unit.trim()).ok_or_else(error)?;
        Ok(Self { bytes, per })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_prints() {
        for text in ["64MiB/s", "20GiB/day", "1KiB/min", "3TiB/h"] {
            assert_eq!(text.parse::<ByteRate>().unwrap().to_string(), text);
        }
        for text in ["", "64MiB", "64MiB/", "/s", "64/fortnight", "x/s"] {
            assert!(text.parse::<ByteRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn over_a_span() {
        assert_eq!(ByteRate::per_second(Bytes::mib(64)).over(Duration::from_secs(6)), Bytes::mib(384));
    }
}
