//! What happened from one look to the next.

use std::time::Duration;

use super::{Marks, Seen};
use crate::units::Bytes;

/// From one look to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Between {
    pub time: Duration,
    /// How often a task had to reclaim for itself.
    pub stalls: u64,
    pub scanned: Bytes,
    pub stolen: Bytes,
    pub runs: u64,
    pub cpu: Duration,
}

impl Between {
    pub(super) fn new(before: &Seen, now: &Seen, time: Duration) -> Self {
        // One that was not seen before has its CPU since the boot.
        let cpu = now.kswapd_cpu.zip(before.kswapd_cpu);
        Self {
            time,
            stalls: now.allocation_stalls.saturating_sub(before.allocation_stalls),
            scanned: now.scanned - before.scanned,
            stolen: now.stolen - before.stolen,
            runs: now.runs.saturating_sub(before.runs),
            cpu: cpu.map_or(Duration::ZERO, |(now, before)| now.saturating_sub(before)),
        }
    }

    /// No kswapd did anything in all that time.
    pub(super) fn kswapd_slept(&self) -> bool {
        self.runs == 0 && self.scanned.is_zero()
    }

    /// It looked at as much as it is to bring back in a run, and got nothing.
    pub(super) fn kswapd_got_nothing(&self, marks: Marks) -> bool {
        self.stolen.is_zero() && self.scanned >= marks.high - marks.low && !self.scanned.is_zero()
    }

    /// Bytes that kswapd reclaimed in a second of this time.
    pub(super) fn reclaimed_per_second(&self) -> f64 {
        let seconds = self.time.as_secs_f64();
        if seconds > 0.0 { self.stolen.as_f64() / seconds } else { 0.0 }
    }
}
