//! KSM: switched on with its advisor, and off again where it costs more than it gives.

use std::{path::PathBuf, time::Duration};

use lowtide_core::treatments::{Ksm as Law, KsmSeen, Merging, Reason, Treatment};
use lowtide_journal::Journal;
use lowtide_kernfs::Root;

use super::{
    counts::{Action, Counts},
    problem::{Problem, Said},
    setting::{Held, Setting, Wanted},
};

const KEY: &str = "treatments.ksm";
const NEEDS_6_8: &str = "KSM has an advisor since Linux 6.8, with CONFIG_KSM; take `ksm` out of `treatments`, or use a newer kernel";

/// In this order: KSM does not run before its advisor says how fast. They are put back in the other one.
const WANTED: &[Wanted] = &[
    Wanted { path: "sys/kernel/mm/ksm/advisor_mode", value: "scan-time", passing: None, remedy: NEEDS_6_8 },
    // While memory is taken out of the machine 4 is added to it (KSM_RUN_OFFLINE, mm/ksm.c).
    Wanted { path: "sys/kernel/mm/ksm/run", value: "1", passing: Some("5"), remedy: NEEDS_6_8 },
];

const RUN: Wanted = WANTED[1];
/// Stopped, and all that was merged taken apart. Who writes it waits until that is done, and is the first
/// whom the kernel kills where memory is short (`set_current_oom_origin`, `run_store`, mm/ksm.c): it is never
/// put back.
const UNMERGED: &str = "2";

/// The advisor changes it for as long as it is on, and whoever writes it meanwhile is refused. When the
/// advisor is switched off the kernel sets its own 100, whatever was there before (`set_advisor_defaults`,
/// DEFAULT_PAGES_TO_SCAN, mm/ksm.c, from 6.8 on).
const PAGES_TO_SCAN: &str = "sys/kernel/mm/ksm/pages_to_scan";
const WITHOUT_ADVISOR: &str = "100";

/// What is known of KSM, for metrics and `status`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct KsmView {
    /// Why it runs, or does not.
    pub reason: Reason,
    /// What was decided in this turn; nothing while it is left to somebody else, or fails.
    pub decision: Option<Merging>,
    /// lowtide has set something that it puts back.
    pub held: bool,
}

#[derive(Debug)]
pub(super) struct Ksm {
    root: Root,
    law: Law,
    pub(super) setting: Setting,
    pub(super) said: Said,
}

impl Ksm {
    pub(super) fn new(root: Root) -> Self {
        let setting = Setting::new(root.clone(), KEY, WANTED);
        Self { root, law: Law::default(), setting, said: Said::of(Treatment::Ksm) }
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

    pub(super) fn turn(&mut self, journal: &mut Journal, counts: &mut Counts, now: Duration) -> KsmView {
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
        counts.add(Treatment::Ksm, Action::between(was_held, held), reason);
        KsmView { reason, decision, held }
    }

    /// `None` where somebody else has set it.
    fn hold(&mut self, journal: &mut Journal, now: Duration) -> Result<Option<Merging>, Problem> {
        let seen = look(&self.root)?;
        if self.setting.is_foreign(journal)? {
            return Ok(None);
        }
        if !self.setting.is_held() && self.setting.read(&RUN)? == UNMERGED {
            return Err(Problem::Unmerged);
        }
        let before = self.law;
        let decision = self.law.decide(seen, now);
        if !decision.on {
            self.setting.put_back(journal)?;
            return Ok(Some(decision));
        }
        match self.set(journal) {
            Ok(Held::AsAsked) => Ok(Some(decision)),
            Ok(Held::Foreign) => Ok(None),
            Err(problem) => {
                // What does not run cannot be tried.
                self.law = before;
                Err(problem)
            }
        }
    }

    fn set(&mut self, journal: &mut Journal) -> Result<Held, Problem> {
        if self.setting.read(&WANTED[0])? != WANTED[0].value {
            self.setting.record(journal, PAGES_TO_SCAN, WITHOUT_ADVISOR)?;
        }
        self.setting.hold(journal)
    }
}

/// Whether KSM has what is needed here.
pub(super) fn possible(root: &Root) -> Result<(), Problem> {
    let setting = Setting::new(root.clone(), KEY, WANTED);
    look(root)?;
    WANTED.iter().try_for_each(|one| setting.read(one).map(drop))
}

fn look(root: &Root) -> Result<KsmSeen, Problem> {
    let missing = Problem::Missing { path: "sys/kernel/mm/ksm/general_profit", remedy: NEEDS_6_8 };
    lowtide_host::ksm(root)?.ok_or(missing)
}
