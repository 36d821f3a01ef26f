//! How many pages a swap-in reads: one where the first swap is compressed memory.

use std::path::PathBuf;

use lowtide_core::{
    Tier,
    treatments::{Clustering, Reason, Treatment},
};
use lowtide_journal::Journal;
use lowtide_kernfs::Root;

use super::{
    counts::{Action, Counts},
    problem::{Problem, Said},
    setting::{Held, Setting, Wanted},
};

const KEY: &str = "treatments.page_cluster";

const WANTED: &[Wanted] = &[Wanted {
    path: "proc/sys/vm/page-cluster",
    value: "0",
    passing: None,
    remedy: "it is built without swap; take `page_cluster` out of `treatments`",
}];

/// What is known of it, for metrics and `status`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PageClusterView {
    /// Why it is, or is not, set.
    pub reason: Reason,
    /// vm.page-cluster: a swap-in reads two to the power of it; `None` where it cannot be read.
    pub page_cluster: Option<String>,
    /// lowtide has set it, and puts it back.
    pub held: bool,
}

#[derive(Debug)]
pub(super) struct PageCluster {
    pub(super) setting: Setting,
    pub(super) said: Said,
}

impl PageCluster {
    pub(super) fn new(root: Root) -> Self {
        Self { setting: Setting::new(root, KEY, WANTED), said: Said::of(Treatment::PageCluster) }
    }

    /// The knob, while it is this daemon's to put back.
    pub(super) fn held(&self) -> impl Iterator<Item = PathBuf> {
        self.setting.paths()
    }

    /// Forgets that it was left to somebody else. What is held is not.
    pub(super) fn begin_anew(&mut self) {
        if !self.setting.is_held() {
            self.setting.take_over();
        }
    }

    pub(super) fn turn(
        &mut self,
        journal: &mut Journal,
        tiers: &[Tier],
        counts: &mut Counts,
    ) -> PageClusterView {
        let was_held = self.setting.is_held();
        let reason = match self.hold(journal, tiers) {
            Ok(reason) => {
                self.said.works();
                reason
            }
            Err(problem) => {
                self.said.fails(&problem);
                Reason::Failed
            }
        };
        let held = self.setting.is_held();
        counts.add(Treatment::PageCluster, Action::between(was_held, held), reason);
        PageClusterView { reason, page_cluster: self.setting.read(&WANTED[0]).ok(), held }
    }

    fn hold(&mut self, journal: &mut Journal, tiers: &[Tier]) -> Result<Reason, Problem> {
        let Clustering { reason, on } = Clustering::of(tiers);
        if !on {
            self.setting.read(&WANTED[0])?;
            let foreign = self.setting.is_foreign(journal)?;
            self.setting.put_back(journal)?;
            return Ok(if foreign { Reason::Foreign } else { reason });
        }
        Ok(match self.setting.hold(journal)? {
            Held::AsAsked => reason,
            Held::Foreign => Reason::Foreign,
        })
    }
}

/// Whether there is anything to be set here.
pub(super) fn possible(root: &Root) -> Result<(), Problem> {
    Setting::new(root.clone(), KEY, WANTED).read(&WANTED[0]).map(drop)
}
