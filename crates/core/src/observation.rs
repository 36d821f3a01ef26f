//! What was seen: the plain data that the kernel crates produce and the decisions are made from.
//!
//! Counters are cumulative, as the kernel keeps them; rates are made in the state from two observations, so
//! that a late tick spoils nothing. `None` is a file or field that this kernel does not have: a capability,
//! not an error.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use crate::{
    cgroup::{CgroupId, IoReads, Memory, Stall},
    confinement::{Confinement, Ways},
    effect::{Effect, Pending},
    reading::Reading,
    scan_pressure::{Kswapd, Zone},
    stored::Stored,
    tier::{NodeId, SwapRoom, Tier, TierId},
    units::Bytes,
};

/// Everything that one tick looks at.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Observation {
    /// The host as a whole.
    pub host: HostObservation,
    /// The cgroups that a policy names, each with the index of that policy.
    pub cgroups: Vec<CgroupObservation>,
}

/// The host's own state.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct HostObservation {
    /// All memory the kernel manages (MemTotal).
    pub total: Bytes,
    /// Free memory (MemFree).
    pub free: Bytes,
    /// What can be had without swapping (MemAvailable); `None` where the kernel does not tell.
    #[serde(skip)]
    pub available: Option<Bytes>,
    /// Sum of the zones' low watermarks, in /proc/zoneinfo.
    pub low_watermark: Option<Bytes>,
    /// Pages reclaimed by allocating tasks themselves since boot (`pgsteal_direct`), as bytes.
    pub direct_reclaim: Option<Bytes>,
    /// How often a task had to reclaim before it got its page, for the host's sake and not its own cgroup's
    /// limit (`allocstall_*`): from 7.3 on `direct_reclaim` counts both.
    pub allocation_stalls: Option<u64>,
    /// The zones that pages come from, but for those of slower nodes; none without /proc/zoneinfo.
    #[serde(skip)]
    pub zones: Vec<Zone>,
    /// What kswapd did; `None` where the kernel does not count it.
    #[serde(skip)]
    pub kswapd: Option<Kswapd>,
    /// All swap that may be used (SwapTotal): of a device that is being switched off only what is still
    /// there.
    pub swap_total: Option<Bytes>,
    /// Where offloaded pages can live: slower NUMA nodes, zswap if it is on or still holds pages, then each
    /// active swap device in the order in which the kernel fills them.
    pub tiers: Vec<Tier>,
    /// Reads of the tiers that are block devices, by [path](crate::TierId::path), and of the devices that
    /// cgroups read from, by their numbers (`8:16`).
    pub reads: HashMap<Arc<str>, BlockReads>,
    /// How much longer than from DRAM a read from a slower node takes, as firmware says. Without what
    /// firmware does not say.
    pub added_latency: HashMap<NodeId, Duration>,
    /// Whether `memory.reclaim` takes `swappiness=` (from 6.12), so that page cache alone can be asked for.
    pub reclaim_takes_swappiness: bool,
    /// What all zram devices that are swapped on hold.
    pub zram: Stored,
    /// Where pages can come to lie beside the devices.
    pub ways: Ways,
    /// Whether what the kernel reclaims from DRAM moves to a slower node as long as there is room
    /// (`demotion_enabled`).
    pub demotes: bool,
}

/// Counters of a block device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct BlockReads {
    /// Reads that have ended.
    pub count: u64,
    /// How long they took, added up.
    pub time: Duration,
}

impl HostObservation {
    /// Free slots of devices that are being switched off: /proc/swaps still has them, and SwapTotal has not
    /// (`si_swapinfo`, mm/swapfile.c). Nothing unless that is the case.
    #[must_use]
    pub fn swap_leaving(&self) -> Bytes {
        let devices = self.tiers.iter().filter(|tier| tier.has_slots());
        self.swap_total.map_or(Bytes::ZERO, |total| devices.map(|tier| tier.capacity).sum::<Bytes>() - total)
    }

    /// Uncompressed bytes that a tier can still take; nothing if it is not there.
    #[must_use]
    pub fn room_of(&self, device: &TierId) -> Bytes {
        let tier = self.tiers.iter().find(|tier| tier.device == *device);
        tier.map_or(Bytes::ZERO, Tier::uncompressed_room)
    }

    /// All swap devices together; `None` if there is no swap.
    #[must_use]
    pub fn swap(&self) -> Option<SwapRoom> {
        let devices = || self.tiers.iter().filter(|tier| tier.has_slots());
        devices().next()?;
        let mut free = Bytes::ZERO;
        for tier in devices() {
            free += tier.room();
            // The kernel fills the first device as long as it has slots. One that is at its memory limit
            // first refuses every page, and the devices after it get none: its room ends the sum.
            if tier.room() < tier.capacity - tier.used {
                break;
            }
        }
        let leaving = self.swap_leaving();
        let total = devices().map(|tier| tier.capacity).sum::<Bytes>() - leaving;
        Some(SwapRoom { total, free: free - leaving })
    }

    /// All slower nodes together; `None` if there is none, or if nothing is demoted to them.
    #[must_use]
    pub fn slow_nodes(&self) -> Option<SwapRoom> {
        let nodes = || self.tiers.iter().filter(|tier| !tier.kind.is_swap());
        nodes().next().filter(|_| self.demotes)?;
        Some(SwapRoom { total: nodes().map(|tier| tier.capacity).sum(), free: nodes().map(Tier::room).sum() })
    }
}

/// One cgroup at one moment.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CgroupObservation {
    /// Its inode.
    pub id: CgroupId,
    /// Where it is, from the cgroup root: `/web/api`.
    pub path: Arc<str>,
    /// Index into the policies that the tick is called with.
    pub policy: usize,
    /// Whether any process lives in it or below.
    pub populated: bool,
    /// Its owner wants it to be left alone, and the policy allows that.
    pub opted_out: bool,
    /// Its memory.
    pub memory: Memory,
    /// What its policy's tiers mean on this host.
    pub confined: Confinement,
    /// Processor time of all of its tasks so far; `None` where the kernel does not tell.
    pub processor_time: Option<Duration>,
    /// What it has read from block devices, by their numbers (`8:16`); empty without the io controller.
    pub reads: BTreeMap<Arc<str>, IoReads>,
    /// Pressure on memory; `None` if PSI is off.
    pub memory_pressure: Option<Stall>,
    /// Pressure on I/O; `None` if PSI is off.
    pub io_pressure: Option<Stall>,
    /// A pressure trigger fired since the last tick.
    pub alarm: bool,
    /// What has become of the last reclaim request.
    pub pending: Pending,
    /// Requests that ended since the last tick.
    pub effects: Vec<Effect>,
    /// The newest look at its idle ages, where there is a source; the same again until there is a newer one.
    pub reading: Option<Arc<Reading>>,
}

impl CgroupObservation {
    /// A cgroup in which processes live, and of which nothing else was read.
    #[must_use]
    pub fn unread(id: CgroupId, path: Arc<str>, policy: usize) -> Self {
        Self {
            id,
            path,
            policy,
            populated: true,
            opted_out: false,
            memory: Memory::default(),
            confined: Confinement::default(),
            processor_time: None,
            reads: BTreeMap::new(),
            memory_pressure: None,
            io_pressure: None,
            alarm: false,
            pending: Pending::default(),
            effects: Vec::new(),
            reading: None,
        }
    }
}
