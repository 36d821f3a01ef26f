//! When which page of a swept part is due.

use super::layout::Part;
use clap::ValueEnum;
use std::ops::Range;
use std::time::Duration;

/// How the touches of one sweep lie in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// All pages one after the other when the time has come.
    Burst,
    /// At constant speed, so that a sweep takes all of the time until the next.
    Spread,
}

/// Sweeps over one part, again and again.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// What is swept.
    pub part: Part,
    every: Duration,
    style: Style,
    /// Pages that were due so far, all rounds together.
    done: usize,
}

impl Sweep {
    /// One sweep of `part` in each `every`.
    #[must_use]
    pub fn new(part: Part, every: Duration, style: Style) -> Self {
        // Time zero is over: what is to be touched all the time is touched at every call.
        Self { part, every: every.max(Duration::from_nanos(1)), style, done: 0 }
    }

    /// What became due since the last call, at most one round: indices into the part of `pages` pages, to be
    /// taken modulo `pages`. `now` is the time since the start; the first burst is due after one `every`.
    pub fn due(&mut self, now: Duration, pages: usize) -> Range<usize> {
        let (now, every) = (now.as_nanos(), self.every.as_nanos());
        let due = match self.style {
            // A burst that was missed is made up for at the next calls, one round each.
            Style::Burst => (now / every * pages as u128).min((self.done + pages) as u128),
            Style::Spread => now * pages as u128 / every,
        };
        let due = usize::try_from(due).unwrap_or(usize::MAX);
        let start = self.done.max(due.saturating_sub(pages));
        self.done = due;
        start..due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_everything_at_once() {
        let mut sweep = Sweep::new(Part::Warm, SECOND * 20, Style::Burst);
        assert!(sweep.due(SECOND * 19, 100).is_empty());
        assert_eq!(sweep.due(SECOND * 20, 100), 0..100);
        assert!(sweep.due(SECOND * 39, 100).is_empty());
        assert_eq!(sweep.due(SECOND * 41, 100), 100..200);
    }

    #[test]
    fn missed_bursts_come_one_at_a_time() {
        let mut sweep = Sweep::new(Part::Warm, SECOND * 10, Style::Burst);
        assert_eq!(sweep.due(SECOND * 25, 8), 0..8);
        assert_eq!(sweep.due(SECOND * 25, 8), 8..16);
        assert!(sweep.due(SECOND * 25, 8).is_empty());
    }

    #[test]
    fn a_spread_sweep_has_constant_speed() {
        let mut sweep = Sweep::new(Part::Scan, SECOND * 60, Style::Spread);
        for second in 1..=120 {
            let due = sweep.due(SECOND * second, 600);
            assert_eq!(due.len(), 10, "at {second} s");
            assert_eq!(due.end, usize::try_from(second * 10).unwrap());
        }
    }

    #[test]
    fn after_a_long_stall_every_page_is_due_once() {
        let mut sweep = Sweep::new(Part::Scan, SECOND, Style::Spread);
        assert_eq!(sweep.due(SECOND * 10, 50), 450..500);
    }

    #[test]
    fn nothing_is_due_of_nothing() {
        for style in [Style::Burst, Style::Spread] {
            assert!(Sweep::new(Part::Warm, Duration::ZERO, style).due(SECOND, 0).is_empty());
        }
    }
}
