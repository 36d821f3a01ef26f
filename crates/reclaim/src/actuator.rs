//! Reclaim requests, each on a thread of its own kind: one in flight per cgroup, stoppable between two
//! chunks.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use lowtide_cgroup::{Cgroup, Request};
use lowtide_core::{Bytes, CgroupId, Effect, Pending, Scope};
use lowtide_kernfs::Root;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    error::Error,
    eviction::Eviction,
    measure::Measure,
    near::Near,
    pulse::Pulse,
    short::AtTurn,
    slots::{Slot, Slots},
};

/// Faulted back while a request runs, above which the rest of it is not asked for: as much as the kernel
/// reclaims in a few batches, far less than a chunk.
const FAULTED_BACK: Bytes = Bytes::mib(2);

/// A chunk takes a fraction of a second; a request that gets no further for so long hangs, in a device most
/// likely.
const HANGS: Duration = Duration::from_secs(5);
/// How often that is looked at; and for so long others wait for a request that is to be alone.
const LOOK: Duration = Duration::from_secs(1);

/// What is asked of the kernel.
#[derive(Debug, Clone)]
pub enum Job {
    /// memory.reclaim, over all nodes.
    Reclaim(Request, Scope),
    /// From one kind of node.
    Evict(Eviction),
}

impl Job {
    /// How much is to leave where it is.
    #[must_use]
    pub const fn amount(&self) -> Bytes {
        match self {
            Self::Reclaim(request, _) => request.amount,
            Self::Evict(eviction) => eviction.amount,
        }
    }

    /// Whether anything may be swapped out for it.
    const fn swaps(&self) -> bool {
        !matches!(self.scope(), Scope::File)
    }

    /// Whether it is for swap: what goes to slower nodes gives DRAM at once.
    const fn is_for_swap(&self) -> bool {
        !matches!(self.scope(), Scope::File | Scope::Demote)
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
pub struct Ended {
    /// The cgroup that it was made to.
    pub id: CgroupId,
    /// What it did, or why it could not be made; then with the effect of one that did nothing.
    pub outcome: Result<Effect, (Error, Effect)>,
}

/// A request that gets no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hanging {
    /// The cgroup that it is made to.
    pub path: Arc<str>,
    /// For how long.
    pub since: Duration,
}

/// Starts and stops requests.
#[derive(Debug)]
pub struct Actuator {
    root: Root,
    /// What the last turn saw of the host.
    at_turn: AtTurn,
    near: Near,
    measure: Measure,
    in_flight: HashMap<CgroupId, Flight>,
    slots: Slots,
    hangs: Duration,
    ended: mpsc::UnboundedSender<Ended>,
    results: mpsc::UnboundedReceiver<Ended>,
}

/// A request that has not ended.
#[derive(Debug)]
struct Flight {
    path: Arc<str>,
    pulse: Arc<Pulse>,
}

impl Actuator {
    /// No request yet. Whose processors are near which memory is read below `root`.
    #[must_use]
    pub fn new(root: Root) -> Self {
        let (ended, results) = mpsc::unbounded_channel();
        let measure = Measure::new(root.clone());
        let (in_flight, slots) = (HashMap::new(), Slots::default());
        let at_turn = AtTurn::default();
        let near = Near::new(root.clone());
        Self { root, at_turn, near, measure, in_flight, slots, hangs: HANGS, ended, results }
    }

    /// A turn has seen the host like this: requests from now on go by it.
    pub fn host(&mut self, at_turn: AtTurn) {
        self.at_turn = at_turn;
    }

    /// What has become of the last request to `id`.
    #[must_use]
    pub fn pending(&self, id: CgroupId) -> Pending {
        match self.in_flight.get(&id) {
            None => Pending::Nothing,
            Some(flight) if flight.pulse.age().is_some() => Pending::InFlight,
            Some(_) => Pending::Queued,
        }
    }

    /// Whether nothing is in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Those that get no further, the longest first.
    #[must_use]
    pub fn hanging(&self) -> Vec<Hanging> {
        let since = |flight: &Flight| flight.pulse.age().filter(|age| *age >= self.hangs);
        let hanging =
            |flight: &Flight| Some(Hanging { path: Arc::clone(&flight.path), since: since(flight)? });
        let mut found: Vec<_> = self.in_flight.values().filter_map(hanging).collect();
        found.sort_by_key(|one| Reverse(one.since));
        found
    }

    /// How many wait for others to end.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.slots.waiting()
    }

