//! A cgroup as the kernel tells of it: who it is, and what it has, takes and waits for.

use std::{
    collections::BTreeMap,
    ops::{AddAssign, Sub},
    time::Duration,
};

use crate::{
    tier::{NodeId, TierId},
    units::{Bytes, Limit, Ratio},
};

/// A cgroup's identity: the inode of its directory. The path is only where it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct CgroupId(pub u64);

/// Bytes of the two types of memory that the kernel keeps lists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ByType {
    /// Anonymous memory, with tmpfs and shared memory.
    pub anon: Bytes,
    /// Page cache.
    pub file: Bytes,
}

impl ByType {
    /// Both together.
    #[must_use]
    pub fn total(self) -> Bytes {
        self.anon + self.file
    }
}

impl AddAssign for ByType {
    fn add_assign(&mut self, other: Self) {
        self.anon += other.anon;
        self.file += other.file;
    }
}

impl Sub for ByType {
    type Output = Self;

    /// Of each type, at least zero.
    fn sub(self, other: Self) -> Self {
        Self { anon: self.anon - other.anon, file: self.file - other.file }
    }
}

impl std::iter::Sum for ByType {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}

/// What a cgroup has read from a block device: counters of io.stat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct IoReads {
    /// `rios`: reads that were begun.
    pub count: u64,
    /// `rbytes`: their size.
    pub size: Bytes,
}

/// Cumulative stall time, as `total=` in a pressure file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stall {
    /// Some task was stalled.
    pub some: Duration,
    /// All non-idle tasks were stalled at once; absent from the host's cpu file on older kernels.
    pub full: Option<Duration>,
}

/// What limits along the path leave to a cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Above {
    /// Bytes that memory.swap.max and memory.swap.high of the cgroups above still allow; `None` without such
    /// a limit.
    pub swap: Option<Bytes>,
    /// memory.swap.max of one above is 0: the kernel itself leaves anonymous memory alone.
    pub no_swap: bool,
    /// Compressed bytes that memory.zswap.max still allows, its own and of those above; `None` without a
    /// limit.
    pub zswap: Option<Bytes>,
    /// Its pages may not go on from zswap to a device: memory.zswap.writeback is 0, its own or of one above.
    pub stays_in_zswap: bool,
}

/// A cgroup's memory: sizes now, counters since its creation.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// memory.current: memory charged to it, on whatever node, zswap's pool included.
    pub current: Bytes,
    /// memory.swap.current: swap slots charged to it, whatever tier they are in.
    pub swap_current: Option<Bytes>,
    /// memory.min, as far as it holds along the path, with its share of what is above: never reclaimed by the
    /// kernel.
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
    /// Of `current`, what is on slower nodes, (memory.numa_stat); empty on a host without any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub slow: BTreeMap<NodeId, ByType>,
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
    /// Counter: anonymous pages faulted back (on 6.12 zswap's writeback is in it: subtract
    /// `zswap_writeback`).
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
    /// Uncompressed bytes that live outside DRAM, or compressed in it: slots less those whose page is in DRAM
    /// too.
    #[must_use]
    pub fn offloaded(&self) -> Bytes {
        self.swap_current.unwrap_or_default() - self.stat.swap_cached.unwrap_or_default()
    }

    /// What is on one of the slower nodes; nothing for a tier that is none.
    #[must_use]
    pub(crate) fn on_node(&self, tier: &TierId) -> ByType {
        match tier {
            TierId::Node(node) => self.slow.get(node).copied().unwrap_or_default(),
            TierId::Zswap | TierId::Device(_) => ByType::default(),
        }
    }

    /// What is on slower nodes.
    #[must_use]
    pub fn demoted(&self) -> ByType {
        self.slow.values().copied().sum()
    }

    /// Whether it has so little anonymous memory in DRAM, in all and beside its page cache, that its idle
    /// ages are not worth a look.
    ///
    /// A walk of MGLRU costs something too: page cache that is read through descriptors moves on with each
    /// generation, used or not, and loses with it what the kernel knows of its use (`folio_inc_gen` clears
    /// LRU_REFS_MASK, mm/vmscan.c). With a walk each 30 s a web server of 2 000 files had 1.1 % of its
    /// requests go to the disk for 24 % of its files, without one 0.4 % for 40 %.
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

    /// All that reclaim can have, or has: what is on its lists, and what is offloaded. Not what is locked,
    /// huge pages of hugetlbfs (counted in memory.current with memory_hugetlb_accounting, 6.7), and what the
    /// kernel needs for itself. With nothing on its lists nothing can go, which is a reason of its own, and
    /// this the whole footprint.
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
    /// Only page cache that had been part of the working set counts (`workingset_activate_file`): a stream
    /// that is read twice refaults without anyone being harmed.
    #[must_use]
    pub fn promoted(&self) -> ByType {
        ByType { file: self.stat.activate_file.unwrap_or_default(), ..self.refaulted() }
    }

    /// Counter: as [`promoted`](Self::promoted), with all page cache that was read again: each of its pages
    /// was waited for.
    #[must_use]
    pub fn refaulted(&self) -> ByType {
        let stat = &self.stat;
        // KERNEL.md §8: workingset_refault_anon counts the pages zswap reads in order to write them back.
        let anon = stat.refault_anon.unwrap_or_default() - stat.zswap_writeback.unwrap_or_default();
        ByType { anon, file: stat.refault_file.unwrap_or_default() }
    }
}
