//! A look on the blocking pool.

use std::time::{Duration, Instant};

use lowtide_core::CgroupId;
use lowtide_kernfs::thread_cpu;
use tokio::sync::oneshot;

use crate::{Ager, Look, Target};

/// A look that has begun.
#[derive(Debug)]
pub(super) struct Underway {
    /// Closed without a result if the look panicked.
    pub(super) done: oneshot::Receiver<Done>,
    pub(super) begun: Duration,
    pub(super) due: Vec<CgroupId>,
}

/// A look that has ended.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) ager: Box<dyn Ager>,
    /// When it ended, on the loop's clock and on the system's.
    pub(super) ended: (Duration, Instant),
    /// CPU of the thread: what a look that failed has cost.
    pub(super) cpu: Duration,
    pub(super) outcome: Result<Look, String>,
}

impl Underway {
    /// Begins one at `all` targets, of which some are `due`. The loop's clock counts from `started`.
    pub(super) fn start(
        mut ager: Box<dyn Ager>,
        all: Vec<Target>,
        due: Vec<Target>,
        started: Instant,
    ) -> Self {
        let (done, receiver) = oneshot::channel();
        let ids = due.iter().map(|target| target.id).collect();
        tokio::task::spawn_blocking(move || {
            let before = thread_cpu().unwrap_or_default();
            let outcome = ager.look(&all, &due);
            let cpu = thread_cpu().unwrap_or_default().saturating_sub(before);
            let ended = (started.elapsed(), Instant::now());
            // Nobody listens any more if the daemon has not waited for it at its end.
            let _ = done.send(Done { ager, ended, cpu, outcome });
        });
        Self { done: receiver, begun: started.elapsed(), due: ids }
    }
}
