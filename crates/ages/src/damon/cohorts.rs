//! From DAMON's regions to the cohorts of the core.

use std::{collections::BTreeMap, time::Duration};

use lowtide_core::{ByType, Bytes, Cohort};

/// Bytes by the span of time in which they were touched last, the oldest last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cohorts(BTreeMap<(Duration, Ends), ByType>);

/// The far end of such a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ends {
    /// So long ago.
    At(Duration),
    /// Nobody knows: somebody has looked for so long only.
    Unknown,
}

impl Cohorts {
    pub(crate) fn add(&mut self, youngest: Duration, ends: Ends, size: ByType) {
        if !size.total().is_zero() {
            *self.0.entry((youngest, ends)).or_default() += size;
        }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        for ((youngest, ends), size) in other.0 {
            self.add(youngest, ends, size);
        }
    }

    /// Leaves no more than `most` of each type. What is too much is taken from the oldest: addresses behind
    /// which there is no memory are never touched, so they are among those, and no more is called idle than
    /// can be.
    pub(crate) fn clip(&mut self, most: ByType) {
        let mut over = self.total() - most;
        for size in self.0.values_mut().rev() {
            let taken = ByType { anon: over.anon.min(size.anon), file: over.file.min(size.file) };
            *size = *size - taken;
            over = over - taken;
        }
        self.0.retain(|_, size| !size.total().is_zero());
    }

    /// Makes it all that the cgroup has in DRAM: what was seen of it, and what was not, which counts as
    /// touched just now.
    pub(crate) fn complete(&mut self, all: ByType, just_now: Duration) {
        self.clip(all);
        self.add(Duration::ZERO, Ends::At(just_now), all - self.total());
    }

    fn total(&self) -> ByType {
        self.0.values().copied().sum()
    }

    /// For the core. What has not been touched since somebody looks is one cohort: the core knows from
    /// earlier readings how old it really is, and tells only one apart.
    pub(crate) fn finish(self) -> Vec<Cohort> {
        let mut cohorts = Vec::with_capacity(self.0.len());
        let mut since_ever: Option<Cohort> = None;
        for ((youngest, ends), size) in self.0 {
            match (ends, &mut since_ever) {
                (Ends::At(oldest), _) => cohorts.push(Cohort { youngest, oldest: Some(oldest), size }),
                // The first one is the youngest.
                (Ends::Unknown, Some(known)) => known.size += size,
                (Ends::Unknown, none) => *none = Some(Cohort { youngest, oldest: None, size }),
            }
        }
        cohorts.extend(since_ever);
        cohorts
    }
}

/// Bytes of one type.
pub(crate) const fn anon(anon: Bytes) -> ByType {
    ByType { anon, file: Bytes::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn file(file: Bytes) -> ByType {
        ByType { anon: Bytes::ZERO, file }
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn some() -> Cohorts {
        let mut cohorts = Cohorts::default();
        cohorts.add(seconds(0), Ends::At(seconds(5)), anon(Bytes::mib(10)));
        cohorts.add(seconds(60), Ends::Unknown, anon(Bytes::mib(30)));
        cohorts.add(seconds(65), Ends::Unknown, anon(Bytes::mib(20)));
        cohorts.add(seconds(20), Ends::At(seconds(30)), file(Bytes::mib(7)));
        cohorts.add(seconds(20), Ends::At(seconds(30)), file(Bytes::mib(1)));
        cohorts.add(seconds(90), Ends::Unknown, ByType::default());
        cohorts
    }

    #[test]
    fn what_was_idle_from_the_start_is_one() {
        let cohort = |youngest, oldest, size| Cohort { youngest: seconds(youngest), oldest, size };
        let expected = [
            cohort(0, Some(seconds(5)), anon(Bytes::mib(10))),
            cohort(20, Some(seconds(30)), file(Bytes::mib(8))),
            cohort(60, None, anon(Bytes::mib(50))),
        ];
        assert_eq!(some().finish(), expected);
    }

    #[test]
    fn too_much_is_taken_from_the_oldest_of_its_type() {
        let mut cohorts = some();
        cohorts.clip(ByType { anon: Bytes::mib(35), file: Bytes::mib(3) });
        let cohort = |youngest, oldest, size| Cohort { youngest: seconds(youngest), oldest, size };
        let expected = [
            cohort(0, Some(seconds(5)), anon(Bytes::mib(10))),
            cohort(20, Some(seconds(30)), file(Bytes::mib(3))),
            cohort(60, None, anon(Bytes::mib(25))),
        ];
        assert_eq!(cohorts.finish(), expected);
        let mut enough = some();
        enough.clip(ByType { anon: Bytes::MAX, file: Bytes::MAX });
        assert_eq!(enough.finish(), some().finish());
    }

    #[test]
    fn what_was_not_seen_counts_as_touched() {
        let mut cohorts = some();
        let all = ByType { anon: Bytes::mib(70), file: Bytes::mib(5) };
        cohorts.complete(all, seconds(5));
        assert_eq!(cohorts.total(), all);
        assert_eq!(cohorts.finish()[0].size, anon(Bytes::mib(20)));
    }
}
