use std::time::Duration;

use crate::units::Bytes;

/// What the kernel told of the host at one moment. Counters are of all that was since the boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// MemTotal.
    pub total: Bytes,
    /// The zones that manage pages.
    pub zones: Vec<Zone>,
    /// A node's kswapd has given up: after 16 runs that reclaimed nothing (`node_unreclaimable` in
    /// /proc/zoneinfo; MAX_RECLAIM_RETRIES, mm/internal.h).
    pub gave_up: bool,
    /// Page cache on the lists (Active(file) and Inactive(file)).
    pub file: Bytes,
    /// Slab that shrinkers can free (SReclaimable).
    pub slab: Bytes,
    /// `allocstall_*`, all zones: how often a task had to reclaim before it got its page.
    pub allocation_stalls: u64,
    /// `pageoutrun`: how often a kswapd began.
    pub runs: u64,
    /// `pgscan_kswapd`.
    pub scanned: Bytes,
    /// `pgsteal_kswapd`.
    pub stolen: Bytes,
    /// How many kswapd threads there are: one for each node with memory.
    pub kswapds: u32,
    /// Processor time of all of them; `None` where /proc does not show them.
    pub kswapd_cpu: Option<Duration>,
}

/// A zone's pages and marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Zone {
    /// What it gives out.
    pub managed: Bytes,
    /// Free pages.
    pub free: Bytes,
    /// Its min watermark, without what a boost adds to all three for a while.
    pub min: Bytes,
}

impl Seen {
    /// What zones give out.
    #[must_use]
    pub fn managed(&self) -> Bytes {
        self.zones.iter().map(|zone| zone.managed).sum()
    }

    /// Free pages of all zones.
    #[must_use]
    pub fn free(&self) -> Bytes {
        self.zones.iter().map(|zone| zone.free).sum()
    }

    /// What kswapd can take without swap.
    #[must_use]
    pub fn reclaimable(&self) -> Bytes {
        self.file + self.slab
    }
}
