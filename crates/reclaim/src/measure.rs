//! What zram takes in while one request is written: how that cgroup's memory compresses, as long as no other
//! request runs.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use lowtide_core::{Effect, Stored};
use lowtide_kernfs::Root;

/// Looks at zram before and after requests, and knows which of them overlap.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    root: Root,
    requests: Arc<Requests>,
}

/// Requests that may swap out.
#[derive(Debug, Default)]
struct Requests {
    begun: AtomicU64,
    running: AtomicU64,
}

/// A request under way.
struct Running<'a> {
    requests: &'a Requests,
    /// Its number, if no other was running when it began.
    alone: Option<u64>,
}

impl Requests {
    fn begin(&self) -> Running<'_> {
        let others = self.running.fetch_add(1, Ordering::SeqCst);
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        Running { requests: self, alone: (others == 0).then_some(number) }
    }
}

impl Running<'_> {
    /// Whether no other has begun since this one did.
    fn is_alone(&self) -> bool {
        self.alone.is_some_and(|number| self.requests.begun.load(Ordering::SeqCst) == number + 1)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.requests.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Measure {
    /// Of the devices below `root`.
    pub(crate) fn new(root: Root) -> Self {
        Self { root, requests: Arc::default() }
    }

    /// Makes a request, and adds to its effect what zram took in, if nobody else had anything written there.
    pub(crate) fn around<E>(&self, request: impl FnOnce() -> Result<Effect, E>) -> Result<Effect, E> {
        let running = self.requests.begin();
        let before = self.stored();
        let effect = request()?;
        let after = before.and_then(|_| self.stored());
        let stored = after.zip(before).and_then(|(after, before)| after.since(&before));
        Ok(Effect { stored: stored.filter(|_| running.is_alone()), ..effect })
    }

    /// `None` if that cannot be read: then nothing is learnt, and the next look at the tiers says why.
    fn stored(&self) -> Option<Stored> {
        lowtide_tiers::stored(&self.root).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_that_ran_alone_tells() {
        let requests = Requests::default();
        let first = requests.begin();
        assert!(first.is_alone());
        let second = requests.begin();
        assert!(!first.is_alone() && !second.is_alone());
        drop(first);
        assert!(!second.is_alone(), "another was there when it began");
        drop(second);
        assert!(requests.begin().is_alone());
    }
}
