//! Of what left DRAM, the share that was really cold: what pages drawn at random showed.

use std::time::Duration;

use crate::{
    reading::{Left, Resolution, Sample},
    units::{Bytes, Ratio},
};

/// What was seen longer ago than this counts for little: it fades by half in this time.
const HALF_LIFE: Duration = Duration::from_mins(10);
/// What has faded to less than so many pages says nothing.
const LEAST: f64 = 1.0;

/// What is known of the precision of a cgroup's offload over the last minutes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Measured {
    /// Share of what left DRAM that had been idle for `cold_after`.
    pub share: Ratio,
    /// By so many pages; those of longer ago count as less than one.
    pub pages: f64,
    /// Half of the 95 % interval around the share.
    pub error: Ratio,
}

/// Adds up what left, and forgets it over about ten minutes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Precision {
    left: f64,
    cold: f64,
}

impl Precision {
    /// Time passes.
    pub fn fade(&mut self, elapsed: Duration) {
        let keep = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        self.left *= keep;
        self.cold *= keep;
    }

    /// Pages were found to have left.
    pub fn note(&mut self, Left { pages, cold }: Left) {
        self.left += f64::from(pages);
        self.cold += f64::from(cold.min(pages));
    }

    /// `None` as long as next to nothing was seen to leave.
    #[must_use]
    pub fn measured(&self) -> Option<Measured> {
        if self.left < LEAST {
            return None;
        }
        let share = Ratio::new(self.cold / self.left).clamped();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative; saturates"
        )]
        let sample = Resolution::Sample(Sample { pages: self.left as u32, of: Bytes::ZERO });
        Some(Measured { share, pages: self.left, error: sample.error(share)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_what_left_lately() {
        let mut precision = Precision::default();
        assert_eq!(precision.measured(), None);
        precision.note(Left { pages: 100, cold: 50 });
        let before = precision.measured().unwrap();
        assert_eq!((before.share, before.pages), (Ratio::percent(50.0), 100.0));
        precision.fade(HALF_LIFE);
        precision.note(Left { pages: 50, cold: 50 });
        let after = precision.measured().unwrap();
        assert_eq!((after.share, after.pages), (Ratio::percent(75.0), 100.0));
        assert!(after.error < before.error && before.error < Ratio::percent(9.9), "{before:?}, {after:?}");
    }

    #[test]
    fn what_is_long_ago_says_nothing() {
        let mut precision = Precision::default();
        precision.note(Left { pages: 100, cold: 100 });
        precision.fade(HALF_LIFE * 6);
        assert!(precision.measured().is_some());
        precision.fade(HALF_LIFE);
        assert_eq!(precision.measured(), None);
    }

    #[test]
    fn no_more_can_be_cold_than_left() {
        let mut precision = Precision::default();
        precision.note(Left { pages: 1, cold: 7 });
        assert_eq!(precision.measured().unwrap().share, Ratio::ONE);
    }
}
