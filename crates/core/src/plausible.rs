//! No size is believed that is more than the host has: one counter that went below zero would be 16 EiB
//! saved.

use crate::{
    cgroup::{Memory, MemoryStat},
    effect::Effect,
    left_out::{Kind, LeftOut},
    observation::{CgroupObservation, HostObservation, Observation},
    tier::{Capacity, Tier},
    units::Bytes,
};

/// A counter of events beyond this was never counted up to: a host would have to move 100 GB a second for
/// three years.
const MOST_COUNTED: Bytes = Bytes::new(1 << 63);

impl Observation {
    /// Bounds every size by what the host has of it, and forgets counters that nothing can have counted; says
    /// which.
    pub fn bound(&mut self, left_out: &mut LeftOut) {
        for place in 0..self.host.tiers.len() {
            let most = Most::of(&self.host);
            let tier = &mut self.host.tiers[place];
            if most.bound_tier(tier) {
                left_out
                    .add(Kind::Value, &format!("{}: it says that it holds more than it can", tier.device));
            }
        }
        let most = Most::of(&self.host);
        for CgroupObservation { path, memory, reads, .. } in &mut self.cgroups {
            let sizes = most.bound_memory(memory);
            let counters = forget_impossible(&mut memory.stat);
            let before = reads.len();
            reads.retain(|_, reads| reads.size <= MOST_COUNTED);
            if sizes || counters || reads.len() < before {
                left_out.add_of(path, Kind::Value, &format!("{path}: its files say more than this host has"));
            }
        }
    }
}

impl Effect {
    /// Bounds what it moved by the memory of the host.
    pub fn bound(&mut self, total: Bytes) {
        for size in [&mut self.freed, &mut self.offloaded, &mut self.demoted] {
            at_most(size, total);
        }
    }
}

/// What the host has.
struct Most {
    dram: Bytes,
    swap: Bytes,
}

impl Most {
    /// All bytes there are where nobody says how many.
    fn of(host: &HostObservation) -> Self {
        let devices = host.tiers.iter().filter(|tier| tier.has_slots());
        let swap = devices.map(|tier| tier.capacity).sum::<Bytes>();
        let dram = if host.total.is_zero() { Bytes::MAX } else { host.total };
        Self { dram, swap: swap.max(host.swap_total.unwrap_or_default()) }
    }

    fn bound_tier(&self, tier: &mut Tier) -> bool {
        let (used, stored) = match tier.kind.capacity() {
            Capacity::Pool => (self.dram, self.swap),
            Capacity::Memory | Capacity::Device => (tier.capacity, tier.capacity),
        };
        // A header page is no slot, and zram may have it.
        let stored = stored + Bytes::kib(64);
        at_most(&mut tier.used, used)
            | at_most(&mut tier.stored, stored)
            | at_most(&mut tier.resident, self.dram)
    }

    fn bound_memory(&self, memory: &mut Memory) -> bool {
        let Memory { current, swap_current, zswap_current, stat, .. } = memory;
        let MemoryStat {
            anon,
            file,
            shmem,
            kernel,
            inactive_anon,
            active_anon,
            inactive_file,
            active_file,
            ..
        } = stat;
        let lists = [current, anon, file, shmem, inactive_anon, active_anon, inactive_file, active_file];
        let MemoryStat {
            file_mapped,
            unevictable,
            file_dirty,
            slab_unreclaimable,
            swap_cached,
            zswapped,
            ..
        } = stat;
        let others = [file_mapped, unevictable, file_dirty, slab_unreclaimable];
        let optional = [zswap_current.as_mut(), kernel.as_mut(), swap_cached.as_mut()];
        let in_dram = lists.into_iter().chain(others).chain(optional.into_iter().flatten());
        let in_swap = [swap_current.as_mut(), zswapped.as_mut()].into_iter().flatten();
        let dram = in_dram.fold(false, |bounded, size| bounded | at_most(size, self.dram));
        in_swap.fold(dram, |bounded, size| bounded | at_most(size, self.swap))
    }
}

fn at_most(size: &mut Bytes, most: Bytes) -> bool {
    let is_more = *size > most;
    *size = most.min(*size);
    is_more
}

/// A kernel without the counter.
fn forget_impossible(stat: &mut MemoryStat) -> bool {
    let counters = [
        &mut stat.refault_anon,
        &mut stat.refault_file,
        &mut stat.activate_anon,
        &mut stat.activate_file,
        &mut stat.zswap_in,
        &mut stat.zswap_out,
        &mut stat.zswap_writeback,
        &mut stat.swap_in,
        &mut stat.swap_out,
        &mut stat.faults,
        &mut stat.scanned,
        &mut stat.stolen,
    ];
    counters
        .into_iter()
        .fold(false, |forgot, counter| forgot | counter.take_if(|count| *count > MOST_COUNTED).is_some())
}

#[cfg(test)]
#[path = "plausible_tests.rs"]
mod tests;
