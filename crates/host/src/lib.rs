//! The host: free memory, watermarks, reclaim, kswapd, processors by NUMA node.

mod counters;
mod kswapd;
mod meminfo;
mod processors;
mod vmstat;
mod watermarks;
mod zoneinfo;

use std::{collections::HashMap, sync::Arc};

use lowtide_core::{BlockReads, Bytes, HostObservation, Stored, Tier, confine::Ways};
use lowtide_kernfs::{Files, Result, Root};

pub use counters::{Counter, Counters, Unit};
pub use kswapd::{Kswapd, Kswapds};
pub use meminfo::Meminfo;
pub use processors::Processors;
pub use vmstat::Vmstat;
pub use watermarks::watermarks;
pub use zoneinfo::{Zone, low_watermark, zones};

/// The host's memory at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Host {
    /// /proc/meminfo.
    pub meminfo: Meminfo,
    /// /proc/vmstat.
    pub vmstat: Vmstat,
    /// Sum of the zones' low watermarks; `None` without /proc/zoneinfo.
    pub low_watermark: Option<Bytes>,
}

/// Reads /proc/meminfo, and what there is of /proc/vmstat and /proc/zoneinfo.
pub fn read(root: &Root) -> Result<Host> {
    Ok(Host {
        meminfo: root.parse("proc/meminfo", Meminfo::parse)?,
        vmstat: root.parse_optional("proc/vmstat", Vmstat::parse)?.unwrap_or_default(),
        low_watermark: root.parse_optional("proc/zoneinfo", low_watermark)?,
    })
}

impl Host {
    /// The part of an observation that is about the host, with what other crates know of it.
    #[must_use]
    pub fn observation(
        self,
        tiers: Vec<Tier>,
        reads: HashMap<Arc<str>, BlockReads>,
        reclaim_takes_swappiness: bool,
    ) -> HostObservation {
        HostObservation {
            total: self.meminfo.total,
            free: self.meminfo.free,
            low_watermark: self.low_watermark,
            direct_reclaim: self.vmstat.direct_reclaim,
            allocation_stalls: self.vmstat.allocation_stalls,
            swap_total: self.meminfo.swap_total,
            tiers,
            reads,
            added_latency: HashMap::new(),
            reclaim_takes_swappiness,
            zram: Stored::default(),
            ways: Ways::default(),
            demotes: false,
        }
    }
}

#[cfg(test)]
mod tests;
