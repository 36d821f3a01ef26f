use std::time::Duration;

/// From one age to the next younger one that is tried.
///
/// Within a step the kernel takes pages in an order of its own, so the step bounds how far the order by age
/// can be missed; each costs the kernel a walk over all slots. From 30 days down to 10 minutes it is 38
/// steps, once: what was emptied is remembered.
const STEP: f64 = 0.8;

/// The next younger age to try after `age`: never below `min_age`, and `None` after that.
#[must_use]
pub fn next_younger(age: Duration, min_age: Duration) -> Option<Duration> {
    (age > min_age).then(|| Duration::from_secs(age.mul_f64(STEP).as_secs()).max(min_age))
}

/// What is known of the ages of the pages in a store.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Oldest {
    /// All that was older than this had sunk, at that time.
    emptied: Option<(Duration, Duration)>,
}

impl Oldest {
    /// A run emptied the store of all that was older than `age`.
    pub(super) fn emptied(&mut self, age: Duration, now: Duration) {
        self.emptied = Some((age, now));
    }

    /// The age at which a run starts to look: nothing is older. `uptime` is how long the kernel has been
    /// running, which is what its ages are at most.
    pub(super) fn bound(&self, now: Duration, uptime: Duration, min_age: Duration) -> Duration {
        let known = self.emptied.map(|(age, at)| age.saturating_add(now.saturating_sub(at)));
        known.unwrap_or(uptime).min(uptime).max(min_age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIN: Duration = Duration::from_mins(10);

    #[test]
    fn thirty_days_are_few_steps() {
        let steps =
            std::iter::successors(Some(Duration::from_hours(30 * 24)), |age| next_younger(*age, MIN)).count();
        assert!((36..=40).contains(&steps), "{steps}");
    }

    #[test]
    fn pages_grow_older_after_a_run() {
        let mut oldest = Oldest::default();
        let uptime = Duration::from_hours(5);
        assert_eq!(oldest.bound(Duration::ZERO, uptime, MIN), uptime);
        oldest.emptied(MIN, Duration::from_mins(1));
        assert_eq!(oldest.bound(Duration::from_mins(4), uptime, MIN), Duration::from_mins(13));
        assert_eq!(oldest.bound(Duration::from_mins(4), Duration::from_secs(1), MIN), MIN);
    }

    proptest! {
        #[test]
        fn no_rung_is_as_old_as_the_host(min in 1_u64..3_000_000, more in 2_u64..3_000_000, known in prop::option::of(0_u64..9_000_000)) {
            let (min, uptime) = (Duration::from_secs(min), Duration::from_secs(min + more));
            let emptied = known.map(|age| (Duration::from_secs(age), Duration::ZERO));
            let from = Oldest { emptied }.bound(uptime, uptime, min);
            prop_assert!(next_younger(from, min).unwrap_or(min) < uptime);
        }

        #[test]
        fn the_ladder_ends_at_the_least_age_and_never_goes_below(age in 0_u64..10_000_000_000, min in 1_u64..3_000_000) {
            let (age, min) = (Duration::from_secs(age), Duration::from_secs(min));
            let ladder: Vec<_> = std::iter::successors(next_younger(age, min), |age| next_younger(*age, min)).collect();
            prop_assert!(ladder.is_sorted_by(|a, b| a > b) && ladder.iter().all(|age| *age >= min));
            prop_assert!(age <= min || ladder.last() == Some(&min));
        }
    }
}
