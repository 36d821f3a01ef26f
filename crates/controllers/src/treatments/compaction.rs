//! Compaction: looks in every turn, and has nodes compacted as decided. It leaves nothing behind.

use std::time::Duration;

use lowtide_core::{
    Bytes,
    treatments::{Compacting, Compaction as Law, CompactionSeen, Moment, Reason, Treatment},
};
use lowtide_kernfs::Root;

use super::{
    compact::{self, CompactionRun, WHOLE_HOST},
    counts::{Action, Counts},
    problem::{Problem, Said},
    work::{Task, Work},
};

/// What is known of compaction, for metrics and `status`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CompactionView {
    /// Why memory is, or is not, compacted now.
    pub reason: Reason,
    /// What was decided in this turn; nothing where it cannot be looked at.
    pub decision: Option<Compacting>,
    /// The last one that ended.
    pub last_run: Option<CompactionRun>,
    /// How many have ended since the daemon's start.
    pub runs: u64,
    /// What they added to the free memory in huge pieces.
    pub gained: Bytes,
    /// How long they took.
    pub took: Duration,
}

#[derive(Debug)]
pub(super) struct Compaction {
    law: Law,
    last_run: Option<CompactionRun>,
    runs: u64,
    gained: Bytes,
    took: Duration,
    /// The last run was refused.
    failed: bool,
    pub(super) said: Said,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            law: Law::default(),
            last_run: None,
            runs: 0,
            gained: Bytes::ZERO,
            took: Duration::ZERO,
            failed: false,
            said: Said::of(Treatment::Compaction),
        }
    }
}

impl Compaction {
    pub(super) fn turn(
        &mut self,
        root: &Root,
        moment: Moment,
        work: &mut Work,
        counts: &mut Counts,
        now: Duration,
    ) -> CompactionView {
        let decision = match look(root) {
            Ok(seen) => {
                if !self.failed {
                    self.said.works();
                }
                Some(self.law.decide(&seen, moment, work.is_busy(), now))
            }
            Err(problem) => {
                self.said.fails(&problem);
                None
            }
        };
        let mut action = Action::Hold;
        if let Some(Compacting { reason: Reason::Fragmented, nodes, stalls, pieces }) = &decision {
            tracing::info!(
                ?nodes, stalls, free = %pieces.free, huge = %pieces.huge,
                "memory is compacted (treatments: {})", Reason::Fragmented.sentence()
            );
            action = Action::Compact;
            let task = compact::Task { root: root.clone(), nodes: nodes.clone(), before: *pieces };
            work.start(Task::Compact(task));
        }
        let reason = decision.as_ref().map_or(Reason::Failed, |decision| decision.reason);
        counts.add(Treatment::Compaction, action, reason);
        let Self { last_run, runs, gained, took, .. } = self;
        CompactionView {
            reason,
            decision,
            last_run: last_run.clone(),
            runs: *runs,
            gained: *gained,
            took: *took,
        }
    }

    pub(super) fn ended(&mut self, compact::Done { run, problem }: compact::Done, now: Duration) {
        self.failed = problem.is_some();
        if let Some(problem) = problem {
            self.said.fails(&problem);
        }
        let CompactionRun { nodes, before, after, took, end } = &run;
        tracing::info!(
            ?nodes, huge_before = %before.huge, huge_after = %after.huge, ?took, ?end, "memory was compacted"
        );
        self.law.ended(*before, *after, now);
        self.runs += 1;
        self.gained += after.huge - before.huge;
        self.took += *took;
        self.last_run = Some(run);
    }
}

fn look(root: &Root) -> Result<CompactionSeen, Problem> {
    let remedy = "it tells of no free pieces (/proc/buddyinfo) or of no stalls (compact_stall in /proc/vmstat), since it is built without \
                  CONFIG_COMPACTION; take `compaction` out of `treatments`";
    lowtide_host::fragmentation(root)?.ok_or(Problem::Missing { path: WHOLE_HOST, remedy })
}

/// Whether memory can be compacted here.
pub(super) fn possible(root: &Root) -> Result<(), Problem> {
    look(root).map(drop)
}
