use std::{fmt, str::FromStr};

use super::{UnitError, split_number};

const EXPECTED: &str = "a share: a number with a per cent sign, such as 0.1% or 40%";

/// A share of one; may exceed one (a pool of 200 %). Never negative, never NaN.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Ratio(f64);

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self(0.0);
    /// All of it.
    pub const ONE: Self = Self(1.0);

    /// `share` of one; what is negative or not a number counts as zero.
    #[must_use]
    pub const fn new(share: f64) -> Self {
        if share > 0.0 { Self(share) } else { Self::ZERO }
    }

    /// `percent` hundredths.
    #[must_use]
    pub const fn percent(percent: f64) -> Self {
        Self::new(percent / 100.0)
    }

    /// The plain number: 1 % is 0.01.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// At most one.
    #[must_use]
    pub const fn clamped(self) -> Self {
        if self.0 > 1.0 { Self::ONE } else { self }
    }

    /// What is missing to one; zero if nothing is.
    #[must_use]
    pub const fn complement(self) -> Self {
        Self::new(1.0 - self.0)
    }

    /// Share of a share.
    #[must_use]
    pub const fn of(self, other: Self) -> Self {
        Self::new(self.0 * other.0)
    }

    /// How many times `other` this is; zero if `other` is nothing.
    #[must_use]
    pub const fn over(self, other: Self) -> Self {
        if other.0 > 0.0 { Self::new(self.0 / other.0) } else { Self::ZERO }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        let digits = if percent == 0.0 || percent >= 99.95 {
            0
        } else if percent >= 9.995 {
            1
        } else if percent >= 0.1 {
            2
        } else {
            4
        };
        let text = format!("{percent:.digits$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        f.pad(&format!("{text}%"))
    }
}

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, EXPECTED);
        let (number, unit) = split_number(text);
        if unit != "%" {
            return Err(error());
        }
        number.parse::<f64>().ok().filter(|n| n.is_finite()).map(Self::percent).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percent_is_the_only_spelling() {
        assert_eq!("0.1%".parse(), Ok(Ratio::new(0.001)));
        assert_eq!(" 40 %".parse(), Ok(Ratio::new(0.4)));
        for text in ["", "%", "0.1", "-3%", "5%%", "NaN%", "inf%", "1e3%"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
    }

    #[test]
    fn display_is_short() {
        for text in ["0%", "0.1%", "0.25%", "0.0125%", "5%", "40%", "99.5%", "200%"] {
            assert_eq!(text.parse::<Ratio>().unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn never_negative_never_nan(share in prop::num::f64::ANY) {
            prop_assert!(Ratio::new(share).get() >= 0.0);
        }
    }
}
