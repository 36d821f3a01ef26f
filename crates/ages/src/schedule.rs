//! When a look is due, and how often looks may be had for what they cost.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use lowtide_core::{CgroupId, Ratio};

use crate::Target;

/// When there was a look, and when each cgroup was looked at.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// When the last look began.
    begun: Option<Duration>,
    looked: HashMap<CgroupId, Duration>,
}

impl Schedule {
    /// Whether the last look is `interval` ago.
    pub(super) fn may_look(&self, interval: Duration, now: Duration) -> bool {
        is_over(self.begun, interval, now)
    }

    /// Those of `targets` that a look is worth now.
    pub(super) fn due(&self, targets: &[Target], now: Duration) -> Vec<Target> {
        let is_due = |target: &&Target| is_over(self.looked.get(&target.id).copied(), target.every, now);
        targets.iter().filter(is_due).cloned().collect()
    }

    /// A look at `due` begins.
    pub(super) fn begin(&mut self, due: &[Target], now: Duration) {
        self.begun = Some(now);
        self.looked.extend(due.iter().map(|target| (target.id, now)));
    }

    /// These are still due.
    pub(super) fn forget(&mut self, ids: &[CgroupId]) {
        self.looked.retain(|id, _| !ids.contains(id));
    }

    /// Forgets all but `alive`.
    pub(super) fn retain(&mut self, alive: &HashSet<CgroupId>) {
        self.looked.retain(|id, _| alive.contains(id));
    }
}

/// Whether an interval has passed, or will have in a moment: a turn that comes a little early will do, since
/// the next one may be late by a whole turn.
pub(super) fn is_over(begun: Option<Duration>, interval: Duration, now: Duration) -> bool {
    begun.is_none_or(|begun| now.saturating_add(interval / 64) >= begun.saturating_add(interval))
}

/// The shortest interval, from `wanted` on, at which looks that cost `cpu` take no more than `budget` of a
/// core.
pub(super) fn affordable(wanted: Duration, cpu: Duration, budget: Ratio) -> Duration {
    let seconds = Ratio::new(cpu.as_secs_f64()).over(budget).get();
    wanted.max(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// What is left for looks of the budget, and no less than half: a source that takes more has to look to it
/// itself.
pub(super) fn left(budget: Ratio, between: Ratio) -> Ratio {
    Ratio::new((budget.get() - between.get()).max(budget.get() / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_is_due_again_after_its_own_time() {
        let target = |id, secs| Target {
            id: CgroupId(id),
            path: "/a".into(),
            every: Duration::from_secs(secs),
            slow_every: Duration::ZERO,
            cold_after: Duration::ZERO,
        };
        let targets = [target(1, 10), target(2, 60)];
        let due = |schedule: &Schedule, secs| {
            schedule
                .due(&targets, Duration::from_secs(secs))
                .iter()
                .map(|target| target.id.0)
                .collect::<Vec<_>>()
        };
        let mut schedule = Schedule::default();
        assert_eq!(due(&schedule, 0), [1, 2]);
        schedule.begin(&targets, Duration::ZERO);
        assert_eq!(
            (due(&schedule, 9), due(&schedule, 10), due(&schedule, 60)),
            (vec![], vec![1], vec![1, 2])
        );
        schedule.forget(&[CgroupId(2)]);
        assert_eq!(due(&schedule, 1), [2]);
    }

    #[test]
    fn what_the_source_takes_anyway_is_not_there_for_looks() {
        let budget = Ratio::percent(1.0);
        for (between, share) in [(0.0, 1.0), (0.3, 0.7), (0.5, 0.5), (9.0, 0.5)] {
            let left = left(budget, Ratio::percent(between)).get() * 100.0;
            assert!((left - share).abs() < 1e-9, "{between} %: {left}");
        }
    }

    #[test]
    fn looks_that_cost_much_are_made_less_often() {
        let wanted = Duration::from_secs(30);
        for (cpu_ms, millis) in [(0, 30_000), (300, 30_000), (310, 31_000), (3_000, 300_000)] {
            let interval = affordable(wanted, Duration::from_millis(cpu_ms), Ratio::percent(1.0));
            assert_eq!(interval.as_millis(), millis, "{cpu_ms} ms");
        }
    }
}
