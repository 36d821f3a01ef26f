//! How finely a source tells idle memory from other memory, and so how far its figures can be off.

use crate::units::{Bytes, Ratio};

/// So many standard deviations to both sides hold 95 % of a normal distribution.
const DEVIATIONS: f64 = 1.96;
/// Of `n` pages none was so: with 95 % confidence the share is below three in `n` ("rule of three", Hanley
/// and Lippman-Hand, JAMA 249, 1983), where the normal distribution would say zero.
const NONE_SEEN: f64 = 3.0;

/// How finely a source tells idle memory from other memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Resolution {
    /// Every page is in one of the source's lists: bytes are exact, and ages are known to the time between
    /// two walks.
    Walks,
    /// Ranges of addresses that count whole, as DAMON keeps them: nobody can say how far the bytes are off.
    Regions,
    /// Pages drawn at random stand for all.
    Sample(Sample),
}

/// Pages drawn at random, each with the same likelihood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Sample {
    /// Pages whose ages are known.
    pub pages: u32,
    /// What they stand for.
    pub of: Bytes,
}

impl Resolution {
    /// Half of the 95 % interval around a share of the memory that was looked at: `1.96 * sqrt(p * (1 - p) /
    /// n)` of a sample, and at least three pages of it; nothing for [`Resolution::Walks`]. `None` if it is
    /// not known.
    #[must_use]
    pub fn error(self, share: Ratio) -> Option<Ratio> {
        match self {
            Self::Walks => Some(Ratio::ZERO),
            Self::Regions | Self::Sample(Sample { pages: 0, .. }) => None,
            Self::Sample(Sample { pages, .. }) => {
                let (pages, share) = (f64::from(pages), share.clamped());
                let deviation = (share.of(share.complement()).get() / pages).sqrt();
                Some(Ratio::new((DEVIATIONS * deviation).max(NONE_SEEN / pages)).clamped())
            }
        }
    }

    /// The same for a number of bytes.
    #[must_use]
    pub fn error_of(self, bytes: Bytes) -> Option<Bytes> {
        let of = match self {
            Self::Sample(Sample { of, .. }) => of,
            Self::Walks | Self::Regions => Bytes::ZERO,
        };
        Some(of.scale(self.error(bytes.share_of(of))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(pages: u32) -> Resolution {
        Resolution::Sample(Sample { pages, of: Bytes::mib(1000) })
    }

    #[test]
    fn the_error_of_a_sample_is_that_of_drawing() {
        for (pages, percent, points) in [
            (2000, 70.0, 2.008),
            (400, 70.0, 4.491),
            (400, 30.0, 4.491),
            (100, 0.0, 3.0),
            (100, 100.0, 3.0),
            (1, 50.0, 100.0),
        ] {
            let error = sample(pages).error(Ratio::percent(percent)).unwrap().get() * 100.0;
            assert!((error - points).abs() < 0.001, "{pages} pages, {percent} %: {error}");
        }
        assert_eq!(sample(0).error(Ratio::ONE), None);
    }

    #[test]
    fn walks_are_exact_and_of_regions_nobody_knows() {
        assert_eq!(Resolution::Walks.error_of(Bytes::mib(7)), Some(Bytes::ZERO));
        assert_eq!(Resolution::Regions.error_of(Bytes::mib(7)), None);
        let error = sample(400).error_of(Bytes::mib(700)).unwrap();
        assert!(error > Bytes::mib(44) && error < Bytes::mib(45), "{error}");
    }

    proptest! {
        #[test]
        fn more_pages_never_say_less(pages in 1_u32..100_000, more in 0_u32..100_000, share in 0.0..=1.0) {
            let error = |pages| sample(pages).error(Ratio::new(share)).unwrap();
            prop_assert!(error(pages + more) <= error(pages));
            prop_assert!(error(pages) <= Ratio::ONE);
        }
    }
}
