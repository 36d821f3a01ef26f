//! What it costs to bring a page back from a tier: measured from the kernel's own counters, assumed until enough was read.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    observation::{BlockReads, HostObservation, Tier, TierKind},
    units::Bytes,
};

/// So many reads make a mean.
const ENOUGH_READS: u64 = 64;
/// So much time must have passed in reads: zram is timed in the kernel's ticks of up to 10 ms (`bio_start_io_acct`,
/// block/blk-core.c), and the mean of ten is good to a third.
const ENOUGH_TIME: Duration = Duration::from_millis(100);
/// A mean that differs by more than this factor is believed at once: the device is another than it was.
const LEAP: f64 = 2.0;

const PAGE: Bytes = Bytes::pages(1);

/// What a fault on a page in a tier costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct FaultCost {
    /// Stall of the task that touches the page.
    pub time: Duration,
    /// Whether it was measured on this host, or is what such tiers usually cost.
    pub measured: bool,
}

impl FaultCost {
    /// What is assumed of a kind of tier: a compressed page takes some ten microseconds (TMO gives 40 for zswap's 90th
    /// percentile), a disk 0.5 to 9 ms.
    #[must_use]
    pub const fn assumed(kind: TierKind) -> Self {
        let time = match kind {
            TierKind::Zswap | TierKind::Zram => Duration::from_micros(20),
            TierKind::Disk => Duration::from_millis(1),
        };
        Self { time, measured: false }
    }

    /// Stall for each GiB of DRAM that is freed, if every page there is touched once; `None` where nothing is freed.
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

/// What was measured of each swap device.
#[derive(Debug, Clone, Default)]
pub(crate) struct Costs {
    devices: HashMap<Arc<str>, Measured>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    /// Counters at the end of the last mean.
    until: BlockReads,
    /// Seconds.
    mean: Option<f64>,
}

impl Costs {
    /// Takes in the counters; forgets devices that are gone.
    pub(crate) fn observe(&mut self, host: &HostObservation) {
        self.devices.retain(|device, _| host.reads.contains_key(device));
        for (device, reads) in &host.reads {
            self.devices.entry(Arc::clone(device)).or_default().observe(*reads);
        }
    }

    /// Of one tier.
    pub(crate) fn of(&self, tier: &Tier) -> FaultCost {
        let mean = self.devices.get(&tier.device).and_then(|device| device.mean);
        mean.and_then(|mean| Duration::try_from_secs_f64(mean).ok())
            .map_or(FaultCost::assumed(tier.kind), |time| FaultCost { time, measured: true })
    }
}

impl Measured {
    fn observe(&mut self, reads: BlockReads) {
        if reads.count < self.until.count || reads.time < self.until.time {
            // Another device under the same name.
            *self = Self::default();
        }
        let count = reads.count - self.until.count;
        let time = reads.time.saturating_sub(self.until.time);
        if count < ENOUGH_READS || time < ENOUGH_TIME {
            return;
        }
        self.until = reads;
        #[expect(clippy::cast_precision_loss, reason = "a mean needs no more than 53 bits")]
        let mean = time.as_secs_f64() / count as f64;
        let leaps = |old: f64| mean > old * LEAP || mean < old / LEAP;
        self.mean = Some(self.mean.filter(|old| !leaps(*old)).map_or(mean, |old| f64::midpoint(old, mean)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(kind: TierKind, stored: u64, resident: u64) -> Tier {
        Tier {
            kind,
            device: "/dev/a".into(),
            priority: None,
            capacity: Bytes::mib(1024),
            used: Bytes::mib(stored),
            stored: Bytes::mib(stored),
            resident: Bytes::mib(resident),
            resident_limit: None,
            above: None,
        }
    }

    /// The cost after each look at the counters: reads, milliseconds.
    fn costs(looks: &[(u64, u64)]) -> Vec<FaultCost> {
        let (mut costs, disk) = (Costs::default(), tier(TierKind::Disk, 1, 0));
        let look = |(count, millis): &(u64, u64)| {
            let reads = BlockReads { count: *count, time: Duration::from_millis(*millis) };
            let reads = [("/dev/a".into(), reads)].into();
            costs.observe(&HostObservation { reads, ..HostObservation::default() });
            costs.of(&disk)
        };
        looks.iter().map(look).collect()
    }

    fn measured(micros: u64) -> FaultCost {
        FaultCost { time: Duration::from_micros(micros), measured: true }
    }

    #[test]
    fn little_is_no_measure() {
        let assumed = FaultCost::assumed(TierKind::Disk);
        assert_eq!(costs(&[(63, 640), (64, 640)]), [assumed, measured(10_000)]);
        assert_eq!(costs(&[(10_000, 99), (10_000, 100)]), [assumed, measured(10)]);
    }

    #[test]
    fn small_changes_are_smoothed_and_large_ones_believed_at_once() {
        let seen = costs(&[(1000, 100), (2000, 220), (3000, 1320), (3001, 1330), (4000, 1420)]);
        assert_eq!(seen, [measured(100), measured(110), measured(1100), measured(1100), measured(100)]);
    }

    #[test]
    fn another_device_under_the_same_name_is_measured_anew() {
        let seen = costs(&[(1000, 100), (10, 1), (1000, 1001)]);
        assert_eq!(seen, [measured(100), FaultCost::assumed(TierKind::Disk), measured(1001)]);
    }

    #[test]
    fn a_tier_that_keeps_half_costs_twice_as_much_for_what_it_frees() {
        let cost = measured(10);
        let disk = cost.per_gib_freed(&tier(TierKind::Disk, 100, 0)).unwrap();
        assert_eq!(disk, Duration::from_micros(10 * 262_144));
        assert_eq!(cost.per_gib_freed(&tier(TierKind::Zram, 100, 50)), Some(disk * 2));
        assert_eq!(cost.per_gib_freed(&tier(TierKind::Zram, 100, 100)), None);
    }
}
