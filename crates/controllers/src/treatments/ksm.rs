//! KSM: switched on with its advisor, and off again where it costs more than it gives.

use std::time::Duration;

use lowtide_core::{
    Tier,
    treatments::{Ksm, KsmSeen, Merging, Reason, Treatment},
};
use lowtide_journal::Journal;
use lowtide_kernfs::Root;

use super::{
    held::Law,
    problem::Problem,
    setting::{Setting, Wanted},
};

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

impl Law for Ksm {
    const TREATMENT: Treatment = Treatment::Ksm;
    const KEY: &'static str = "treatments.ksm";
    const WANTED: &'static [Wanted] = WANTED;
    type Seen = KsmSeen;
    type Decision = Merging;
    type View = KsmView;

    fn look(root: &Root, _: &Setting, _: &[Tier]) -> Result<KsmSeen, Problem> {
        let missing = Problem::Missing { path: "sys/kernel/mm/ksm/general_profit", remedy: NEEDS_6_8 };
        lowtide_host::ksm(root)?.ok_or(missing)
    }

    fn decide(&mut self, seen: KsmSeen, setting: &Setting, now: Duration) -> Result<Merging, Problem> {
        if !setting.is_held() && setting.read(&RUN)? == UNMERGED {
            return Err(Problem::Unmerged);
        }
        Ok(Self::decide(self, seen, now))
    }

    fn verdict(decision: &Merging) -> (Reason, bool) {
        (decision.reason, decision.on)
    }

    fn prepare(setting: &mut Setting, journal: &mut Journal) -> Result<(), Problem> {
        if setting.read(&WANTED[0])? != WANTED[0].value {
            setting.record(journal, PAGES_TO_SCAN, WITHOUT_ADVISOR)?;
        }
        Ok(())
    }

    fn view(reason: Reason, decision: Option<Merging>, setting: &Setting) -> KsmView {
        KsmView { reason, decision, held: setting.is_held() }
    }
}
