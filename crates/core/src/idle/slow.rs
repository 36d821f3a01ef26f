//! Anonymous memory on slower nodes: how long it has been idle there, and what came and left on request.

use std::{sync::Arc, time::Duration};

use super::{
    ages::{Ages, Between, Piece},
    taken::Taken,
    tracker::both,
};
use crate::{
    cgroup::ByType,
    placement::Touches,
    reading::{Cohort, Touched},
    units::Bytes,
};

/// What is known of one cgroup's memory on slower nodes. What comes there had been idle in DRAM, but its age
/// begins anew.
#[derive(Debug, Clone, Default)]
pub(super) struct Slow {
    ages: Ages,
    /// With page cache.
    cohorts: Vec<Cohort>,
    /// As the source told it, and when.
    shown: Arc<[Cohort]>,
    at: Option<Duration>,
    /// Left for swap on lowtide's request since then.
    sunk: Taken,
    /// Came on lowtide's request since then.
    arrived: Taken,
}

impl Slow {
    /// So much left for swap and so much came, on request.
    pub(super) fn account(&mut self, sunk: ByType, arrived: ByType, now: Duration) {
        self.sunk.push(sunk, now);
        self.arrived.push(arrived, now);
    }

    /// Takes in what a source read; returns what was touched since the last reading, and the time since.
    pub(super) fn learn(
        &mut self,
        cohorts: &Arc<[Cohort]>,
        at: Duration,
        touches: &mut Touches,
    ) -> (Vec<Touched>, Duration) {
        let elapsed = self.at.replace(at).map_or(Duration::ZERO, |last| at.saturating_sub(last));
        let (may_be_gone, faulted) = (self.sunk.sum().anon, self.arrived.sum().anon);
        self.arrived.settle(at);
        let between = Between { elapsed, faulted, gone: self.sunk.settle(at).anon, may_be_gone };
        let seen = self.ages.learn(Piece::of(cohorts, |size| size.anon), between);
        seen.count_what_shows(touches);
        self.cohorts = both(self.ages.pieces(), &Piece::of(cohorts, |size| size.file));
        self.shown = Arc::clone(cohorts);
        (seen.touched().to_vec(), elapsed)
    }

    /// Anonymous bytes that have been idle there for `age`.
    ///
    /// No more than the last reading itself shows to have been idle for `shown`: in a reading made when less
    /// was asked for, newer memory is in one lump with it.
    pub(super) fn idle(&self, age: Duration, shown: Duration) -> Bytes {
        let shown = Cohort::surely_idle(&*self.shown, shown).anon;
        Cohort::surely_idle(&self.cohorts, age).anon.min(shown) - self.sunk.sum().anon
    }

    pub(super) fn cohorts(&self) -> &[Cohort] {
        &self.cohorts
    }
}
