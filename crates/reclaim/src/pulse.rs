//! How far a request has come, as its thread tells it: begun, at which moment it got further last, and
//! whether it is to stop.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// Of one request.
#[derive(Debug)]
pub(crate) struct Pulse {
    made: Instant,
    /// Milliseconds after `made`, and one more: zero before it has begun.
    last: AtomicU64,
    stopped: AtomicBool,
    /// Wakes one that still waits.
    pub(crate) stop: Notify,
}

impl Pulse {
    /// Not begun.
    pub(crate) fn new() -> Self {
        let (last, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { made: Instant::now(), last, stopped, stop: Notify::new() }
    }

    /// It has begun, or got further.
    pub(crate) fn beat(&self) {
        let now = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.store(now + 1, Ordering::Relaxed);
    }

    /// Time since it got further; `None` if it has not begun.
    pub(crate) fn age(&self) -> Option<Duration> {
        let last = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.made.elapsed().saturating_sub(Duration::from_millis(last)))
    }

    /// Has it end after the chunk that is being written, or without one.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.stop.notify_one();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
