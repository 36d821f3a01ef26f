//! Dying cgroups: looks in every turn, and has page cache reclaimed where they are, as decided. It leaves
//! nothing behind.

use std::time::Duration;

use lowtide_cgroup::Mount;
use lowtide_core::{
    Bytes,
    treatments::{DyingCgroups as Law, DyingSeen, Moment, Reason, Releasing, Treatment},
};
use lowtide_kernfs::Root;

use crate::controller::Around;

use super::{
    counts::{Action, Counts},
    problem::{Problem, Said},
    release::{self, ReleaseStep},
    work::{Task, Work},
};

/// What is known of dying cgroups, for metrics and `status`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DyingView {
    /// Why something is, or is not, reclaimed for them now.
    pub reason: Reason,
    /// What was decided in this turn; nothing where it cannot be looked at.
    pub decision: Option<Releasing>,
    /// How many there were when the first step began.
    pub dying_before: Option<u64>,
    /// The last step that ended.
    pub last_step: Option<ReleaseStep>,
    /// How many have ended since the daemon's start.
    pub steps: u64,
    /// Asked for in them.
    pub requested: Bytes,
    /// What left DRAM.
    pub freed: Bytes,
}

#[derive(Debug)]
pub(super) struct DyingCgroups {
    law: Law,
    dying_before: Option<u64>,
    last_step: Option<ReleaseStep>,
    steps: u64,
    requested: Bytes,
    freed: Bytes,
    /// The last step was refused.
    failed: bool,
    pub(super) said: Said,
}

impl Default for DyingCgroups {
    fn default() -> Self {
        Self {
            law: Law::default(),
            dying_before: None,
            last_step: None,
            steps: 0,
            requested: Bytes::ZERO,
            freed: Bytes::ZERO,
            failed: false,
            said: Said::of(Treatment::DyingCgroups),
        }
    }
}

/// Where it looks.
pub(super) struct Place<'a> {
    pub(super) root: &'a Root,
    pub(super) mount: &'a Mount,
    pub(super) around: &'a Around<'a>,
}

impl DyingCgroups {
    pub(super) fn turn(
        &mut self,
        place: &Place<'_>,
        moment: Moment,
        work: &mut Work,
        counts: &mut Counts,
        now: Duration,
    ) -> DyingView {
        let decision = match look(place.mount) {
            Ok(seen) => {
                if !self.failed {
                    self.said.works();
                }
                Some(self.law.decide(seen, moment, work.is_busy(), now))
            }
            Err(problem) => {
                self.said.fails(&problem);
                None
            }
        };
        let mut action = Action::Hold;
        if let Some(decision) = decision.filter(|decision| decision.reason == Reason::Dying) {
            action = Action::Reclaim;
            self.dying_before.get_or_insert(decision.dying);
            work.start(Task::Release(task(place, decision.amount)));
        }
        let reason = decision.map_or(Reason::Failed, |decision| decision.reason);
        counts.add(Treatment::DyingCgroups, action, reason);
        let Self { dying_before, last_step, steps, requested, freed, .. } = self;
        DyingView {
            reason,
            decision,
            dying_before: *dying_before,
            last_step: last_step.clone(),
            steps: *steps,
            requested: *requested,
            freed: *freed,
        }
    }

    pub(super) fn ended(&mut self, release::Done { step, problem }: release::Done, now: Duration) {
        self.failed = problem.is_some();
        if let Some(problem) = problem {
            self.said.fails(&problem);
        }
        let ReleaseStep { subtrees, dying, requested, freed } = &step;
        tracing::debug!(?subtrees, dying, %requested, %freed, "a step towards dying cgroups");
        if subtrees.is_empty() {
            self.law.nowhere(now);
        }
        self.law.ended(*requested);
        self.steps += 1;
        self.requested += *requested;
        self.freed += *freed;
        self.last_step = Some(step);
    }
}

fn task(place: &Place<'_>, amount: Bytes) -> release::Task {
    release::Task {
        root: place.root.clone(),
        mount: place.mount.clone(),
        own: place.around.own.to_owned(),
        acting: (place.around.acting)(),
        amount,
        swappiness: place.around.takes_swappiness.then_some(0),
    }
}

fn look(mount: &Mount) -> Result<DyingSeen, Problem> {
    let census = mount.root()?.census()?.unwrap_or_default();
    Ok(DyingSeen { dying: census.dying, living: census.living })
}
