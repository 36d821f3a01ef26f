//! Scan pressure: the host's own reclaim looks at much and gets little, and free memory stays low. Swapping
//! makes each round of it longer then, not shorter: pages under writeback are looked at again and again, and
//! what comes back needs a page first.
//!
//! What lowtide asks for cannot light it: reclaim through memory.reclaim raises neither `allocstall_*` nor
//! `pgscan_kswapd`, `pgsteal_kswapd` and `kswapd_low_wmark_hit_quickly` (`cgroup_reclaim(sc)` is tested first
//! up to 7.0; counted as `*_proactive` after that; mm/vmscan.c), that of the root neither.

use std::time::Duration;

use crate::units::{Bytes, Ratio};

/// A zone of the host's memory, of those that the kernel gives pages from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Zone {
    /// The number of its node.
    pub node: u32,
    /// What it gives out.
    pub managed: Bytes,
    /// Free pages.
    pub free: Bytes,
    /// Below it kswapd wakes up.
    pub low: Bytes,
    /// Up to it kswapd goes on.
    pub high: Bytes,
}

/// What the kswapd threads did since boot: counters of /proc/vmstat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kswapd {
    /// `pgscan_kswapd`.
    pub scanned: Bytes,
    /// `pgsteal_kswapd`.
    pub stolen: Bytes,
    /// `kswapd_low_wmark_hit_quickly`: woken before it had slept for a tenth of a second, since free memory
    /// was at the low watermark again.
    pub low_watermark_hits: u64,
}

/// A smaller zone is passed over for others of its node: DMA, and DMA32 of a large host, are never full of
/// what people use.
const LEAST_PART_OF_NODE: Ratio = Ratio::new(1.0 / 8.0);
/// Of what kswapd looked at, the share that it did not get, from which on the kernel calls pressure medium
/// (`vmpressure_level_med`, mm/vmpressure.c). One that drops clean page cache gets nearly all.
const UNSUCCESSFUL: Ratio = Ratio::percent(60.0);
/// It is over when it was not seen for so long: a storm pauses between two bursts.
const CALM: Duration = Duration::from_secs(30);

/// What is seen of the host at a turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The zones that pages come from; none where the kernel does not tell.
    pub(crate) zones: &'a [Zone],
    /// `allocstall_*`, all zones.
    pub(crate) stalls: Option<u64>,
    pub(crate) kswapd: Option<Kswapd>,
}

/// Sees it begin and end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    before: Option<Counters>,
    /// When it was seen last.
    seen: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Counters {
    stalls: Option<u64>,
    kswapd: Option<Kswapd>,
}

impl Guard {
    /// Whether the host is under scan pressure. `distance` is the share of a zone's memory above its low
    /// watermark that counts as near it.
    ///
    /// A task that wants contiguous memory reclaims however much is free, so stalls count near the low
    /// watermark alone. kswapd that was woken at it again and again may have got a little further by the time
    /// of a turn: it is not done below the high one.
    pub(crate) fn observe(&mut self, host: Seen<'_>, distance: Ratio, now: Duration) -> bool {
        let latest = Counters { stalls: host.stalls, kswapd: host.kswapd };
        if let Some(before) = self.before.replace(latest) {
            let near_low = |zone: &Zone| zone.free < zone.low + zone.managed.scale(distance);
            let below_high = |zone: &Zone| zone.free < zone.high;
            let stalled = before.stalled(latest) && is_any(host.zones, near_low);
            let struggled = before.struggled(latest) && is_any(host.zones, below_high);
            if stalled || struggled {
                self.seen = Some(now);
            }
        }
        self.seen = self.seen.filter(|seen| now.saturating_sub(*seen) < CALM);
        self.seen.is_some()
    }
}

impl Counters {
    /// Tasks have reclaimed for themselves since. `allocstall_*` and not `pgscan_direct`, which counts
    /// cgroups at their own limits too from 7.3 on.
    fn stalled(self, now: Self) -> bool {
        self.stalls.zip(now.stalls).is_some_and(|(before, now)| now > before)
    }

    /// kswapd gets no rest, and little for its work.
    fn struggled(self, now: Self) -> bool {
        let Some((before, now)) = self.kswapd.zip(now.kswapd) else { return false };
        let (scanned, stolen) = (now.scanned - before.scanned, now.stolen - before.stolen);
        let got_little = !scanned.is_zero() && scanned - stolen >= scanned.scale(UNSUCCESSFUL);
        now.low_watermark_hits > before.low_watermark_hits && got_little
    }
}

/// Whether any zone that matters is like this.
fn is_any(zones: &[Zone], like_this: impl Fn(&Zone) -> bool) -> bool {
    zones.iter().any(|zone| {
        let of_node: Bytes =
            zones.iter().filter(|other| other.node == zone.node).map(|zone| zone.managed).sum();
        zone.managed >= of_node.scale(LEAST_PART_OF_NODE) && like_this(zone)
    })
}

#[cfg(test)]
#[path = "scan_pressure_tests.rs"]
mod tests;
