//! A step of page cache is reclaimed in the subtrees that hold dying cgroups.

use std::{
    cmp::Reverse,
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lowtide_cgroup::{Cgroup, Mount, Request};
use lowtide_core::Bytes;
use lowtide_kernfs::Root;

use super::{fit, problem::Problem, strain::Strain};

/// What is to be reclaimed.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) root: Root,
    pub(super) mount: Mount,
    /// The daemon's own cgroup.
    pub(super) own: String,
    /// Targets that may be asked for page cache.
    pub(super) acting: HashSet<Arc<str>>,
    pub(super) amount: Bytes,
    /// `None` where the kernel does not take one: then anonymous memory may go as well.
    pub(super) swappiness: Option<u8>,
}

/// A step that has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReleaseStep {
    /// The subtrees that were asked.
    pub subtrees: Vec<Arc<str>>,
    /// Removed cgroups in those that may be asked.
    pub dying: u64,
    /// Asked for.
    pub requested: Bytes,
    /// What left DRAM.
    pub freed: Bytes,
}

#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) step: ReleaseStep,
    pub(super) problem: Option<Problem>,
}

impl Task {
    /// Blocks for as long as reclaim takes; it can be stopped between two chunks. The subtree with most dying
    /// cgroups is asked first, the next one for what it could not give.
    pub(super) fn perform(self, stop: &AtomicBool) -> Done {
        let found = fit::subtrees(&self.mount, &self.own, &self.acting).map_err(Problem::from);
        match found.and_then(with_dying) {
            Ok(subtrees) => self.ask(subtrees, stop),
            Err(problem) => Done { problem: Some(problem), ..Done::default() },
        }
    }

    /// What one of them refuses keeps nobody from asking the others.
    fn ask(&self, subtrees: Vec<(Cgroup, u64)>, until: &AtomicBool) -> Done {
        let mut strain = Strain::begin(&self.root);
        let mut keep_going = || !until.load(Ordering::Relaxed) && !strain.is_tense();
        let dying = subtrees.iter().map(|(_, dying)| *dying).sum();
        let (mut step, mut problem) = (ReleaseStep { dying, ..ReleaseStep::default() }, None);
        for (cgroup, _) in subtrees {
            let amount = self.amount - step.requested;
            if amount.is_zero() || !keep_going() {
                break;
            }
            let request = Request { amount, swappiness: self.swappiness };
            step.subtrees.push(Arc::clone(cgroup.path()));
            match cgroup.reclaim(request, &mut keep_going) {
                Ok(effect) => {
                    step.requested += effect.requested;
                    step.freed += effect.freed;
                }
                Err(error) => problem = Some(error.into()),
            }
        }
        Done { step, problem }
    }
}

/// Those that hold any, most of them first.
fn with_dying(subtrees: Vec<Cgroup>) -> Result<Vec<(Cgroup, u64)>, Problem> {
    let mut found = Vec::new();
    for cgroup in subtrees {
        if let Some(census) = cgroup.census()?.filter(|census| census.dying > 0) {
            found.push((cgroup, census.dying));
        }
    }
    found.sort_by_key(|(_, dying)| Reverse(*dying));
    Ok(found)
}
