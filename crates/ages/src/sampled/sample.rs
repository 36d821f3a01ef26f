//! The pages that were drawn from one cgroup at one time, what became of them, and what that says of the
//! cgroup.
//!
//! Each page stands for as much memory as at its draw, whatever becomes of the others: what was added since
//! is not represented, and counts as touched just now, and what went took its pages with it.

use std::time::{Duration, Instant};

use lowtide_core::{
    ByType, Bytes, Ratio,
    reading::{Left, Resolution, Sample as Drawing, Touched},
};
use lowtide_damon::Thread;

use super::{
    draw::Drawn,
    pagemap::Entry,
    watch::{Idle, Sight},
};
use crate::damon::cohorts::{Cohorts, Ends};

/// A page that is watched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) process: Thread,
    pub(super) drawn: Drawn,
    /// Idle for so long at the last look; `None` before the first.
    idle: Option<Duration>,
}

/// Pages drawn at one time.
#[derive(Debug)]
pub(super) struct Sample {
    pages: Vec<Page>,
    /// So many there were.
    drawn: usize,
    /// What a page stands for if it is of this type.
    weight: ByType,
    /// They are watched for so long.
    since: Instant,
    /// When they were looked at last.
    looked: Option<Instant>,
}

/// What a look shows.
#[derive(Debug)]
pub(super) struct Estimate {
    pub(super) cohorts: Cohorts,
    pub(super) resolution: Resolution,
    pub(super) left: Left,
    pub(super) touched: Vec<Touched>,
}

impl Sample {
    /// `mapped`: what they stand for together.
    pub(super) fn new(pages: Vec<(Thread, Drawn)>, mapped: ByType, since: Instant) -> Self {
        let pages: Vec<Page> =
            pages.into_iter().map(|(process, drawn)| Page { process, drawn, idle: None }).collect();
        let files = pages.iter().filter(|page| page.drawn.is_file).count();
        let weight = ByType { anon: part(mapped.anon, pages.len() - files), file: part(mapped.file, files) };
        Self { drawn: pages.len(), pages, weight, since, looked: None }
    }

    /// For how long they have been watched.
    pub(super) fn watched(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Share of the pages that are still where they were.
    pub(super) fn left(&self) -> Ratio {
        share(self.pages.len(), self.drawn)
    }

    /// What they stand for.
    pub(super) fn stands_for(&self) -> ByType {
        self.pages.iter().map(|page| self.of(page)).sum()
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = u64> + '_ {
        self.pages.iter().map(|page| page.drawn.frame)
    }

    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    /// Keeps every `keep`th page alone, each for as many more.
    pub(super) fn thin(&mut self, keep: usize) {
        let mut index = 0;
        self.pages.retain(|_| {
            index += 1;
            index % keep == 0
        });
        let before = self.drawn;
        self.drawn = before / keep;
        let by = share(before, self.drawn);
        self.weight = ByType { anon: self.weight.anon.scale(by), file: self.weight.file.scale(by) };
    }

    /// Takes in what was seen. `entry` says what stands behind an address of a process now; pages that are
    /// not there any more are dropped. Memory is cold after `cold_after`, and so much `came_back` from swap
    /// since the last look.
    pub(super) fn look(
        &mut self,
        sight: &Sight,
        cold_after: Duration,
        came_back: Bytes,
        mut entry: impl FnMut(Thread, u64) -> Entry,
    ) -> Estimate {
        let elapsed = sight.at.saturating_duration_since(self.looked.unwrap_or(self.since));
        let watched = self.watched(sight.at);
        self.looked = Some(sight.at);
        let (mut left, mut moved) = (Left::default(), Left::default());
        let (mut touched, mut cohorts) = (Vec::new(), Cohorts::default());
        let weight = self.weight;
        self.pages.retain_mut(|page| match entry(page.process, page.drawn.address) {
            Entry::Present(frame) if frame == page.drawn.frame => {
                let (youngest, ends) = span(sight.idle.get(&frame), sight.within, watched);
                cohorts.add(youngest, ends, of(page, weight));
                touched.extend(page.touched(youngest + 2 * sight.within, elapsed, weight));
                page.idle = Some(youngest);
                true
            }
            Entry::Swapped => {
                page.note(&mut left, cold_after, elapsed);
                false
            }
            Entry::Present(_) if !page.drawn.is_file => {
                page.note(&mut moved, cold_after, elapsed);
                false
            }
            // Freed, or of a file.
            Entry::Present(_) | Entry::Hidden | Entry::Absent => false,
        });
        let left = with_returned(left, moved, came_back.share_of(weight.anon));
        let pages = u32::try_from(self.pages.len()).unwrap_or(u32::MAX);
        let resolution = Resolution::Sample(Drawing { pages, of: self.stands_for().total() });
        Estimate { cohorts, resolution, left, touched }
    }

    fn of(&self, page: &Page) -> ByType {
        of(page, self.weight)
    }
}

impl Page {
    /// It had been idle at the last look, and was touched since: it is idle for `at_most` so long now.
    fn touched(&self, at_most: Duration, elapsed: Duration, weight: ByType) -> Option<Touched> {
        let seen = self.idle.filter(|_| !self.drawn.is_file)?;
        (at_most < seen + elapsed).then(|| Touched { seen, age: seen + elapsed / 2, size: weight.anon })
    }

    /// Counts it among those that left.
    fn note(&self, left: &mut Left, cold_after: Duration, elapsed: Duration) {
        left.pages += 1;
        left.cold += u32::from(self.was_cold(cold_after, elapsed));
    }

    /// When it left, some time since the last look: taken as half-way.
    fn was_cold(&self, cold_after: Duration, elapsed: Duration) -> bool {
        self.idle.is_some_and(|idle| idle + elapsed / 2 >= cold_after)
    }
}

/// A page that is in another frame now was swapped out and came back, or was moved by the kernel. No more can
/// have come back than the kernel counted, in `pages`; which of them it was is not known.
fn with_returned(left: Left, moved: Left, pages: Ratio) -> Left {
    let share = pages.over(Ratio::new(f64::from(moved.pages))).clamped();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no more than it was")]
    let part = |count: u32| share.of(Ratio::new(f64::from(count))).get().round() as u32;
    Left { pages: left.pages + part(moved.pages), cold: left.cold + part(moved.cold) }
}

const fn of(page: &Page, weight: ByType) -> ByType {
    if page.drawn.is_file {
        ByType { anon: Bytes::ZERO, file: weight.file }
    } else {
        ByType { anon: weight.anon, file: Bytes::ZERO }
    }
}

/// What has not been touched since it is watched is older by nobody knows how much.
fn span(idle: Option<&Idle>, within: Duration, watched: Duration) -> (Duration, Ends) {
    match idle {
        None => (Duration::ZERO, Ends::At(within)),
        Some(idle) if idle.oldest >= watched => (idle.youngest.min(watched), Ends::Unknown),
        Some(idle) => (idle.youngest, Ends::At(idle.oldest)),
    }
}

fn part(whole: Bytes, parts: usize) -> Bytes {
    whole.scale(share(1, parts))
}

#[expect(clippy::cast_precision_loss, reason = "counts of pages")]
fn share(part: usize, whole: usize) -> Ratio {
    Ratio::new(part as f64).over(Ratio::new(whole as f64))
}

#[cfg(test)]
#[path = "sample_tests.rs"]
mod tests;
