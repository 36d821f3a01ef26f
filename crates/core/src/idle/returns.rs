//! What came back after a long idle time: the evidence against calling memory cold too early.
//!
//! Each return is noted with twice the age at which it came: what was touched again after 40 s may be touched again
//! after up to 80 s the next time, so it speaks against every cut below that. The notes fade, so that a tenant which has
//! changed is believed again; while it has not, each new return renews them, harmless where the cut leaves the
//! memory in DRAM, since the source goes on seeing it touched.

use std::time::Duration;

use super::histogram::BOUNDARIES;
use crate::units::{Bytes, Ratio};

/// Half of what is known is forgotten in this time.
const HALF_LIFE: Duration = Duration::from_mins(10);
/// A first return is not taken for a high rate.
const LEAST_SPAN: Duration = Duration::from_mins(1);

/// Fading sums of returned bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Returns {
    /// By the last boundary that they speak against; bytes.
    sums: [f64; BOUNDARIES.len()],
    /// How much time the sums stand for, fading with them; seconds.
    span: f64,
}

impl Returns {
    /// Time passes.
    pub(crate) fn fade(&mut self, elapsed: Duration) {
        let keep = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        self.sums.iter_mut().for_each(|sum| *sum *= keep);
        self.span = self.span * keep + elapsed.as_secs_f64();
    }

    /// So many bytes were touched again after having been idle for `age`.
    pub(crate) fn note(&mut self, age: Duration, size: Bytes) {
        let reach = age.saturating_mul(2);
        let boundaries = BOUNDARIES.partition_point(|boundary| *boundary <= reach);
        if let Some(last) = boundaries.checked_sub(1) {
            self.sums[last] += size.as_f64();
        }
    }

    /// Bytes a minute that would come back if what is idle for the `index`th boundary had left DRAM.
    pub(crate) fn per_minute(&self, index: usize) -> Bytes {
        let minutes = self.span.max(LEAST_SPAN.as_secs_f64()) / 60.0;
        let bytes: f64 = self.sums.iter().skip(index).sum();
        // A cast of a float saturates.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "never negative; saturates"
        )]
        Bytes::new((bytes / minutes) as u64)
    }
}

/// Memory that left DRAM on lowtide's request, and when on average it was touched last.
///
/// The kernel does not tell which of it came back, so what comes back is taken to be of mean age.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Away {
    bytes: f64,
    /// Mean time of the last touch, in seconds on the loop's clock; may lie before its start.
    touched: f64,
}

impl Away {
    /// `size` bytes left at `now` that had been idle for `age`.
    pub(crate) fn leave(&mut self, size: Bytes, age: Duration, now: Duration) {
        let touched = now.as_secs_f64() - age.as_secs_f64();
        let bytes = self.bytes + size.as_f64();
        if bytes > 0.0 {
            self.touched += (touched - self.touched) * size.as_f64() / bytes;
        }
        self.bytes = bytes;
    }

    /// `size` bytes came back: of how many that was lowtide's doing, and how long they had been idle.
    pub(crate) fn come_back(&mut self, size: Bytes, now: Duration) -> (Bytes, Duration) {
        let share = if self.bytes > 0.0 {
            Ratio::new(self.bytes / size.as_f64().max(1.0)).clamped()
        } else {
            Ratio::ZERO
        };
        let ours = size.scale(share);
        self.bytes = (self.bytes - ours.as_f64()).max(0.0);
        (ours, Duration::from_secs_f64((now.as_secs_f64() - self.touched).max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn index(boundary: u64) -> usize {
        BOUNDARIES.iter().position(|known| *known == seconds(boundary)).unwrap()
    }

    #[test]
    fn a_return_speaks_against_cuts_up_to_twice_its_age() {
        let mut returns = Returns::default();
        returns.fade(seconds(60));
        returns.note(seconds(35), Bytes::mib(30));
        assert_eq!(returns.per_minute(index(30)), Bytes::mib(30));
        assert_eq!(returns.per_minute(index(60)), Bytes::mib(30));
        assert_eq!(returns.per_minute(index(120)), Bytes::ZERO);
    }

    #[test]
    fn it_fades_and_is_renewed() {
        let (mut once, mut often) = (Returns::default(), Returns::default());
        once.note(seconds(35), Bytes::mib(30));
        for _ in 0..120 {
            once.fade(seconds(60));
            often.fade(seconds(60));
            often.note(seconds(35), Bytes::mib(30));
        }
        assert!(once.per_minute(0) < Bytes::kib(4), "{}", once.per_minute(0));
        let rate = often.per_minute(0).as_f64() / Bytes::mib(30).as_f64();
        assert!((rate - 1.0).abs() < 0.05, "{rate}");
    }

    #[test]
    fn what_was_away_has_the_mean_age() {
        let mut away = Away::default();
        away.leave(Bytes::mib(60), seconds(30), seconds(100));
        away.leave(Bytes::mib(60), seconds(30), seconds(120));
        assert_eq!(away.come_back(Bytes::mib(20), seconds(180)), (Bytes::mib(20), seconds(100)));
        let (ours, _) = away.come_back(Bytes::mib(500), seconds(200));
        assert_eq!(ours, Bytes::mib(100));
        assert_eq!(away.come_back(Bytes::mib(1), seconds(300)).0, Bytes::ZERO);
    }
}
