//! What it costs to bring a page back from a tier: measured from the kernel's own counters, assumed until
//! enough was read; for slower nodes told by firmware.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    observation::{BlockReads, HostObservation},
    tier::{NodeId, Tier, TierId, TierKind},
    units::Bytes,
};

/// So many reads make a mean.
const ENOUGH_READS: u64 = 64;
/// So much time must have passed in reads: zram is timed in the kernel's ticks of up to 10 ms
/// (`bio_start_io_acct`, block/blk-core.c), and the mean of ten is good to a third.
const ENOUGH_TIME: Duration = Duration::from_millis(100);
/// A mean that differs by more than this factor is believed at once: the device is another than it was.
const LEAP: f64 = 2.0;
/// What was seen so long ago counts half. The counters have no times: without this the reads of a quiet hour
/// would be one mean with those of the minute in which the device got slower.
const HALF_LIFE: Duration = Duration::from_mins(10);

/// Lines of a page on a slower node that are read before they are in the caches, each time that the page is
/// touched. Nobody counts them; all of a page would be 64.
const LINES: u32 = 8;

const PAGE: Bytes = Bytes::pages(1);

/// What a fault on a page in a tier costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct FaultCost {
    /// Stall of the task that touches the page.
    pub time: Duration,
    /// Where that is known from.
    pub basis: Basis,
}

/// Where a cost is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The kernel's counters on this host.
    Measured,
    /// The latency that firmware tells of this host's memory, and the assumption that eight lines are read.
    Told,
    /// What such tiers usually cost.
    Assumed,
}

impl FaultCost {
    /// What is assumed of a kind of tier.
    #[must_use]
    pub const fn assumed(kind: TierKind) -> Self {
        Self { time: kind.usual_fault(), basis: Basis::Assumed }
    }

    /// What a touch of a page costs on a slower node, whose reads take `added` longer than DRAM's.
    fn told(added: Duration) -> Self {
        Self { time: added.saturating_mul(LINES), basis: Basis::Told }
    }

    /// Stall for each GiB of DRAM that is freed, if every page there is touched once; `None` where nothing is
    /// freed.
    ///
    /// This is what tiers are ranked by: a tier that takes half of what it stores has to store twice as much.
    #[must_use]
    pub fn per_gib_freed(&self, tier: &Tier) -> Option<Duration> {
        let freed = PAGE.scale(tier.resident_share().complement());
        let pages = Bytes::mib(1024).share_of(freed).get();
        (pages > 0.0)
            .then(|| Duration::try_from_secs_f64(self.time.as_secs_f64() * pages).unwrap_or(Duration::MAX))
    }
}

/// What was measured of each swap device, and told of each slower node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Costs {
    devices: HashMap<Arc<str>, Measured>,
    added_latency: HashMap<NodeId, Duration>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    /// The last look.
    at: Duration,
    /// Counters at that look.
    until: BlockReads,
    /// Seen since the last mean.
    open: Reads,
    mean: Option<Mean>,
}

/// Reads, those of long ago counting less.
#[derive(Debug, Clone, Copy, Default)]
struct Reads {
    count: f64,
    seconds: f64,
}

#[derive(Debug, Clone, Copy)]
struct Mean {
    seconds: f64,
    /// When it was taken.
    at: Duration,
}

impl Costs {
    /// Takes in the counters; forgets devices that are gone.
    pub(crate) fn observe(&mut self, host: &HostObservation, now: Duration) {
        self.added_latency.clone_from(&host.added_latency);
        self.devices.retain(|device, _| host.reads.contains_key(device));
        for (device, reads) in &host.reads {
            self.devices.entry(Arc::clone(device)).or_default().observe(*reads, now);
        }
    }

    /// Of one tier.
    pub(crate) fn of(&self, tier: &Tier) -> FaultCost {
        let measured = self.mean(tier).and_then(|mean| Duration::try_from_secs_f64(mean.seconds).ok());
        let told = || match tier.device {
            TierId::Node(node) => self.added_latency.get(&node).copied().map(FaultCost::told),
            TierId::Zswap | TierId::Device(_) => None,
        };
        measured
            .map(|time| FaultCost { time, basis: Basis::Measured })
            .or_else(told)
            .unwrap_or(FaultCost::assumed(tier.kind))
    }

    /// How long a read of a device takes, by its number; `None` if it was not measured.
    pub(crate) fn read_time(&self, device: &str) -> Option<Duration> {
        let mean = self.devices.get(device)?.mean?;
        Duration::try_from_secs_f64(mean.seconds).ok()
    }

    /// Of a page that is swapped out, wherever among `tiers` it is: the kernel does not tell of a cgroup's
    /// pages.
    pub(crate) fn of_swapped_out(&self, tiers: &[Tier]) -> Duration {
        let swap = || tiers.iter().filter(|tier| tier.kind.is_swap());
        let stored: Bytes = swap().map(|tier| tier.stored).sum();
        if stored.is_zero() {
            return swap().next().map_or(Duration::ZERO, |first| self.of(first).time);
        }
        let share = |tier: &Tier| self.of(tier).time.mul_f64(tier.stored.share_of(stored).get());
        swap().map(share).sum()
    }

    /// How long ago that was measured; `None` if it was not.
    pub(crate) fn age(&self, tier: &Tier, now: Duration) -> Option<Duration> {
        self.mean(tier).map(|mean| now.saturating_sub(mean.at))
    }

    fn mean(&self, tier: &Tier) -> Option<Mean> {
        self.devices.get(tier.device.path()?)?.mean
    }
}

impl Measured {
    fn observe(&mut self, reads: BlockReads, now: Duration) {
        if reads.count < self.until.count || reads.time < self.until.time {
            // Another device under the same name.
            *self = Self::default();
        }
        self.open.fade(now.saturating_sub(self.at));
        self.open.add(reads.count - self.until.count, reads.time.saturating_sub(self.until.time));
        (self.at, self.until) = (now, reads);
        // How many means these reads are worth.
        let worth = self.open.worth();
        if worth < 1.0 {
            return;
        }
        let new = self.open.seconds / self.open.count;
        let leaps = |old: f64| new > old * LEAP || new < old / LEAP;
        let old = self.mean.filter(|old| !leaps(old.seconds));
        let seconds = old.map_or(new, |old| {
            let kept = 0.5_f64.powf(worth) * left_after(now.saturating_sub(old.at));
            old.seconds * kept + new * (1.0 - kept)
        });
        self.mean = Some(Mean { seconds, at: now });
        self.open = Reads::default();
    }
}

impl Reads {
    fn fade(&mut self, time: Duration) {
        let left = left_after(time);
        self.count *= left;
        self.seconds *= left;
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more than 53 bits")]
    fn add(&mut self, count: u64, time: Duration) {
        self.count += count as f64;
        self.seconds += time.as_secs_f64();
    }

    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    fn worth(self) -> f64 {
        (self.count / ENOUGH_READS as f64).min(self.seconds / ENOUGH_TIME.as_secs_f64())
    }
}

/// Share that what was seen still counts after `time`.
fn left_after(time: Duration) -> f64 {
    0.5_f64.powf(time.as_secs_f64() / HALF_LIFE.as_secs_f64())
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod tests;