    /// Starts a request on the blocking pool. Does nothing while another to the same cgroup is in flight.
    /// `alone` has it wait for all others, and others for it, so that it shows how its cgroup's memory
    /// compresses.
    pub fn start(&mut self, cgroup: Cgroup, job: Job, alone: bool) {
        let id = cgroup.id();
        if self.in_flight.contains_key(&id) {
            return;
        }
        let pulse = Arc::new(Pulse::new());
        let path = Arc::clone(cgroup.path());
        let slot = self.slots.ask(&path, alone);
        self.in_flight.insert(id, Flight { path, pulse: Arc::clone(&pulse) });
        let (ended, near, measure, hangs) =
            (self.ended.clone(), self.near.clone(), self.measure.clone(), self.hangs);
        let (root, at_turn) = (self.root.clone(), self.at_turn);
        tokio::spawn(async move {
            let stopped = || Effect { stopped: true, ..Effect::default() };
            let (scope, requested) = (job.scope(), job.amount());
            let slot = tokio::select! {
                slot = slot => slot.ok(),
                () = pulse.stop.notified() => None,
            };
            let written = match slot {
                None => Ok(stopped()),
                Some(slot) => {
                    let of_run = Arc::clone(&pulse);
                    let run = move || {
                        let is_short = || at_turn.is_short(&root);
                        let run = || run(&cgroup, &job, &near, &of_run, &is_short);
                        if job.swaps() { measure.around(run) } else { run() }
                    };
                    pulse.beat();
                    let written = watch(tokio::task::spawn_blocking(run), &slot, &pulse, hangs).await;
                    // A thread that panicked has said so itself; its cgroup is not to be in flight for ever.
                    written.unwrap_or_else(|_| Ok(stopped()))
                }
            };
            // To the core a request that the kernel refuses is one that frees nothing: it waits longer each
            // time.
            let refused = Effect { scope, requested, partial: true, ..Effect::default() };
            let outcome = written.map(|effect| Effect { scope, ..effect }).map_err(|error| (error, refused));
            // The daemon is stopping if nobody listens any more.
            let _ = ended.send(Ended { id, outcome });
        });
    }

    /// Stops the request to `id` after the chunk that is being written.
    pub fn stop(&self, id: CgroupId) {
        if let Some(flight) = self.in_flight.get(&id) {
            flight.pulse.stop();
        }
    }

    /// Stops the requests to cgroups that are not among `targets` any more.
    pub fn stop_others(&self, targets: &HashSet<CgroupId>) {
        let others = self.in_flight.iter().filter(|(id, _)| !targets.contains(id));
        others.for_each(|(_, flight)| flight.pulse.stop());
    }

    /// Stops every request.
    pub fn stop_all(&self) {
        self.in_flight.values().for_each(|flight| flight.pulse.stop());
    }

    /// The requests that ended since the last call.
    pub fn collect(&mut self) -> Vec<Ended> {
        let ended: Vec<_> = std::iter::from_fn(|| self.results.try_recv().ok()).collect();
        for Ended { id, .. } in &ended {
            self.in_flight.remove(id);
        }
        ended
    }

    /// Requests that have not ended.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.in_flight.len() - self.results.len()
    }

    /// Waits until no request is in flight.
    pub async fn drain(&mut self) {
        while !self.in_flight.is_empty() {
            let Some(Ended { id, .. }) = self.results.recv().await else { return };
            self.in_flight.remove(&id);
        }
    }
}

/// Waits for a request, and has others not wait for it when it gets no further.
async fn watch<T>(
    mut request: JoinHandle<T>,
    slot: &Slot,
    pulse: &Pulse,
    hangs: Duration,
) -> Result<T, tokio::task::JoinError> {
    loop {
        if let Ok(ended) = tokio::time::timeout(LOOK.min(hangs), &mut request).await {
            return ended;
        }
        slot.not_alone();
        slot.hangs(pulse.age().is_some_and(|age| age >= hangs));
    }
}

/// Writes the chunks; between two of them looks whether the tenant wants its memory back, and whether the
/// host has run short so that nothing is to be swapped out.
///
/// The pressure trigger is the faster signal where the kernel counts the stall, but a swap-in is a memory
/// stall only if the page was part of the working set (KERNEL.md §2): the counters are the signal that every
/// kernel has.
fn run(
    cgroup: &Cgroup,
    job: &Job,
    near: &Near,
    pulse: &Pulse,
    is_short: &dyn Fn() -> bool,
) -> Result<Effect, Error> {
    let promoted = || cgroup.usage().map(|memory| memory.promoted().total()).ok();
    let before = promoted();
    let mut has_begun = false;
    let mut keep_going = || {
        let is_first = !std::mem::replace(&mut has_begun, true);
        let faulted_back = promoted().zip(before).map_or(Bytes::ZERO, |(now, before)| now - before);
        pulse.beat();
        !pulse.is_stopped() && faulted_back < FAULTED_BACK && (is_first || !job.is_for_swap() || !is_short())
    };
    if pulse.is_stopped() {
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

#[cfg(test)]
#[path = "actuator_tests.rs"]
mod tests;
