//! A cgroup's recent past as cumulative counters, so that any window's rate is one subtraction.

use std::{collections::VecDeque, time::Duration};

use crate::{
    observation::CgroupObservation,
    units::{Bytes, Ratio},
};

/// The long window: SLOs and limits are meant per minute.
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// The short window: long enough that one stalled page is no alarm, short enough to stop early.
pub(crate) const SHORT: Duration = Duration::from_secs(10);

/// Samples nearer together than this share of a minute are not worth keeping: bounds the history at any
/// interval. With the two that a minute begins and ends with, and the one that is replaced next, they fit
/// into 64 places.
const MAX_SAMPLES: usize = 60;

/// Cumulative counters at one moment. Times are on the caller's monotonic clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) memory_stall: Option<Duration>,
    pub(crate) io_stall: Option<Duration>,
    /// What was swapped in, at its cost, since lowtide first saw the cgroup.
    pub(crate) swap_in_stall: Duration,
    /// Page cache that was read again, at its cost, likewise.
    pub(crate) refault_stall: Duration,
    /// Faulted back, since lowtide first saw the cgroup.
    pub(crate) promoted: Bytes,
    /// Left DRAM on lowtide's request, since it first saw the cgroup.
    pub(crate) reclaimed: Bytes,
    /// Kernel CPU spent on those requests.
    pub(crate) cpu: Duration,
}

impl Sample {
    /// With the pressure that was seen.
    pub(crate) fn with_pressure(self, seen: &CgroupObservation) -> Self {
        Self {
            memory_stall: seen.memory_pressure.map(|stall| stall.some),
            io_stall: seen.io_pressure.map(|stall| stall.some),
            ..self
        }
    }

    /// A pressure file that could not be read this once is taken to stand where it stood: a rate over a
    /// longer window is still seen, and a breach does not end because nobody looked.
    pub(crate) fn carried_on_from(self, before: Option<&Self>) -> Self {
        Self {
            memory_stall: self.memory_stall.or(before.and_then(|before| before.memory_stall)),
            io_stall: self.io_stall.or(before.and_then(|before| before.io_stall)),
            ..self
        }
    }
}

/// What happened between two samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    from: Sample,
    to: Sample,
}

impl Window {
    pub(crate) fn span(&self) -> Duration {
        self.to.at.saturating_sub(self.from.at)
    }

    pub(crate) fn memory_pressure(&self) -> Option<Ratio> {
        Some(self.share(self.to.memory_stall?.saturating_sub(self.from.memory_stall?)))
    }

    pub(crate) fn io_pressure(&self) -> Option<Ratio> {
        Some(self.share(self.to.io_stall?.saturating_sub(self.from.io_stall?)))
    }

    /// Share of time that the swap-ins took, by their cost.
    pub(crate) fn swap_in_stall(&self) -> Ratio {
        self.share(self.to.swap_in_stall.saturating_sub(self.from.swap_in_stall))
    }

    /// Share of time that reading page cache again took, by its cost.
    pub(crate) fn refault_stall(&self) -> Ratio {
        self.share(self.to.refault_stall.saturating_sub(self.from.refault_stall))
    }

    pub(crate) fn promoted(&self) -> Bytes {
        self.to.promoted - self.from.promoted
    }

    pub(crate) fn reclaimed(&self) -> Bytes {
        self.to.reclaimed - self.from.reclaimed
    }

    /// Share of one core. A window shorter than a minute counts as a minute, since the budget is per minute.
    pub(crate) fn reclaim_cpu(&self) -> Ratio {
        let cpu = self.to.cpu.saturating_sub(self.from.cpu);
        Ratio::new(cpu.as_secs_f64() / self.span().max(MINUTE).as_secs_f64())
    }

    fn share(&self, part: Duration) -> Ratio {
        let span = self.span().as_secs_f64();
        if span > 0.0 { Ratio::new(part.as_secs_f64() / span) } else { Ratio::ZERO }
    }
}

/// The samples of about the last minute, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
}

impl History {
    /// Adds a sample; what is older than a minute is dropped, save the one that the minute starts from.
    pub(crate) fn push(&mut self, sample: Sample) {
        let spacing = MINUTE / u32::try_from(MAX_SAMPLES).unwrap_or(u32::MAX);
        // The last sample is replaced while it is too near to its predecessor: no window then loses its
        // start.
        let mut newest = self.samples.iter().rev();
        if let (Some(last), Some(before)) = (newest.next(), newest.next())
            && last.at.saturating_sub(before.at) < spacing
        {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
        while self.samples.get(1).is_some_and(|second| sample.at.saturating_sub(second.at) >= MINUTE) {
            self.samples.pop_front();
        }
    }

    pub(crate) fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// From the last sample that is at least `span` old, or the oldest there is, to now. `None` before the
    /// second.
    pub(crate) fn window(&self, span: Duration) -> Option<Window> {
        let to = *self.samples.back()?;
        let old_enough = |sample: &&Sample| to.at.saturating_sub(sample.at) >= span;
        let from = self.samples.iter().rev().find(old_enough).or(self.samples.front())?;
        (from.at < to.at).then_some(Window { from: *from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64, stall_ms: u64) -> Sample {
        Sample {
            at: Duration::from_secs(seconds),
            memory_stall: Some(Duration::from_millis(stall_ms)),
            ..Sample::default()
        }
    }

    #[test]
    fn a_window_needs_two_samples() {
        let mut history = History::default();
        assert!(history.window(SHORT).is_none());
        history.push(at(1, 0));
        assert!(history.window(SHORT).is_none());
        history.push(at(3, 20));
        assert_eq!(history.window(SHORT).unwrap().memory_pressure(), Some(Ratio::new(0.01)));
    }

    #[test]
    fn short_and_long_windows_see_their_own_span() {
        let mut history = History::default();
        for second in 0..=120 {
            history.push(at(second, if second > 115 { (second - 115) * 100 } else { 0 }));
        }
        assert_eq!(history.window(SHORT).unwrap().span(), SHORT);
        assert_eq!(history.window(MINUTE).unwrap().span(), MINUTE);
        assert_eq!(history.window(SHORT).unwrap().memory_pressure(), Some(Ratio::new(0.05)));
    }

    #[test]
    fn a_counter_that_is_missing_gives_no_rate() {
        let mut history = History::default();
        history.push(Sample { memory_stall: None, ..at(0, 0) });
        history.push(at(2, 5));
        assert_eq!(history.window(SHORT).unwrap().memory_pressure(), None);
    }

    proptest! {
        #[test]
        fn bounded_and_ordered(steps in prop::collection::vec(1_u64..20_000, 1..400)) {
            let mut history = History::default();
            let mut now = Duration::ZERO;
            for step in steps {
                now += Duration::from_millis(step);
                history.push(Sample { at: now, ..Sample::default() });
                prop_assert!(history.samples.len() <= MAX_SAMPLES + 3);
                prop_assert!(history.samples.capacity() <= 64);
                prop_assert_eq!(history.samples.back().unwrap().at, now);
                prop_assert!(history.samples.iter().is_sorted_by_key(|sample| sample.at));
            }
        }
    }
}
