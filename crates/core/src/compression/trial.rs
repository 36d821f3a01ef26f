use std::time::Duration;

use crate::units::Bytes;

/// How long after it was found out the first trial is.
const FIRST: Duration = Duration::from_mins(5);
/// The wait doubles after each trial that shows nothing new, up to this.
const LONGEST: Duration = Duration::from_hours(4);

/// Whether memory that did not compress is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Trial {
    /// It compresses, or nobody knows yet.
    #[default]
    Free,
    /// It does not: a little is tried from then on.
    Waits {
        /// When.
        until: Duration,
        /// How long that was.
        wait: Duration,
    },
}

impl Trial {
    /// Takes in whether memory compresses poorly. `tried` is there if some was sent although it waits, and
    /// says whether that was measured.
    pub(super) fn learn(&mut self, is_poor: bool, tried: Option<bool>, now: Duration) {
        *self = match (*self, tried) {
            _ if !is_poor => Self::Free,
            (Self::Free, _) => Self::Waits { until: now + FIRST, wait: FIRST },
            (waits, None) => waits,
            (Self::Waits { wait, .. }, Some(measured)) => {
                let wait = if measured { wait.saturating_mul(2).min(LONGEST) } else { wait };
                Self::Waits { until: now + wait, wait }
            }
        };
    }

    /// Whether a little is to be tried now.
    pub(super) fn is_due(self, now: Duration) -> bool {
        matches!(self, Self::Waits { until, .. } if now >= until)
    }

    /// How much may go, if `sample` is what is tried at once.
    pub(super) fn room(self, sample: Bytes, now: Duration) -> Bytes {
        match self {
            Self::Free => Bytes::MAX,
            Self::Waits { .. } if self.is_due(now) => sample,
            Self::Waits { .. } => Bytes::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Bytes = Bytes::mib(1);

    #[test]
    fn what_does_not_compress_is_tried_less_and_less_often() {
        let (mut trial, mut now) = (Trial::default(), Duration::ZERO);
        trial.learn(true, None, now);
        let mut waits = Vec::new();
        for _ in 0..9 {
            let begun = now;
            while trial.room(SAMPLE, now).is_zero() {
                now += Duration::from_mins(1);
                trial.learn(true, None, now);
            }
            assert_eq!(trial.room(SAMPLE, now), SAMPLE);
            waits.push(now.saturating_sub(begun).as_secs() / 60);
            trial.learn(true, Some(true), now);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 240, 240, 240]);
        trial.learn(false, None, now);
        assert_eq!(trial.room(SAMPLE, now), Bytes::MAX);
    }

    #[test]
    fn a_trial_that_could_not_be_measured_is_made_again_as_soon() {
        let mut trial = Trial::Waits { until: Duration::ZERO, wait: FIRST };
        trial.learn(true, Some(false), FIRST);
        assert_eq!(trial, Trial::Waits { until: FIRST * 2, wait: FIRST });
    }
}
