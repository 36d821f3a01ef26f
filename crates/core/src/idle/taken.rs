//! What left on request and may still be in the last reading.

use crate::cgroup::ByType;
use std::time::Duration;

/// A source that stopped is not waited for with an endless list.
const MOST: usize = 64;

/// Bytes that left, and when that was known.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Vec<(Duration, ByType)>);

impl Taken {
    pub(super) fn push(&mut self, size: ByType, now: Duration) {
        if size.total().is_zero() {
            return;
        }
        let full = self.0.len() >= MOST;
        match self.0.last_mut() {
            Some((at, last)) if full => {
                *at = now;
                *last += size;
            }
            _ => self.0.push((now, size)),
        }
    }

    pub(super) fn sum(&self) -> ByType {
        self.0.iter().map(|(_, size)| *size).sum()
    }

    /// A reading comes a turn after it was made: what was known to have left only since is still in it.
    /// Returns the rest, which it shows to be gone.
    pub(super) fn settle(&mut self, read: Duration) -> ByType {
        let before = self.sum();
        self.0.retain(|(at, _)| *at > read);
        before - self.sum()
    }
}
