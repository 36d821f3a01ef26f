//! What page faults do for huge pages: left to kcompactd where tasks stall for them.

use std::{path::PathBuf, time::Duration};

use lowtide_core::treatments::{Defragging, Reason, ThpDefrag as Law, ThpSeen, Treatment};
use lowtide_journal::Journal;
use lowtide_kernfs::Root;

use super::{
    counts::{Action, Counts},
    problem::{Problem, Said},
    setting::{Held, Setting, Wanted},
};

const KEY: &str = "treatments.thp_defrag";
const NEEDS_THP: &str = "it is built without transparent huge pages; take `thp_defrag` out of `treatments`";
const NEEDS_COMPACTION: &str = "it is built without CONFIG_COMPACTION; take `thp_defrag` out of `treatments`";

const WANTED: &[Wanted] = &[Wanted {
    path: "sys/kernel/mm/transparent_hugepage/defrag",
    value: "defer+madvise",
    passing: None,
    remedy: NEEDS_THP,
}];
const ENABLED: Wanted = Wanted {
    path: "sys/kernel/mm/transparent_hugepage/enabled",
    value: "always",
    passing: None,
    remedy: NEEDS_THP,
};
const ALWAYS: &str = "always";

/// What is known of page faults and huge pages, for metrics and `status`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ThpDefragView {
    /// Why it is, or is not, set.
    pub reason: Reason,
    /// What was decided in this turn; nothing while it is left to somebody else, or fails.
    pub decision: Option<Defragging>,
    /// What the file holds; `None` where it cannot be read.
    pub defrag: Option<String>,
    /// lowtide has set it, and puts it back.
    pub held: bool,
}

#[derive(Debug)]
pub(super) struct ThpDefrag {
    root: Root,
    law: Law,
    pub(super) setting: Setting,
    pub(super) said: Said,
}

impl ThpDefrag {
    pub(super) fn new(root: Root) -> Self {
        let setting = Setting::new(root.clone(), KEY, WANTED);
        Self { root, law: Law::default(), setting, said: Said::of(Treatment::ThpDefrag) }
    }

    /// The knobs that are this daemon's to put back.
    pub(super) fn held(&self) -> impl Iterator<Item = PathBuf> {
        self.setting.paths()
    }

    /// Forgets that it was given up, or left to somebody else. What is held is neither.
    pub(super) fn begin_anew(&mut self) {
        if !self.setting.is_held() {
            self.law = Law::default();
            self.setting.take_over();
        }
    }

    pub(super) fn turn(
        &mut self,
        journal: &mut Journal,
        counts: &mut Counts,
        now: Duration,
    ) -> ThpDefragView {
        let was_held = self.setting.is_held();
        let (reason, decision) = match self.hold(journal, now) {
            Ok(Some(decision)) => (decision.reason, Some(decision)),
            Ok(None) => (Reason::Foreign, None),
            Err(problem) => {
                self.said.fails(&problem);
                (Reason::Failed, None)
            }
        };
        if reason != Reason::Failed {
            self.said.works();
        }
        let held = self.setting.is_held();
        counts.add(Treatment::ThpDefrag, Action::between(was_held, held), reason);
        ThpDefragView { reason, decision, defrag: self.setting.read(&WANTED[0]).ok(), held }
    }

    /// `None` where somebody else has set it.
    fn hold(&mut self, journal: &mut Journal, now: Duration) -> Result<Option<Defragging>, Problem> {
        if self.setting.is_foreign(journal)? {
            return Ok(None);
        }
        let stalls = stalls(&self.root)?;
        let was_always = self.setting.is_held() || self.setting.read(&WANTED[0])? == ALWAYS;
        let faults_compact = was_always && self.setting.read(&ENABLED)? == ALWAYS;
        let before = self.law.clone();
        let decision = self.law.decide(ThpSeen { stalls, faults_compact }, now);
        if !decision.on {
            self.setting.put_back(journal)?;
            return Ok(Some(decision));
        }
        match self.setting.hold(journal) {
            Ok(Held::AsAsked) => Ok(Some(decision)),
            Ok(Held::Foreign) => Ok(None),
            Err(problem) => {
                // What is not set cannot be tried.
                self.law = before;
                Err(problem)
            }
        }
    }
}

/// Whether there is anything to be set here.
pub(super) fn possible(root: &Root) -> Result<(), Problem> {
    Setting::new(root.clone(), KEY, WANTED).read(&WANTED[0])?;
    stalls(root).map(drop)
}

fn stalls(root: &Root) -> Result<u64, Problem> {
    let missing = Problem::Missing { path: "proc/sys/vm/compact_memory", remedy: NEEDS_COMPACTION };
    lowtide_host::compact_stalls(root)?.ok_or(missing)
}
