//! Treatments around [`lowtide_core::treatments`]: looks in every turn, and does what is decided: what takes
//! long on a thread of its own, settings journalled first.

mod compact;
mod compaction;
mod counts;
mod dying;
mod fit;
mod held;
mod ksm;
mod page_cluster;
mod problem;
mod release;
mod setting;
mod strain;
#[cfg(test)]
mod tests;
mod thp_defrag;
mod work;

use std::{path::PathBuf, time::Duration};

use lowtide_cgroup::Mount;
use lowtide_core::{
    Ratio,
    treatments::{DefragMode, Ksm, KsmMode, Moment, Pressure, Settings, ThpDefrag, Treatment},
};
use lowtide_journal::Journal;
use lowtide_kernfs::Root;

use crate::controller::{Around, Controller, Turn};

use self::{
    compaction::Compaction,
    dying::{DyingCgroups, Place},
    held::{HeldBy, possible},
    page_cluster::PageCluster,
    problem::{Problem, Said},
    work::{Done, Ended, Work},
};

pub use compact::{CompactionRun, End};
pub use compaction::CompactionView;
pub use counts::Counts;
pub use dying::DyingView;
pub use ksm::KsmView;
pub use page_cluster::PageClusterView;
pub use release::ReleaseStep;
pub use thp_defrag::ThpDefragView;

/// What is known of the treatments, for metrics and `status`; of each one that is switched off nothing.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TreatmentsView {
    /// Share of the last minute with some task stalled on memory; `None` before a minute was seen, and where
    /// that is not measured.
    pub pressure: Option<Ratio>,
    /// Compaction.
    pub compaction: Option<CompactionView>,
    /// Dying cgroups.
    pub dying_cgroups: Option<DyingView>,
    /// KSM.
    pub ksm: Option<KsmView>,
    /// What page faults do for huge pages.
    pub thp_defrag: Option<ThpDefragView>,
    /// How much a swap-in reads.
    pub page_cluster: Option<PageClusterView>,
    /// Decisions so far.
    #[serde(skip)]
    pub decisions: Counts,
}

/// What the settings ask for and this host lacks, each with what to do.
#[must_use]
pub fn lacking(root: &Root, settings: Settings) -> Vec<String> {
    let looks = [
        settings.compaction.then(|| (Treatment::Compaction, compaction::possible(root))),
        settings.ksm.map(|_| (Treatment::Ksm, possible::<Ksm>(root))),
        settings.thp_defrag.map(|_| (Treatment::ThpDefrag, possible::<ThpDefrag>(root))),
        settings.page_cluster.then(|| (Treatment::PageCluster, possible::<PageCluster>(root))),
    ];
    let told = looks.into_iter().flatten().filter_map(|(treatment, look)| {
        look.err().map(|problem| format!("treatments.{treatment}: {problem}"))
    });
    let needs_pressure = settings.compaction || settings.dying_cgroups;
    let no_pressure = (needs_pressure && strain::total(root).is_none()).then(|| {
        "treatments: pressure on memory is not measured here (/proc/pressure/memory), so no moment is known to be calm: `psi=1` on the \
         kernel's command line"
            .to_owned()
    });
    told.chain(no_pressure).collect()
}

/// The treatments' part of the daemon.
#[derive(Debug)]
pub(crate) struct Treatments {
    root: Root,
    mount: Mount,
    /// Those of the last turn.
    settings: Settings,
    pressure: Pressure,
    work: Work,
    compaction: Compaction,
    dying_cgroups: DyingCgroups,
    ksm: HeldBy<Ksm>,
    thp_defrag: HeldBy<ThpDefrag>,
    page_cluster: HeldBy<PageCluster>,
    decisions: Counts,
}

impl Controller for Treatments {
    type View = TreatmentsView;

    fn new(root: &Root, mount: &Mount) -> Self {
        Self {
            settings: Settings::default(),
            pressure: Pressure::default(),
            work: Work::default(),
            compaction: Compaction::default(),
            dying_cgroups: DyingCgroups::default(),
            ksm: HeldBy::new(root.clone()),
            thp_defrag: HeldBy::new(root.clone()),
            page_cluster: HeldBy::new(root.clone()),
            decisions: Counts::default(),
            root: root.clone(),
            mount: mount.clone(),
        }
    }

