//! Bytes by idle age, in fixed classes, for people and for metrics.

use std::time::Duration;

use super::cohort::Cohort;
use crate::{
    cgroup::ByType,
    units::{Bytes, Ratio},
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Where one class ends and the next begins. The first begins at zero, the last has no end.
pub const BOUNDARIES: [Duration; 16] = [
    seconds(5),
    seconds(10),
    seconds(20),
    seconds(30),
    seconds(60),
    seconds(2 * 60),
    seconds(5 * 60),
    seconds(10 * 60),
    seconds(20 * 60),
    seconds(30 * 60),
    seconds(3600),
    seconds(2 * 3600),
    seconds(4 * 3600),
    seconds(8 * 3600),
    seconds(16 * 3600),
    seconds(24 * 3600),
];

/// One more than there are boundaries.
pub(crate) const CLASSES: usize = BOUNDARIES.len() + 1;

/// Bytes in DRAM by the time since their last touch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Histogram {
    classes: [ByType; CLASSES],
}

impl Histogram {
    /// Sorts cohorts into classes. One that spans a boundary is spread evenly over its span; one that the
    /// source saw no end of stands where it begins.
    #[must_use]
    pub fn of<'a>(cohorts: impl IntoIterator<Item = &'a Cohort>) -> Self {
        let mut histogram = Self::default();
        cohorts.into_iter().for_each(|cohort| histogram.add(cohort));
        histogram
    }

    /// Bytes of each class, the youngest first, with the age at which it begins.
    pub fn classes(&self) -> impl Iterator<Item = (Duration, ByType)> + '_ {
        std::iter::once(Duration::ZERO).chain(BOUNDARIES).zip(self.classes)
    }

    /// Bytes idle for at least the `index`th boundary.
    #[must_use]
    pub fn at_least(&self, index: usize) -> ByType {
        self.classes.iter().skip(index + 1).copied().sum()
    }

    /// All bytes.
    #[must_use]
    pub fn total(&self) -> ByType {
        self.classes.iter().copied().sum()
    }

    fn add(&mut self, cohort: &Cohort) {
        let first = class_of(reached(cohort.youngest));
        // What ends on a boundary is younger than it.
        let last =
            cohort.oldest.map_or(first, |oldest| class_of(oldest.saturating_sub(Duration::from_nanos(1))));
        let mut below = ByType::default();
        for (class, boundary) in BOUNDARIES.iter().enumerate().take(last).skip(first) {
            let share = share_below(cohort, *boundary);
            let upto = ByType { anon: cohort.size.anon.scale(share), file: cohort.size.file.scale(share) };
            self.classes[class] += upto - below;
            below = upto;
        }
        self.classes[last.max(first)] += cohort.size - below;
    }
}

/// The age that a cohort counts as: looks do not come on time to the millisecond, and what is idle for two
/// intervals would be missed for one that was short of it.
pub(crate) fn reached(age: Duration) -> Duration {
    age.saturating_add(age / 64)
}

/// The class that an age falls into.
pub(crate) fn class_of(age: Duration) -> usize {
    BOUNDARIES.partition_point(|boundary| *boundary <= age)
}

/// Where a class begins.
pub(crate) fn class_start(class: usize) -> Duration {
    class.checked_sub(1).map_or(Duration::ZERO, |before| BOUNDARIES[before])
}

/// Share of the cohort that is younger than `boundary`, if it is spread evenly.
fn share_below(cohort: &Cohort, boundary: Duration) -> Ratio {
    let Some(oldest) = cohort.oldest else { return Ratio::ZERO };
    let span = oldest.saturating_sub(cohort.youngest).as_secs_f64();
    let below = boundary.saturating_sub(cohort.youngest).as_secs_f64();
    if span > 0.0 { Ratio::new(below / span).clamped() } else { Ratio::ZERO }
}

impl Cohort {
    /// Bytes of `cohorts` that have been idle for `age` without doubt.
    pub(crate) fn surely_idle<'a>(cohorts: impl IntoIterator<Item = &'a Self>, age: Duration) -> ByType {
        cohorts.into_iter().filter(|cohort| reached(cohort.youngest) >= age).map(|cohort| cohort.size).sum()
    }

    /// All bytes of `cohorts`.
    pub(crate) fn total<'a>(cohorts: impl IntoIterator<Item = &'a Self>) -> Bytes {
        cohorts.into_iter().map(|cohort| cohort.size.total()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cohort(youngest: u64, oldest: Option<u64>, mib: u64) -> Cohort {
        let size = ByType { anon: Bytes::mib(mib), file: Bytes::ZERO };
        Cohort { youngest: seconds(youngest), oldest: oldest.map(seconds), size }
    }

    fn anon(histogram: &Histogram) -> Vec<u64> {
        histogram.classes().map(|(_, size)| size.anon.get() >> 20).collect()
    }

    #[test]
    fn a_cohort_within_a_class_is_in_it() {
        let histogram = Histogram::of(&[cohort(10, Some(20), 7), cohort(20, None, 5), cohort(0, Some(5), 3)]);
        assert_eq!(anon(&histogram)[..5], [3, 0, 7, 5, 0]);
        assert_eq!(histogram.at_least(1).anon, Bytes::mib(12));
        assert_eq!(histogram.total().total(), Bytes::mib(15));
    }

    #[test]
    fn one_that_spans_boundaries_is_spread_evenly() {
        let histogram = Histogram::of(&[cohort(0, Some(40), 40)]);
        assert_eq!(anon(&histogram)[..6], [5, 5, 10, 10, 10, 0]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(cohorts in prop::collection::vec((0_u64..200_000, prop::option::of(0_u64..200_000), any::<u32>()), 0..40)) {
            let cohorts: Vec<Cohort> = cohorts
                .into_iter()
                .map(|(youngest, span, bytes)| Cohort {
                    youngest: Duration::from_secs(youngest),
                    oldest: span.map(|span| Duration::from_secs(youngest + span)),
                    size: ByType { anon: Bytes::new(bytes.into()), file: Bytes::new(u64::from(bytes) / 3) },
                })
                .collect();
            let histogram = Histogram::of(&cohorts);
            prop_assert_eq!(histogram.total(), cohorts.iter().map(|cohort| cohort.size).sum());
        }
    }
}
