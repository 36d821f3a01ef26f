//! How long a cgroup has been watched: before its pages have had cold_after to be touched, none is known to
//! be cold.

use std::time::Duration;

/// However often a cgroup disappoints, it is tried again after this.
const LONGEST: Duration = Duration::from_hours(1);
/// A breach is forgotten when so many waits have passed without another.
const FORGIVEN_AFTER: u32 = 4;

/// Since when a cgroup's pages age under lowtide's eyes, and how long they must before one may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    since: Duration,
    ageing: bool,
    /// Breaches in quick succession: each doubles the wait.
    breaches: u32,
    last_breach: Option<Duration>,
}

impl Watch {
    pub(crate) fn new(now: Duration) -> Self {
        Self { since: now, ageing: false, breaches: 0, last_breach: None }
    }

    /// Whether the pages have had their time.
    pub(crate) fn is_over(&self, cold_after: Duration, now: Duration) -> bool {
        now.saturating_sub(self.since) >= self.wait(cold_after)
    }

    /// Whether the kernel has been made to age the pages since the watch began.
    pub(crate) fn is_ageing(&self) -> bool {
        self.ageing
    }

    /// The kernel is made to age the pages now: the time counts from here.
    pub(crate) fn age(&mut self, now: Duration) {
        self.since = now;
        self.ageing = true;
    }

    /// The SLO is broken: whatever was known of the pages' ages is not to be relied on.
    ///
    /// After a while without requests every page has been touched since the kernel last looked, and a request
    /// would find no old one and take what it meets: in the lab 18 MiB for 0.4 MiB asked, a minute after a
    /// tenant had touched everything.
    pub(crate) fn begin_again(&mut self, now: Duration) {
        self.since = now;
        self.ageing = false;
    }

    /// Memory came back that had been thought cold: the next time it takes longer to be believed.
    pub(crate) fn disappoint(&mut self, cold_after: Duration, now: Duration) {
        let forgiven = self.wait(cold_after).saturating_mul(FORGIVEN_AFTER);
        let recent = self.last_breach.is_some_and(|last| now.saturating_sub(last) < forgiven);
        self.breaches = if recent { self.breaches.saturating_add(1) } else { 0 };
        self.last_breach = Some(now);
    }

    fn wait(&self, cold_after: Duration) -> Duration {
        let longer = cold_after.saturating_mul(1 << self.breaches.min(16));
        longer.min(LONGEST.max(cold_after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLD_AFTER: Duration = Duration::from_mins(5);

    fn minutes(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    #[test]
    fn counts_from_the_ageing_request() {
        let mut watch = Watch::new(minutes(0));
        watch.age(minutes(2));
        assert!(!watch.is_over(COLD_AFTER, minutes(6)));
        assert!(watch.is_over(COLD_AFTER, minutes(7)));
    }

    #[test]
    fn each_breach_in_quick_succession_doubles_the_wait() {
        let mut watch = Watch::new(minutes(0));
        let mut waits = Vec::new();
        for breach in 1..=6 {
            watch.disappoint(COLD_AFTER, minutes(breach));
            waits.push(watch.wait(COLD_AFTER).as_secs() / 60);
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn a_long_quiet_time_forgives() {
        let mut watch = Watch::new(minutes(0));
        watch.disappoint(COLD_AFTER, minutes(1));
        watch.disappoint(COLD_AFTER, minutes(2));
        watch.disappoint(COLD_AFTER, minutes(43));
        assert_eq!(watch.wait(COLD_AFTER), COLD_AFTER);
    }

    #[test]
    fn a_policy_that_waits_longer_than_the_longest_is_kept() {
        let mut watch = Watch::new(minutes(0));
        watch.disappoint(minutes(600), minutes(1));
        watch.disappoint(minutes(600), minutes(2));
        assert_eq!(watch.wait(minutes(600)), minutes(600));
    }
}
