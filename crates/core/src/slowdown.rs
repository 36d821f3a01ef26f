//! By how much a cgroup's own work takes longer: the stall of what came back, over the processor time that
//! its work took.
//!
//! A share of the clock says little about a server that is asked for something now and then: one that is busy
//! for 0.6 % of the time and stalls for 0.1 % of it answers a sixth later, within an SLO of 0.1 %. Its
//! clients feel the sixth.

use std::time::Duration;

use crate::units::Ratio;

/// Half of what is known is forgotten in this time: what leaves now comes back over many minutes.
const MEMORY: Duration = Duration::from_mins(10);
/// Work that is presumed: a cgroup that did next to nothing so far is not slowed down by a single fault.
const PRESUMED: Duration = Duration::from_secs(1);

/// No host has more (`NR_CPUS`, arch/x86/Kconfig): a counter that claims more work is not believed.
const PROCESSORS: u32 = 8192;

/// The account of one cgroup.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slowdown {
    /// Seconds of work and of stall, both fading.
    worked: f64,
    lost: f64,
    /// Processor time so far; `None` before it was seen.
    so_far: Option<Duration>,
}

impl Slowdown {
    /// Takes in the processor time of all of the cgroup's tasks so far (`None` where the kernel does not
    /// tell), and what they stalled since the last call.
    pub(crate) fn observe(&mut self, so_far: Option<Duration>, lost: Duration, elapsed: Duration) {
        let keep = (-elapsed.as_secs_f64() / MEMORY.as_secs_f64()).exp2();
        let before = std::mem::replace(&mut self.so_far, so_far);
        let worked = so_far.zip(before).map(|(now, before)| now.saturating_sub(before)).unwrap_or_default();
        let at_most = elapsed.saturating_mul(PROCESSORS);
        self.worked = self.worked * keep + worked.min(at_most).as_secs_f64();
        self.lost = self.lost * keep + lost.as_secs_f64();
    }

    /// Stall over work of the last minutes; `None` where the kernel does not tell of work.
    pub(crate) fn share(&self) -> Option<Ratio> {
        let worked = self.worked + PRESUMED.as_secs_f64();
        self.so_far.map(|_| Ratio::new(self.lost / worked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_secs(6);

    /// Busy for a hundredth of the time, stalled for so many microseconds a turn.
    fn turns(slowdown: &mut Slowdown, count: u32, stalled: u64) {
        let before = slowdown.so_far.unwrap_or_default();
        for turn in 1..=count {
            slowdown.observe(Some(before + turn * (TURN / 100)), Duration::from_micros(stalled), TURN);
        }
    }

    #[test]
    fn is_stall_over_work_whatever_the_clock_says() {
        let mut slowdown = Slowdown::default();
        turns(&mut slowdown, 2000, 600);
        let share = slowdown.share().unwrap().get();
        // 600 µs of 60 ms are 1 %; a second of 8.7 that count is presumed.
        assert!((0.0085..0.0095).contains(&share), "{share}");
    }

    #[test]
    fn a_single_fault_of_an_idle_cgroup_is_no_slowdown() {
        let mut slowdown = Slowdown::default();
        slowdown.observe(Some(Duration::from_millis(3)), Duration::ZERO, TURN);
        slowdown.observe(Some(Duration::from_millis(3)), Duration::from_micros(100), TURN);
        assert!(slowdown.share().unwrap() <= Ratio::percent(0.01));
    }

    #[test]
    fn a_counter_that_leaps_is_not_believed() {
        let mut slowdown = Slowdown::default();
        slowdown.observe(Some(Duration::ZERO), Duration::ZERO, TURN);
        slowdown.observe(Some(Duration::from_micros(u64::MAX)), Duration::ZERO, TURN);
        assert!(slowdown.worked <= TURN.as_secs_f64() * f64::from(PROCESSORS));
    }

    #[test]
    fn half_is_forgotten_in_ten_minutes() {
        let mut slowdown = Slowdown::default();
        slowdown.observe(Some(Duration::ZERO), Duration::from_secs(1), TURN);
        let before = slowdown.share().unwrap().get();
        slowdown.observe(Some(Duration::ZERO), Duration::ZERO, MEMORY);
        assert!((slowdown.share().unwrap().get() - before / 2.0).abs() < 1e-9);
    }

    #[test]
    fn is_unknown_where_the_kernel_does_not_tell_and_begins_again_when_it_does() {
        let mut slowdown = Slowdown::default();
        slowdown.observe(None, Duration::from_secs(1), TURN);
        assert_eq!(slowdown.share(), None);
        // What the cgroup did before it was seen is no work of the last minutes.
        slowdown.observe(Some(Duration::from_hours(5)), Duration::ZERO, TURN);
        assert!(slowdown.worked.abs() < 1e-9 && slowdown.share().is_some());
    }
}
