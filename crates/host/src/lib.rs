//! The host: free memory, watermarks, reclaim, kswapd, processors by NUMA node.

mod counters;
mod fragmentation;
mod ksm;
mod kswapd;
mod meminfo;
mod processors;
mod vmstat;
mod watermarks;
mod zoneinfo;

use std::{collections::HashMap, sync::Arc};

use lowtide_core::{
    BlockReads, Bytes, HostObservation, NodeId, Stored, Tier, TierId, confinement::Ways, scan_pressure,
};
use lowtide_kernfs::{Files, Result, Root};

pub use counters::{Counter, Counters, Unit};
pub use fragmentation::{compact_stalls, fragmentation, free_pieces};
pub use ksm::ksm;
pub use kswapd::{Kswapd, Kswapds};
pub use meminfo::Meminfo;
pub use processors::Processors;
pub use vmstat::Vmstat;
pub use watermarks::watermarks;
pub use zoneinfo::{Zone, low_watermark, zones};

/// The host's memory at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// /proc/meminfo.
    pub meminfo: Meminfo,
    /// /proc/vmstat.
    pub vmstat: Vmstat,
    /// Sum of the zones' low watermarks; `None` without /proc/zoneinfo.
    pub low_watermark: Option<Bytes>,
    /// Those zones; none without /proc/zoneinfo.
    pub zones: Vec<Zone>,
}

/// Reads /proc/meminfo, and what there is of /proc/vmstat and /proc/zoneinfo.
pub fn read(root: &Root) -> Result<Host> {
    let zoneinfo = root.parse_optional("proc/zoneinfo", zoneinfo::with_low_watermark)?;
    let (low_watermark, zones) = zoneinfo.unzip();
    Ok(Host {
        meminfo: root.parse("proc/meminfo", Meminfo::parse)?,
        vmstat: root.parse_optional("proc/vmstat", Vmstat::parse)?.unwrap_or_default(),
        low_watermark,
        zones: zones.unwrap_or_default(),
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
        let is_slow = |node: u32| tiers.iter().any(|tier| is_node(tier, node));
        let zones = self.zones.iter().filter(|zone| !is_slow(zone.node)).filter_map(marks).collect();
        HostObservation {
            total: self.meminfo.total,
            free: self.meminfo.free,
            available: self.meminfo.available,
            low_watermark: self.low_watermark,
            direct_reclaim: self.vmstat.direct_reclaim,
            allocation_stalls: self.vmstat.allocation_stalls,
            zones,
            kswapd: self.vmstat.kswapd,
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

fn is_node(tier: &Tier, node: u32) -> bool {
    tier.device == TierId::Node(NodeId(node))
}

/// One that gives out pages, without what its watermarks are raised by for a while (`high_wmark_pages` adds
/// it, include/linux/mmzone.h).
fn marks(zone: &Zone) -> Option<scan_pressure::Zone> {
    let boost = zone.boost.unwrap_or_default();
    let Zone { node, managed, free, low, high, .. } = zone;
    let marks = scan_pressure::Zone {
        node: *node,
        managed: *managed,
        free: (*free)?,
        low: (*low)? - boost,
        high: (*high)? - boost,
    };
    Some(marks).filter(|zone| !zone.managed.is_zero())
}

#[cfg(test)]
mod tests;
