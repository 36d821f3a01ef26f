//! What was seen: the plain data that the kernel crates produce and the decisions are made from.
//!
//! Counters are cumulative, as the kernel keeps them; rates are made in the state from two observations, so
//! that a late tick spoils nothing. `None` is a file or field that this kernel does not have: a capability, not an
//! error.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use crate::{
    compression::Stored,
    confine::{Confinement, Ways},
    decision::Scope,
    idle::{ByType, Reading},
    lineage::Above,
    scan_pressure::{Kswapd, Zone},
    tier::{SwapRoom, Tier},
    units::{Bytes, Limit, Ratio},
};

/// A cgroup's identity: the inode of its directory. The path is only where it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct CgroupId(pub u64);

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
    /// Sum of the zones' low watermarks, in /proc/zoneinfo.
    pub low_watermark: Option<Bytes>,
    /// Pages reclaimed by allocating tasks themselves since boot (`pgsteal_direct`), as bytes.
    pub direct_reclaim: Option<Bytes>,
    /// How often a task had to reclaim before it got its page, for the host's sake and not its own cgroup's limit
    /// (`allocstall_*`): from 7.3 on `direct_reclaim` counts both.
    pub allocation_stalls: Option<u64>,
    /// The zones that pages come from, but for those of slower nodes; none without /proc/zoneinfo.
    #[serde(skip)]
    pub zones: Vec<Zone>,
    /// What kswapd did; `None` where the kernel does not count it.
    #[serde(skip)]
    pub kswapd: Option<Kswapd>,
    /// All swap that may be used (SwapTotal): of a device that is being switched off only what is still there.
    pub swap_total: Option<Bytes>,
    /// Where offloaded pages can live: slower NUMA nodes, zswap if it is on or still holds pages, then each active swap
    /// device in the order in which the kernel fills them.
    pub tiers: Vec<Tier>,
    /// Reads of the tiers that are block devices, by [`Tier::device`], and of the devices that cgroups read from, by their
    /// numbers (`8:16`).
    pub reads: HashMap<Arc<str>, BlockReads>,
    /// Of the tiers that are nodes, by [`Tier::device`]: how much longer than from DRAM a read from there takes, as firmware
    /// says. Without what firmware does not say.
    pub added_latency: HashMap<Arc<str>, Duration>,
    /// Whether `memory.reclaim` takes `swappiness=` (from 6.12), so that page cache alone can be asked for.
    pub reclaim_takes_swappiness: bool,
    /// What all zram devices that are swapped on hold.
    pub zram: Stored,
    /// Where pages can come to lie beside the devices.
    pub ways: Ways,
    /// Whether what the kernel reclaims from DRAM moves to a slower node as long as there is room (`demotion_enabled`).
    pub demotes: bool,
}

/// What a cgroup has read from a block device: counters of io.stat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct IoReads {
    /// `rios`: reads that were begun.
    pub count: u64,
    /// `rbytes`: their size.
    pub size: Bytes,
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
    pub fn room_of(&self, device: &str) -> Bytes {
        let tier = self.tiers.iter().find(|tier| &*tier.device == device);
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
            // The kernel fills the first device as long as it has slots. One that is at its memory limit first refuses
            // every page, and the devices after it get none: its room ends the sum.
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

/// What has become of the last reclaim request to a cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pending {
    /// There was none, or it has ended.
    #[default]
    Nothing,
    /// It waits for others to end.
    Queued,
    /// It is being written.
    InFlight,
}

impl Pending {
    /// Whether there is one that has not ended.
    #[must_use]
    pub const fn is_any(self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

/// Cumulative stall time, as `total=` in a pressure file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stall {
    /// Some task was stalled.
    pub some: Duration,
    /// All non-idle tasks were stalled at once; absent from the host's cpu file on older kernels.
    pub full: Option<Duration>,
}

/// A cgroup's memory: sizes now, counters since its creation.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// memory.current: memory charged to it, on whatever node, zswap's pool included.
    pub current: Bytes,
    /// memory.swap.current: swap slots charged to it, whatever tier they are in.
    pub swap_current: Option<Bytes>,
    /// memory.min, as far as it holds along the path, with its share of what is above: never reclaimed by the kernel.
    pub min: Bytes,
    /// memory.low, likewise: reclaimed only if nothing else is left.
    pub low: Bytes,
    /// memory.swap.max.
    pub swap_max: Option<Limit>,
    /// memory.swap.high: above it the kernel makes every allocation of the cgroup sleep.
    pub swap_high: Option<Limit>,
    /// What the limits along its path leave to it.
    pub above: Above,
    /// memory.zswap.current: compressed bytes in DRAM.
    pub zswap_current: Option<Bytes>,
    /// memory.stat.
    pub stat: MemoryStat,
    /// Of `current`, what is on slower nodes, by [`Tier::device`] (memory.numa_stat); empty on a host without any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub slow: BTreeMap<Arc<str>, ByType>,
}