    fn turn(&mut self, journal: &mut Journal, turn: &Turn<'_>) -> Option<TreatmentsView> {
        self.turn_under(journal, turn.config.treatments, &turn.around, turn.now)
    }

    fn held(&self) -> Vec<PathBuf> {
        self.ksm.held().chain(self.thp_defrag.held()).chain(self.page_cluster.held()).collect()
    }

    fn problems(&self) -> Vec<String> {
        let Self { compaction, dying_cgroups, ksm, thp_defrag, page_cluster, .. } = self;
        let all = [&compaction.said, &dying_cgroups.said, &ksm.said, &thp_defrag.said, &page_cluster.said];
        all.into_iter().filter_map(Said::problem).cloned().chain(self.work.hangs()).collect()
    }

    fn stop(&self) {
        self.work.stop();
    }

    /// One at most.
    fn unfinished(&self) -> usize {
        usize::from(self.work.is_unfinished())
    }
}

impl Treatments {
    /// Looks, decides, and begins or sets what was decided. What is switched off is stopped and put back.
    fn turn_under(
        &mut self,
        journal: &mut Journal,
        settings: Settings,
        around: &Around<'_>,
        now: Duration,
    ) -> Option<TreatmentsView> {
        self.collect(now);
        self.change(journal, settings);
        if !settings.is_any() {
            return None;
        }
        self.pressure.look(now, strain::total(&self.root));
        let moment = self.pressure.moment();
        if moment == Moment::Tense {
            self.work.stop();
        }
        let Self {
            root,
            mount,
            work,
            compaction,
            dying_cgroups,
            ksm,
            thp_defrag,
            page_cluster,
            decisions,
            ..
        } = self;
        let place = Place { root, mount, around };
        let compaction = settings.compaction.then(|| compaction.turn(root, moment, work, decisions, now));
        let dying_cgroups =
            settings.dying_cgroups.then(|| dying_cgroups.turn(&place, moment, work, decisions, now));
        let tiers = around.tiers;
        let ksm = settings.ksm.map(|KsmMode::Advisor| ksm.turn(journal, tiers, decisions, now));
        let thp_defrag = settings
            .thp_defrag
            .map(|DefragMode::DeferMadvise| thp_defrag.turn(journal, tiers, decisions, now));
        let page_cluster = settings.page_cluster.then(|| page_cluster.turn(journal, tiers, decisions, now));
        let (pressure, decisions) = (self.pressure.lately(), self.decisions.clone());
        Some(TreatmentsView { pressure, compaction, dying_cgroups, ksm, thp_defrag, page_cluster, decisions })
    }

    fn collect(&mut self, now: Duration) {
        match self.work.collect() {
            None => {}
            Some(Ended::Done(Done::Compacted(done))) => self.compaction.ended(done, now),
            Some(Ended::Done(Done::Released(done))) => self.dying_cgroups.ended(done, now),
            Some(Ended::Panicked(Treatment::Compaction)) => self.compaction.said.fails(&Problem::Panicked),
            Some(Ended::Panicked(_)) => self.dying_cgroups.said.fails(&Problem::Panicked),
        }
    }

    /// Takes over which treatments are on. What begins, begins anew; of a journal that was there at the start
    /// the daemon itself puts everything back.
    fn change(&mut self, journal: &mut Journal, settings: Settings) {
        let before = std::mem::replace(&mut self.settings, settings);
        if before == settings {
            return self.put_back_what_is_off(journal);
        }
        // What was begun under the old settings may be more than the new ones allow.
        self.work.stop();
        if !settings.compaction {
            self.compaction = Compaction::default();
        }
        if !settings.dying_cgroups {
            self.dying_cgroups = DyingCgroups::default();
        }
        // One that was left to somebody else, or given up, is taken over again.
        self.ksm.begin_anew();
        self.thp_defrag.begin_anew();
        self.page_cluster.begin_anew();
        self.put_back_what_is_off(journal);
    }

    /// Tried again in each turn until it can be recorded.
    fn put_back_what_is_off(&mut self, journal: &mut Journal) {
        if self.settings.ksm.is_none() {
            self.ksm.put_back(journal);
        }
        if self.settings.thp_defrag.is_none() {
            self.thp_defrag.put_back(journal);
        }
        if !self.settings.page_cluster {
            self.page_cluster.put_back(journal);
        }
    }
}
