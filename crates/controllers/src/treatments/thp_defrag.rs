//! What page faults do for huge pages: left to kcompactd where tasks stall for them.

use std::time::Duration;

use lowtide_core::{
    Tier,
    treatments::{Defragging, Reason, ThpDefrag, ThpSeen, Treatment},
};
use lowtide_kernfs::Root;

use super::{
    held::Law,
    problem::Problem,
    setting::{Setting, Wanted},
};

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

impl Law for ThpDefrag {
    const TREATMENT: Treatment = Treatment::ThpDefrag;
    const KEY: &'static str = "treatments.thp_defrag";
    const WANTED: &'static [Wanted] = WANTED;
    type Seen = ThpSeen;
    type Decision = Defragging;
    type View = ThpDefragView;

    fn look(root: &Root, setting: &Setting, _: &[Tier]) -> Result<ThpSeen, Problem> {
        let stalls = stalls(root)?;
        let was_always = setting.is_held() || setting.read(&WANTED[0])? == ALWAYS;
        let faults_compact = was_always && setting.read(&ENABLED)? == ALWAYS;
        Ok(ThpSeen { stalls, faults_compact })
    }

    fn decide(&mut self, seen: ThpSeen, _: &Setting, now: Duration) -> Result<Defragging, Problem> {
        Ok(Self::decide(self, seen, now))
    }

    fn verdict(decision: &Defragging) -> (Reason, bool) {
        (decision.reason, decision.on)
    }

    fn view(reason: Reason, decision: Option<Defragging>, setting: &Setting) -> ThpDefragView {
        ThpDefragView { reason, decision, defrag: setting.read(&WANTED[0]).ok(), held: setting.is_held() }
    }
}

fn stalls(root: &Root) -> Result<u64, Problem> {
    let missing = Problem::Missing { path: "proc/sys/vm/compact_memory", remedy: NEEDS_COMPACTION };
    lowtide_host::compact_stalls(root)?.ok_or(missing)
}
