//! What takes long: on a thread of the blocking pool, one piece of work at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lowtide_core::treatments::Treatment;
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::{compact, release};

/// Work that takes longer hangs, most likely in a device: pages are waited for that are being written back.
const HANGS: Duration = Duration::from_mins(5);

/// What is done on the pool.
#[derive(Debug)]
pub(super) enum Task {
    Compact(compact::Task),
    Release(release::Task),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    Compacted(compact::Done),
    Released(release::Done),
}

/// The thread's place, which is free or taken.
#[derive(Debug, Default)]
pub(super) struct Work(Option<Flight>);

#[derive(Debug)]
struct Flight {
    of: Treatment,
    begun: Instant,
    stop: Arc<AtomicBool>,
    done: oneshot::Receiver<Done>,
}

/// How a piece of work ended.
pub(super) enum Ended {
    Done(Done),
    /// The thread has said so itself.
    Panicked(Treatment),
}

impl Work {
    pub(super) const fn is_busy(&self) -> bool {
        self.0.is_some()
    }

    /// Whether something is under way that has no result yet.
    pub(super) fn is_unfinished(&self) -> bool {
        self.0.as_ref().is_some_and(|flight| flight.done.is_empty())
    }

    /// Begins, unless something is under way.
    pub(super) fn start(&mut self, task: Task) {
        if self.is_busy() {
            return;
        }
        let (send, done) = oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (of, of_thread) = (task.of(), Arc::clone(&stop));
        tokio::task::spawn_blocking(move || {
            // Nobody listens any more if the daemon has not waited for it at its end.
            let _ = send.send(task.perform(&of_thread));
        });
        self.0 = Some(Flight { of, begun: Instant::now(), stop, done });
    }

    /// Ends what is under way after what the kernel is doing just now.
    pub(super) fn stop(&self) {
        if let Some(flight) = &self.0 {
            flight.stop.store(true, Ordering::Relaxed);
        }
    }

    /// What has ended since the last call.
    pub(super) fn collect(&mut self) -> Option<Ended> {
        let flight = self.0.as_mut()?;
        let ended = match flight.done.try_recv() {
            Ok(done) => Ended::Done(done),
            Err(TryRecvError::Closed) => Ended::Panicked(flight.of),
            Err(TryRecvError::Empty) => return None,
        };
        self.0 = None;
        Some(ended)
    }

    /// What gets no further.
    pub(super) fn hangs(&self) -> Option<String> {
        let flight = self.0.as_ref().filter(|flight| flight.begun.elapsed() >= HANGS)?;
        Some(format!(
            "treatments.{}: a write to the kernel does not end for {} s, most likely a device does not answer: nothing else is compacted or \
             released meanwhile",
            flight.of,
            flight.begun.elapsed().as_secs()
        ))
    }
}

impl Task {
    const fn of(&self) -> Treatment {
        match self {
            Self::Compact(_) => Treatment::Compaction,
            Self::Release(_) => Treatment::DyingCgroups,
        }
    }

    fn perform(self, stop: &AtomicBool) -> Done {
        match self {
            Self::Compact(task) => Done::Compacted(task.perform(stop)),
            Self::Release(task) => Done::Released(task.perform(stop)),
        }
    }
}
