use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Sub},
    str::FromStr,
};

use super::{Ratio, UnitError, split_number};

const EXPECTED: &str =
    "a size: a whole number or decimal with K, M, G or T, binary, such as 256MiB, 4G or 1.5GiB";

/// A number of bytes.
///
/// Subtraction saturates at zero: kernel counters that are read one after the other may disagree by a few
/// pages, and a wrapped difference would be taken for 16 EiB.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(u64);

impl Bytes {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// More than any machine has.
    pub const MAX: Self = Self(u64::MAX);

    /// `count` bytes.
    #[must_use]
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// `count` KiB.
    #[must_use]
    pub const fn kib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    /// `count` MiB.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// `count` pages of 4 KiB, the unit of the kernel's `pg*` counters on the architectures that lowtide runs
    /// on.
    #[must_use]
    pub const fn pages(count: u64) -> Self {
        Self(count.saturating_mul(4096))
    }

    /// What of it is whole pages of 4 KiB.
    #[must_use]
    pub const fn whole_pages(self) -> Self {
        Self(self.0 - self.0 % 4096)
    }

    /// What of it is whole multiples of `unit`; all of it where that is nothing.
    #[must_use]
    pub const fn whole(self, unit: Self) -> Self {
        match self.0.checked_rem(unit.0) {
            Some(rest) => Self(self.0 - rest),
            None => self,
        }
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// True for no bytes at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This much of it, rounded down. A ratio above one enlarges; the result saturates.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "float to int saturates; below 2^53 bytes (8 PiB) the product is exact to a byte"
    )]
    pub fn scale(self, by: Ratio) -> Self {
        Self((self.0 as f64 * by.get()) as u64)
    }

    /// Which share of `whole` this is; zero if there is no whole.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    pub fn share_of(self, whole: Self) -> Ratio {
        if whole.0 == 0 { Ratio::ZERO } else { Ratio::new(self.0 as f64 / whole.0 as f64) }
    }

    /// The same as a float, for rates and exporters.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
    pub fn as_f64(self) -> f64 {
        self.0 as f64
    }

    /// `self - other`, with a sign.
    #[must_use]
    pub fn signed_sub(self, other: Self) -> i64 {
        let clamp = |v: u64| i64::try_from(v).unwrap_or(i64::MAX);
        clamp(self.0) - clamp(other.0)
    }
}

impl Add for Bytes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Bytes {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u32, &str); 5] = [(50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        let Some((shift, unit)) = UNITS.into_iter().find(|(shift, _)| self.0 >> shift > 0) else {
            return f.pad(&format!("{}B", self.0));
        };
        let whole = self.as_f64() / f64::from(shift).exp2();
        let digits = usize::from(!self.0.is_multiple_of(1 << shift));
        f.pad(&format!("{whole:.digits$}{unit}"))
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    /// Sizes are binary whatever the letter case of the suffix: `4G` = `4GB` = `4Gi` = `4GiB` = 2^32.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, EXPECTED);
        let (number, unit) = split_number(text);
        let shift = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "ki" | "kib" => 10,
            "m" | "mb" | "mi" | "mib" => 20,
            "g" | "gb" | "gi" | "gib" => 30,
            "t" | "tb" | "ti" | "tib" => 40,
            "p" | "pb" | "pi" | "pib" => 50,
            _ => return Err(error()),
        };
        if let Ok(count) = number.parse::<u64>() {
            return count.checked_mul(1 << shift).map(Self).ok_or_else(error);
        }
        let count: f64 = number.parse().map_err(|_| error())?;
        let whole = Self(1 << shift).scale(Ratio::new(count));
        if whole == Self::MAX { Err(error()) } else { Ok(whole) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn suffixes_are_binary() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("4G", 1 << 32),
            ("4GiB", 1 << 32),
            ("4Gi", 1 << 32),
            ("4 gib", 1 << 32),
            ("1.5K", 1536),
            ("256MiB", 256 << 20),
            ("2T", 2 << 40),
        ] {
            assert_eq!(text.parse(), Ok(Bytes::new(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_an_example() {
        for text in
            ["", "G", "-1", "1.2.3M", "4X", "12 parsecs", "99999999999T", "18446744073709551616", "1e9"]
        {
            let error = text.parse::<Bytes>().unwrap_err().to_string();
            assert!(error.contains("such as 256MiB"), "{text}: {error}");
        }
    }

    #[test]
    fn subtraction_saturates() {
        assert_eq!(Bytes::new(1) - Bytes::new(2), Bytes::ZERO);
        assert_eq!(Bytes::new(1).signed_sub(Bytes::new(3)), -2);
    }

    #[test]
    fn display_is_short() {
        assert_eq!(Bytes::new(512).to_string(), "512B");
        assert_eq!(Bytes::mib(32).to_string(), "32MiB");
        assert_eq!(Bytes::new(1_610_612_736).to_string(), "1.5GiB");
    }

    proptest! {
        #[test]
        fn display_of_whole_units_reads_back(count in 1_u64..1024, shift in prop::sample::select(vec![0, 10, 20, 30, 40])) {
            let bytes = Bytes::new(count << shift);
            prop_assert_eq!(bytes.to_string().parse(), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Bytes>();
        }
    }
}
