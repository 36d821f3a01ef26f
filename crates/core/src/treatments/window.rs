use std::{collections::VecDeque, time::Duration};

/// Rates are meant over so long.
const MINUTE: Duration = Duration::from_mins(1);
/// Looks are kept apart by at least so much: bounds what is kept at any interval.
const SPACING: Duration = Duration::from_secs(1);

/// A cumulative counter at the looks of the last minute, and at the last one before it.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    looks: VecDeque<(Duration, u64)>,
}

impl Window {
    /// Takes in a look. A counter that fell, as after a restore from a snapshot of a machine, begins anew.
    pub(super) fn add(&mut self, now: Duration, counter: u64) {
        if self.looks.back().is_some_and(|(_, last)| *last > counter) {
            self.looks.clear();
        }
        let looks = self.looks.len();
        // Not the last two: what happened since the last look is asked for.
        if looks > 2 && now < self.looks[looks - 2].0 + SPACING {
            self.looks.pop_back();
        }
        self.looks.push_back((now, counter));
        while self.looks.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= MINUTE) {
            self.looks.pop_front();
        }
    }

    /// It cannot be read.
    pub(super) fn clear(&mut self) {
        self.looks.clear();
    }

    /// How much it rose in a minute or a little more, and in how long exactly; `None` before there are looks
    /// over a minute.
    pub(super) fn minute(&self) -> Option<(u64, Duration)> {
        self.since(*self.looks.front()?).filter(|(_, span)| *span >= MINUTE)
    }

    /// The same from the last look but one to the last.
    pub(super) fn last(&self) -> Option<(u64, Duration)> {
        self.since(*self.looks.iter().nth_back(1)?)
    }

    fn since(&self, (from, before): (Duration, u64)) -> Option<(u64, Duration)> {
        let (at, counter) = *self.looks.back()?;
        Some((counter.saturating_sub(before), at.saturating_sub(from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_minute_is_known_when_looks_cover_it() {
        let mut window = Window::default();
        for second in 0..10 {
            window.add(at(second * 6), second * 10);
            assert_eq!(window.minute(), None, "{second}");
        }
        window.add(at(60), 100);
        assert_eq!(window.minute(), Some((100, at(60))));
        assert_eq!(window.last(), Some((10, at(6))));
        window.add(at(66), 100);
        assert_eq!(window.minute(), Some((90, at(60))));
        assert_eq!(window.last(), Some((0, at(6))));
    }

    #[test]
    fn at_a_long_interval_the_last_look_is_the_window() {
        let mut window = Window::default();
        window.add(at(0), 0);
        window.add(at(600), 60);
        assert_eq!((window.minute(), window.last()), (Some((60, at(600))), Some((60, at(600)))));
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_counter_that_fell_begins_anew() {
        let mut window = Window::default();
        for step in 0..100_000_u64 {
            window.add(Duration::from_millis(step * 7), step);
        }
        assert!(window.looks.len() < 128, "{}", window.looks.len());
        assert!(window.minute().is_some());
        window.add(at(701), 3);
        assert_eq!((window.minute(), window.last()), (None, None));
    }
}
