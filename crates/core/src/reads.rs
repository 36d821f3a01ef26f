//! What it costs a cgroup to read a page of page cache again: its own reads, at the measured speed of their
//! devices.
//!
//! io.stat has how many reads a cgroup made of each device and how large they were, the block statistics have
//! how long a read of the device takes. A read brings several pages (read-ahead), so a page costs a share of
//! it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{cgroup::IoReads, cost::Costs, units::Bytes};

/// What was read so long ago counts half.
const HALF_LIFE: Duration = Duration::from_mins(10);
/// With less than so much of it a mean says little.
const TELLING: Bytes = Bytes::kib(256);

const PAGE: Bytes = Bytes::pages(1);

/// The reads of one cgroup.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads {
    /// Counters at the last turn.
    until: BTreeMap<Arc<str>, IoReads>,
    /// Bytes read, and the seconds that took, both fading.
    size: f64,
    seconds: f64,
}

impl Reads {
    /// Takes in the counters. Reads of a device that was never measured are left out.
    pub(crate) fn observe(&mut self, now: &BTreeMap<Arc<str>, IoReads>, costs: &Costs, elapsed: Duration) {
        let keep = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        self.size *= keep;
        self.seconds *= keep;
        for (device, reads) in now {
            let before = self.until.get(device).copied();
            if let Some((before, time)) = before.zip(costs.read_time(device)) {
                self.add(before, *reads, time);
            }
        }
        self.until.clone_from(now);
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more than 53 bits")]
    fn add(&mut self, before: IoReads, now: IoReads, time: Duration) {
        // Another device under the same number begins anew.
        self.size += (now.size - before.size).as_f64();
        self.seconds += now.count.saturating_sub(before.count) as f64 * time.as_secs_f64();
    }

    /// How long a task waits for a page; `None` if that is not known.
    pub(crate) fn per_page(&self) -> Option<Duration> {
        let known = self.size >= TELLING.as_f64();
        known.then(|| Duration::try_from_secs_f64(self.seconds / self.size * PAGE.as_f64()).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{BlockReads, HostObservation};

    fn costs(micros: u64) -> Costs {
        let mut costs = Costs::default();
        for turn in 1..3 {
            let reads =
                BlockReads { count: turn * 10_000, time: Duration::from_micros(turn * 10_000 * micros) };
            let host =
                HostObservation { reads: [("8:0".into(), reads)].into(), ..HostObservation::default() };
            costs.observe(&host, Duration::from_secs(turn * 6));
        }
        costs
    }

    fn counters(count: u64, size: Bytes) -> BTreeMap<Arc<str>, IoReads> {
        let reads = IoReads { count, size };
        [("8:0".into(), reads), ("9:9".into(), IoReads { count: 7 * count, size })].into()
    }

    #[test]
    fn a_page_costs_its_share_of_a_read() {
        let (mut reads, costs) = (Reads::default(), costs(80));
        reads.observe(&counters(0, Bytes::ZERO), &costs, Duration::from_secs(6));
        assert_eq!(reads.per_page(), None);
        // 32 KiB each.
        reads.observe(&counters(100, Bytes::kib(3200)), &costs, Duration::from_secs(6));
        assert_eq!(reads.per_page().map(|time| time.as_nanos()), Some(10_000));
    }

    #[test]
    fn what_was_read_before_it_was_watched_does_not_count() {
        let (mut reads, costs) = (Reads::default(), costs(80));
        reads.observe(&counters(1_000_000, Bytes::mib(1)), &costs, Duration::from_secs(6));
        assert_eq!(reads.per_page(), None);
    }
}