/// The fields of memory.stat that decisions are made from. Counters of pages are given as bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct MemoryStat {
    /// Anonymous memory in DRAM.
    pub anon: Bytes,
    /// Page cache, tmpfs and shared memory included.
    pub file: Bytes,
    /// tmpfs and shared anonymous memory: counted as file, reclaimed as anonymous.
    pub shmem: Bytes,
    /// Kernel memory of every kind.
    pub kernel: Option<Bytes>,
    /// Least recently used lists.
    pub inactive_anon: Bytes,
    /// See `inactive_anon`.
    pub active_anon: Bytes,
    /// See `inactive_anon`.
    pub inactive_file: Bytes,
    /// See `inactive_anon`.
    pub active_file: Bytes,
    /// Page cache that is mapped, program text among it.
    pub file_mapped: Bytes,
    /// Locked or otherwise pinned.
    pub unevictable: Bytes,
    /// Page cache that must be written before it can go.
    pub file_dirty: Bytes,
    /// Slab that no shrinker frees.
    pub slab_unreclaimable: Bytes,
    /// Pages that are in DRAM and keep their swap slot.
    pub swap_cached: Option<Bytes>,
    /// Uncompressed bytes stored in zswap.
    pub zswapped: Option<Bytes>,
    /// Counter: anonymous pages faulted back (on 6.12 zswap's writeback is in it: subtract `zswap_writeback`).
    pub refault_anon: Option<Bytes>,
    /// Counter: page cache faulted back.
    pub refault_file: Option<Bytes>,
    /// Counter: of those faulted back, the ones that were part of the working set.
    pub activate_anon: Option<Bytes>,
    /// See `activate_anon`.
    pub activate_file: Option<Bytes>,
    /// Counter: pages read from zswap.
    pub zswap_in: Option<Bytes>,
    /// Counter: pages stored in zswap.
    pub zswap_out: Option<Bytes>,
    /// Counter: pages that zswap wrote on to its swap device.
    pub zswap_writeback: Option<Bytes>,
    /// Counter: pages read from swap devices (memory.stat has it from 6.14).
    pub swap_in: Option<Bytes>,
    /// Counter: pages written to swap devices (memory.stat has it from 6.14).
    pub swap_out: Option<Bytes>,
    /// Counter: page faults of every kind, a page each, or a huge page.
    pub faults: Option<Bytes>,
    /// Counter: pages scanned by reclaim.
    pub scanned: Option<Bytes>,
    /// Counter: pages reclaimed.
    pub stolen: Option<Bytes>,
}

/// Of anonymous memory.
const LITTLE: Bytes = Bytes::mib(16);
const A_SMALL_PART: Ratio = Ratio::new(1.0 / 8.0);

impl Memory {
    /// Uncompressed bytes that live outside DRAM, or compressed in it: slots less those whose page is in DRAM too.
    #[must_use]
    pub fn offloaded(&self) -> Bytes {
        self.swap_current.unwrap_or_default() - self.stat.swap_cached.unwrap_or_default()
    }

    /// What is on slower nodes.
    #[must_use]
    pub fn demoted(&self) -> ByType {
        self.slow.values().copied().sum()
    }

    /// Whether it has so little anonymous memory in DRAM, in all and beside its page cache, that its idle ages are not worth a look.
    ///
    /// A walk of MGLRU costs something too: page cache that is read through descriptors moves on with each generation, used or
    /// not, and loses with it what the kernel knows of its use (`folio_inc_gen` clears LRU_REFS_MASK, mm/vmscan.c). With a walk each
    /// 30 s a web server of 2 000 files had 1.1 % of its requests go to the disk for 24 % of its files, without one 0.4 % for 40 %.
    #[must_use]
    pub fn has_little_anonymous(&self) -> bool {
        let anon = self.stat.inactive_anon + self.stat.active_anon;
        anon < LITTLE && anon < self.current.scale(A_SMALL_PART)
    }

