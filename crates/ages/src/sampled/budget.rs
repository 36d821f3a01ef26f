//! How many pages of each cgroup may be watched, within a share of a processor.

use std::time::Duration;

use lowtide_core::Ratio;

/// More say little more: the 95 % interval is ±2.7 points by then, and each costs at each look too.
const MOST: usize = 1_300;
/// Fewer say too little: ±10 points.
const LEAST: usize = 100;
/// What a check takes before one was measured: 0.8 µs natively (6.18), 4.5 µs counted in the lab (6.12).
const FIRST_GUESS: Duration = Duration::from_micros(1);
/// How much of a new measurement is believed.
const WEIGHT: f64 = 0.5;

/// What watching costs, and may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    share: Ratio,
    /// Seconds.
    check: f64,
}

impl Budget {
    /// `share` of a processor for checks.
    pub(super) const fn new(share: Ratio) -> Self {
        Self { share, check: FIRST_GUESS.as_secs_f64() }
    }

    /// So much processor time went into `checks`.
    pub(super) fn settle(&mut self, used: Duration, checks: f64) {
        if checks >= 1.0 {
            self.check += (used.as_secs_f64() / checks - self.check) * WEIGHT;
        }
    }

    /// How many pages each of so many cgroups may have, and for how many of them there is room. Each page is
    /// checked `every` so often.
    pub(super) fn share_out(&self, cgroups: usize, every: Duration) -> (usize, usize) {
        let affordable = self.affordable(every);
        let each = (affordable / cgroups.max(1)).clamp(LEAST, MOST);
        (each, (affordable / each).max(1))
    }

    /// Pages in all that may be watched.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
    pub(super) fn affordable(&self, every: Duration) -> usize {
        let seconds = self.share.get() * every.as_secs_f64().min(Self::ENDLESS);
        (seconds / self.check.max(f64::MIN_POSITIVE)) as usize
    }

    /// Of a watch that checks nothing by itself only the looks cost, and they are paid for apart.
    const ENDLESS: f64 = 1e9;
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(5);

    #[test]
    fn cgroups_share_what_can_be_afforded() {
        let mut budget = Budget::new(Ratio::percent(0.5));
        for _ in 0..20 {
            budget.settle(Duration::from_micros(4500), 1000.0);
        }
        assert!((5_400..5_600).contains(&budget.affordable(EVERY)), "{}", budget.affordable(EVERY));
        assert_eq!(budget.share_out(1, EVERY), (MOST, 4));
        let (each, room) = budget.share_out(10, EVERY);
        assert!((540..560).contains(&each) && room == 10, "{each}, {room}");
        assert_eq!(budget.share_out(1000, EVERY), (LEAST, 55));
    }

    #[test]
    fn what_checks_nothing_by_itself_may_have_all() {
        let budget = Budget::new(Ratio::percent(0.5));
        let (each, room) = budget.share_out(1000, Duration::MAX);
        assert!(each == MOST && room > 1000, "{each}, {room}");
    }

    #[test]
    fn nothing_checked_says_nothing() {
        let mut budget = Budget::new(Ratio::percent(0.5));
        let before = budget.affordable(EVERY);
        budget.settle(Duration::from_secs(1), 0.0);
        assert_eq!(budget.affordable(EVERY), before);
    }
}
