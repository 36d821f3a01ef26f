//! Runs on the blocking pool, one at a time for each device, that can be stopped.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lowtide_core::balancer::{End, Run, Store};
use lowtide_journal::sealed::SealedError;
use lowtide_tiers::{Writeback, WritebackError};
use tokio::sync::mpsc;

use super::{
    books::Promise,
    mover::{self, Job},
};

/// What is done on the pool.
#[derive(Debug)]
pub(super) enum Task {
    /// Mark all pages.
    Mark(Writeback),
    /// Move pages, once that is promised.
    Sink(Job, Promise),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All pages are marked.
    Marked,
    /// Pages were moved, or not.
    Ran(Run),
}

/// Why pages stay where they are.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Kernel(#[from] WritebackError),
    #[error(transparent)]
    Books(#[from] SealedError),
}

/// A task that ended.
#[derive(Debug)]
pub struct Ended {
    pub(super) store: Store,
    pub(super) outcome: Outcome,
    pub(super) error: Option<Failure>,
}

/// The tasks in flight.
#[derive(Debug)]
pub(super) struct Flights {
    stops: HashMap<Arc<str>, Arc<AtomicBool>>,
    ended: mpsc::UnboundedSender<Ended>,
    results: mpsc::UnboundedReceiver<Ended>,
}

impl Default for Flights {
    fn default() -> Self {
        let (ended, results) = mpsc::unbounded_channel();
        Self { stops: HashMap::new(), ended, results }
    }
}

impl Flights {
    pub(super) fn has(&self, device: &str) -> bool {
        self.stops.contains_key(device)
    }

    pub(super) fn devices(&self) -> impl Iterator<Item = &Arc<str>> {
        self.stops.keys()
    }

    pub(super) fn start(&mut self, store: Store, task: Task) {
        let stop = Arc::new(AtomicBool::new(false));
        self.stops.insert(Arc::clone(&store.device), Arc::clone(&stop));
        let ended = self.ended.clone();
        tokio::spawn(async move {
            let done = tokio::task::spawn_blocking(move || perform(&task, &stop)).await;
            // A thread that panicked has said so itself.
            let failed = || (Outcome::Ran(Run { end: End::Failed, ..Run::default() }), None);
            let (outcome, error) = done.unwrap_or_else(|_| failed());
            // The daemon is stopping if nobody listens any more.
            let _ = ended.send(Ended { store, outcome, error });
        });
    }

    /// Ends every run after the chunk that is being written.
    pub(super) fn stop(&self) {
        self.stops.values().for_each(|stop| stop.store(true, Ordering::Relaxed));
    }

    /// Ends the run of `device` after the chunk that is being written.
    pub(super) fn stop_one(&self, device: &str) {
        if let Some(stop) = self.stops.get(device) {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// The next task that ends. Waits for ever if there is none.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        let ended = self.results.recv().await;
        if let Some(ended) = &ended {
            self.stops.remove(&ended.store.device);
        }
        ended
    }

    /// Waits until nothing is in flight. False if something still is at `until`.
    pub(super) async fn drain(&mut self, until: tokio::time::Instant) -> bool {
        let all = async { while !self.stops.is_empty() && self.next().await.is_some() {} };
        tokio::time::timeout_at(until, all).await.is_ok()
    }
}

fn perform(task: &Task, stop: &AtomicBool) -> (Outcome, Option<Failure>) {
    let failed = |error| (Outcome::Ran(Run { end: End::Failed, ..Run::default() }), Some(error));
    match task {
        Task::Mark(writeback) => match writeback.mark_all() {
            Ok(()) => (Outcome::Marked, None),
            Err(error) => failed(error.into()),
        },
        Task::Sink(job, promise) => match promise.keep() {
            Ok(()) => {
                let (run, error) = mover::run(job, stop);
                (Outcome::Ran(run), error.map(Failure::Kernel))
            }
            Err(error) => failed(error.into()),
        },
    }
}
