//! Reclaim requests, each on a thread of its own kind: one in flight per cgroup, stoppable between two chunks.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lowtide_cgroup::{Cgroup, Request};
use lowtide_core::{Bytes, CgroupId, Effect, Scope};
use lowtide_kernfs::Root;
use tokio::sync::{Semaphore, mpsc};

use crate::{
    eviction::{Error, Eviction},
    measure::Measure,
    near::Near,
};

/// Faulted back while a request runs, above which the rest of it is not asked for: as much as the kernel reclaims in
/// a few batches, far less than a chunk.
const FAULTED_BACK: Bytes = Bytes::mib(2);

/// Requests to the kernel that run at once. Each holds a thread; more of them would only queue on the same swap
/// device and compress on more of the tenants' cores.
const REQUESTS: u32 = 4;

/// What is asked of the kernel.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    /// memory.reclaim, over all nodes.
    Reclaim(Request, Scope),
    /// From one kind of node.
    Evict(Eviction),
}

impl Job {
    /// How much is to leave where it is.
    #[must_use]
    pub(crate) const fn amount(&self) -> Bytes {
        match self {
            Self::Reclaim(request, _) => request.amount,
            Self::Evict(eviction) => eviction.amount,
        }
    }

    /// Whether anything may be swapped out for it.
    const fn swaps(&self) -> bool {
        !matches!(self.scope(), Scope::File)
    }

    const fn scope(&self) -> Scope {
        match self {
            Self::Reclaim(_, scope) => *scope,
            Self::Evict(eviction) => eviction.scope,
        }
    }
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The cgroup that it was made to.
    pub(crate) id: CgroupId,
    /// What it did, or why it could not be made; then with the effect of one that did nothing.
    pub(crate) outcome: Result<Effect, (Error, Effect)>,
}

/// Starts and stops requests.
#[derive(Debug)]
pub(crate) struct Actuator {
    near: Near,
    measure: Measure,
    in_flight: HashMap<CgroupId, Arc<AtomicBool>>,
    slots: Arc<Semaphore>,
    ended: mpsc::UnboundedSender<Ended>,
    results: mpsc::UnboundedReceiver<Ended>,
}

impl Actuator {
    /// No request yet. Whose processors are near which memory is read below `root`.
    pub(crate) fn new(root: Root) -> Self {
        let (ended, results) = mpsc::unbounded_channel();
        let slots = Arc::new(Semaphore::new(REQUESTS as usize));
        let measure = Measure::new(root.clone());
        Self { near: Near::new(root), measure, in_flight: HashMap::new(), slots, ended, results }
    }

    /// Whether a request to `id` is still being written.
    #[must_use]
    pub(crate) fn is_in_flight(&self, id: CgroupId) -> bool {
        self.in_flight.contains_key(&id)
    }

    /// Whether nothing is in flight.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Starts a request on the blocking pool. Does nothing while another to the same cgroup is in flight. `alone` has it wait for
    /// all others, and others for it, so that it shows how its cgroup's memory compresses.
    pub(crate) fn start(&mut self, cgroup: Cgroup, job: Job, alone: bool) {
        let id = cgroup.id();
        if self.is_in_flight(id) {
            return;
        }
        let stop = Arc::new(AtomicBool::new(false));
        self.in_flight.insert(id, Arc::clone(&stop));
        let (ended, slots, near) = (self.ended.clone(), Arc::clone(&self.slots), self.near.clone());
        let (measure, share) = (self.measure.clone(), if alone { REQUESTS } else { 1 });
        tokio::spawn(async move {
            // Nobody closes the semaphore.
            let Ok(_slots) = slots.acquire_many_owned(share).await else { return };
            let (scope, requested) = (job.scope(), job.amount());
            let run = move || {
                let run = || run(&cgroup, &job, &near, &stop);
                if job.swaps() { measure.around(run) } else { run() }
            };
            let written = tokio::task::spawn_blocking(run).await;
            // A thread that panicked has said so itself; its cgroup is not to be in flight for ever.
            let written = written.unwrap_or_else(|_| Ok(Effect { stopped: true, ..Effect::default() }));
            // To the core a request that the kernel refuses is one that frees nothing: it waits longer each time.
            let refused = Effect { scope, requested, partial: true, ..Effect::default() };
            let outcome = written.map(|effect| Effect { scope, ..effect }).map_err(|error| (error, refused));
            // The daemon is stopping if nobody listens any more.
            let _ = ended.send(Ended { id, outcome });
        });
    }

    /// Stops the request to `id` after the chunk that is being written.
    pub(crate) fn stop(&self, id: CgroupId) {
        if let Some(stop) = self.in_flight.get(&id) {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// Stops the requests to cgroups that are not among `targets` any more.
    pub(crate) fn stop_others(&self, targets: &HashSet<CgroupId>) {
        let others = self.in_flight.iter().filter(|(id, _)| !targets.contains(id));
        others.for_each(|(_, stop)| stop.store(true, Ordering::Relaxed));
    }

    /// Stops every request.
    pub(crate) fn stop_all(&self) {
        self.in_flight.values().for_each(|stop| stop.store(true, Ordering::Relaxed));
    }

    /// The requests that ended since the last call.
    pub(crate) fn collect(&mut self) -> Vec<Ended> {
        let ended: Vec<_> = std::iter::from_fn(|| self.results.try_recv().ok()).collect();
        for Ended { id, .. } in &ended {
            self.in_flight.remove(id);
        }
        ended
    }

    /// Requests that have not ended.
    #[cfg(test)]
    pub(crate) fn unfinished(&self) -> usize {
        self.in_flight.len() - self.results.len()
    }

    /// Waits until no request is in flight.
    pub(crate) async fn drain(&mut self) {
        while !self.in_flight.is_empty() {
            let Some(Ended { id, .. }) = self.results.recv().await else { return };
            self.in_flight.remove(&id);
        }
    }
}

/// Writes the chunks; between two of them looks whether the tenant wants its memory back.
///
/// The pressure trigger is the faster signal where the kernel counts the stall, but a swap-in is a memory stall only
/// if the page was part of the working set (KERNEL.md §2): the counters are the signal that every kernel has.
fn run(cgroup: &Cgroup, job: &Job, near: &Near, stop: &AtomicBool) -> Result<Effect, Error> {
    let promoted = || cgroup.memory().map(|memory| memory.promoted().total()).ok();
    let before = promoted();
    let mut keep_going = || {
        let faulted_back = promoted().zip(before).map_or(Bytes::ZERO, |(now, before)| now - before);
        !stop.load(Ordering::Relaxed) && faulted_back < FAULTED_BACK
    };
    if stop.load(Ordering::Relaxed) {
        return Ok(Effect { stopped: true, ..Effect::default() });
    }
    match job {
        // Page cache is dropped: nothing is stored anywhere.
        Job::Reclaim(request, Scope::File) => Ok(cgroup.reclaim(*request, &mut keep_going)?),
        Job::Reclaim(request, _) => {
            let _bound = near.to_most_of(cgroup);
            Ok(cgroup.reclaim(*request, &mut keep_going)?)
        }
        Job::Evict(eviction) => eviction.run(cgroup, near, &mut keep_going),
    }
}
