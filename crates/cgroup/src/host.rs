//! The root cgroup's memory: that of the whole host.
//!
//! Of the root the kernel has memory.stat, memory.numa_stat, memory.reclaim (5.19), cpu.stat, io.stat, and
//! pressure, which is that of /proc/pressure (`cgroup_psi`, include/linux/psi.h; before 6.1 `cgroup_ino(cgrp)
//! == 1 ? &psi_system` in kernel/cgroup/cgroup.c), triggers as well. It has no memory.current, min, low,
//! high, max, events, no memory.swap.* and no memory.zswap.current or max: `CFTYPE_NOT_ON_ROOT` in
//! `memory_files`, `swap_files` and `zswap_files` of mm/memcontrol.c (6.1, 6.12, 6.18, 7.3; each captured
//! tree in tests/fixtures has as much).

use std::collections::BTreeMap;

use lowtide_core::{Above, Memory};
use lowtide_host::{Counter, Counters, Meminfo};
use lowtide_kernfs::{Files, Root};

use crate::{Cgroup, Result};

impl Cgroup {
    /// The memory of the whole host, as if the root were a cgroup like others: memory.stat, /proc/meminfo and
    /// /proc/vmstat.
    ///
    /// What stands for memory.current is what reclaim of the root can make smaller: `anon` and `file`, which
    /// the kernel itself takes for the root's usage (`mem_cgroup_usage`, mm/memcontrol.c or memcontrol-v1.c),
    /// `SReclaimable`, because reclaim of the root counts slab as reclaimed (`flush_reclaim_state`,
    /// mm/vmscan.c), and zswap's pool, which memory.current of other cgroups has too. Not MemTotal − MemFree:
    /// that has zram's pool in it, which grows by what leaves, and all that the kernel takes for itself.
    ///
    /// zswap's figures of the root's memory.stat leave out pages of processes in the root itself, which no
    /// `obj_cgroup` stands for; those of /proc/meminfo and /proc/vmstat have them.
    ///
    /// There is nothing set for the root. What the cgroups below it have set, the kernel keeps as in its own
    /// reclaim.
    pub(crate) fn memory_of_host(&self, host: &Root) -> Result<Memory> {
        let (mut stat, in_stat) = self.stat()?;
        let meminfo = host.parse("proc/meminfo", Meminfo::parse)?;
        let counters = host.parse_optional("proc/vmstat", Counters::parse)?.unwrap_or_default();
        let zswap = meminfo.zswap.or(in_stat);
        let slab = meminfo.slab_reclaimable.unwrap_or_default();
        for (counter, of_host) in [
            (&mut stat.zswap_in, Counter::ZswapIn),
            (&mut stat.zswap_out, Counter::ZswapOut),
            (&mut stat.zswap_writeback, Counter::ZswapWriteback),
            (&mut stat.swap_in, Counter::SwapIn),
            (&mut stat.swap_out, Counter::SwapOut),
        ] {
            *counter = counters.bytes(of_host).or(*counter);
        }
        stat.zswapped = meminfo.zswapped.or(stat.zswapped);
        Ok(Memory {
            current: stat.anon + stat.file + slab + zswap.unwrap_or_default(),
            swap_current: meminfo.swap_total.zip(meminfo.swap_free).map(|(total, free)| total - free),
            above: Above::default(),
            zswap_current: zswap,
            stat,
            slow: BTreeMap::new(),
            ..Memory::default()
        })
    }
}