    /// All that the cgroup has, in DRAM and offloaded: what shares of its memory are shares of.
    ///
    /// zswap's pool is charged to the cgroup and holds offloaded pages, so it is not counted twice.
    #[must_use]
    pub fn footprint(&self) -> Bytes {
        self.current - self.zswap_current.unwrap_or_default() + self.offloaded()
    }

    /// All that reclaim can have, or has: what is on its lists, and what is offloaded. Not what is locked, huge pages of hugetlbfs
    /// (counted in memory.current with memory_hugetlb_accounting, 6.7), and what the kernel needs for itself. With nothing on its lists
    /// nothing can go, which is a reason of its own, and this the whole footprint.
    #[must_use]
    pub fn takeable(&self) -> Bytes {
        let stat = &self.stat;
        let lists = stat.inactive_anon + stat.active_anon + stat.inactive_file + stat.active_file;
        if lists.is_zero() {
            return self.footprint();
        }
        // The lists are counted a little later than memory.current.
        lists.min(self.current - self.zswap_current.unwrap_or_default()) + self.offloaded()
    }

    /// Counter: bytes faulted back because they had been reclaimed, from swap and page cache.
    ///
    /// Only page cache that had been part of the working set counts (`workingset_activate_file`): a stream that is
    /// read twice refaults without anyone being harmed.
    #[must_use]
    pub fn promoted(&self) -> ByType {
        ByType { file: self.stat.activate_file.unwrap_or_default(), ..self.refaulted() }
    }

    /// Counter: as [`promoted`](Self::promoted), with all page cache that was read again: each of its pages was waited for.
    #[must_use]
    pub fn refaulted(&self) -> ByType {
        let stat = &self.stat;
        // KERNEL.md §8: workingset_refault_anon counts the pages zswap reads in order to write them back.
        let anon = stat.refault_anon.unwrap_or_default() - stat.zswap_writeback.unwrap_or_default();
        ByType { anon, file: stat.refault_file.unwrap_or_default() }
    }
}

/// What one reclaim request did, measured around the writes themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Effect {
    /// What the request was for.
    #[serde(default)]
    pub scope: Scope,
    /// Bytes asked of the kernel; less than decided if the request was stopped between two chunks.
    pub requested: Bytes,
    /// By how much memory.current fell; zero if it rose, since the tenant goes on allocating meanwhile.
    pub freed: Bytes,
    /// By how much the offloaded bytes rose.
    pub offloaded: Bytes,
    /// By how much anonymous memory on slower nodes rose; only for [`Scope::Demote`].
    #[serde(default)]
    pub demoted: Bytes,
    /// What zram devices took in meanwhile; `None` where nobody looked, or where another request was written at the same time.
    #[serde(default)]
    pub stored: Option<Stored>,
    /// Kernel CPU that the writing thread spent.
    pub cpu: Duration,
    /// Time that the writes took on the wall.
    pub wall: Duration,
    /// The kernel answered EAGAIN: less than asked could be found.
    pub partial: bool,
    /// The request was cut short by a pressure trigger or by refaults seen between two chunks.
    pub stopped: bool,
    /// The cgroup was gone.
    pub vanished: bool,
}

impl Effect {
    /// What the kernel took from DRAM for the request.
    ///
    /// It answers EAGAIN unless it reclaimed all that was asked (mm/memcontrol.c, memory_reclaim), so without EAGAIN the
    /// request itself is the figure: what the tenant allocated meanwhile hides part of it from memory.current. With
    /// EAGAIN only the measured difference is known: with zswap, whose pool stays charged to the cgroup, the offloaded
    /// bytes; for page cache, which is not offloaded, the freed ones. Evictions from one node say nothing of how far they
    /// came, so there the measured difference is the figure.
    #[must_use]
    pub fn taken(&self) -> ByType {
        match self.scope {
            // What the kernel could not demote it may have swapped out.
            Scope::Demote => return ByType { anon: self.demoted + self.offloaded, file: Bytes::ZERO },
            Scope::Sink => return ByType { anon: self.offloaded, file: Bytes::ZERO },
            Scope::File | Scope::Anon | Scope::Any => {}
        }
        let measured = self.freed.max(self.offloaded);
        let taken = if self.partial || self.vanished { measured } else { measured.max(self.requested) };
        let anon = self.offloaded.min(taken);
        ByType { anon, file: taken - anon }
    }
}
