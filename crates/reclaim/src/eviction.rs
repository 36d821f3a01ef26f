//! Moves one step down from one kind of node: from DRAM to slower nodes, or from those to swap.
//!
//! `memory.reclaim` cannot be told a node; MGLRU's eviction command can, and the generation too. What it
//! takes from a node that has a slower one below it is demoted, from any other it is swapped out. Tried on
//! 6.12 and 7.3: exactly the generation that was asked for, and not a page of the other node.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lowtide_cgroup::{Cgroup, Mount};
use lowtide_core::{Bytes, Effect, Memory, Scope};
use lowtide_kernfs::{Root, thread_cpu};
use lowtide_mglru::{LruGen, Memcg, Target, identify};

use crate::{error::Error, near::Near};

/// Between two of them somebody may say stop; a write of this size to zram takes some tens of milliseconds.
const CHUNK: Bytes = Bytes::mib(4);

/// The kernel's batch of 32 pages: less is not asked for.
const BATCH: Bytes = Bytes::kib(128);

/// Prefer anonymous memory to page cache as far as the kernel lets itself be told.
const ANONYMOUS: u8 = 200;

/// The kernel files that a move goes through, and which nodes are slower ones.
#[derive(Debug, Clone)]
pub struct Nodes {
    lru_gen: LruGen,
    mount: Mount,
    slow: Arc<[u32]>,
}

impl Nodes {
    /// Those of a host with these `slow` nodes.
    #[must_use]
    pub fn new(root: Root, mount: Mount, slow: Arc<[u32]>) -> Self {
        Self { lru_gen: LruGen::new(root), mount, slow }
    }
}

/// One move.
#[derive(Debug, Clone)]
pub struct Eviction {
    /// Of which nodes.
    pub nodes: Nodes,
    /// [`Scope::Sink`] takes from slower nodes, any other from the rest.
    pub scope: Scope,
    /// So much.
    pub amount: Bytes,
    /// Only generations that were idle for so long at the last walk.
    pub idle: Duration,
}

/// `None` if the cgroup is gone.
fn usage(cgroup: &Cgroup) -> Result<Option<Memory>, Error> {
    match cgroup.usage() {
        Err(error) if error.is_gone() => Ok(None),
        other => Ok(Some(other?)),
    }
}

impl Eviction {
    /// Evicts in chunks for as long as it is told to go on, and says what came of it. Blocks.
    pub(crate) fn run(
        &self,
        cgroup: &Cgroup,
        near: &Near,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<Effect, Error> {
        let (cpu, wall) = (thread_cpu()?, Instant::now());
        let mut effect = Effect { scope: self.scope, ..Effect::default() };
        let Some(before) = usage(cgroup)? else { return Ok(Effect { vanished: true, ..effect }) };
        let memcgs = self.memcgs(cgroup)?;
        for (target, size) in self.targets(cgroup, &memcgs) {
            let mut left = size.min(self.amount - effect.requested);
            let _bound = near.to(target.node);
            while left >= BATCH && !effect.stopped {
                // The number belongs to this cgroup for as long as the cgroup is there.
                if !keep_going() || cgroup.populated()? != Some(true) {
                    effect.stopped = true;
                    break;
                }
                let chunk = left.min(CHUNK);
                match self.nodes.lru_gen.evict(target, ANONYMOUS, chunk) {
                    Ok(_) => {}
                    Err(
                        lowtide_mglru::Error::Gone { .. }
                        | lowtide_mglru::Error::TooYoung { .. }
                        | lowtide_mglru::Error::Future { .. },
                    ) => break,
                    Err(error) => return Err(error.into()),
                }
                effect.requested += chunk;
                left = left - chunk;
                // What cannot be demoted, the kernel may swap out instead (a node that is full, or that the
                // cgroup's cpuset leaves out).
                let swapped =
                    || Ok::<_, Error>(usage(cgroup)?.map(|memory| memory.offloaded()).unwrap_or_default());
                if self.scope == Scope::Demote && swapped()? > before.offloaded() + CHUNK {
                    effect.stopped = true;
                }
            }
        }
        if effect.requested.is_zero() && !effect.stopped {
            // Asked for, and nothing there: the next request waits longer.
            effect.requested = self.amount;
        }
        effect.wall = wall.elapsed();
        effect.cpu = thread_cpu()?.saturating_sub(cpu);
        let Some(after) = usage(cgroup)? else { return Ok(Effect { vanished: true, ..effect }) };
        effect.freed = before.current - after.current;
        effect.offloaded = after.offloaded() - before.offloaded();
        if self.scope == Scope::Demote {
            effect.demoted = self.slow(&self.memcgs(cgroup)?) - self.slow(&memcgs);
        }
        effect.partial = !effect.stopped && effect.taken().total() < self.amount;
        Ok(effect)
    }

    /// The generations of the cgroup and all below it. Read once for all of a request: it takes long where
    /// there are many cgroups, and a generation's number stays what it is.
    fn memcgs(&self, cgroup: &Cgroup) -> Result<Vec<Memcg>, Error> {
        let place = || (Arc::clone(cgroup.path()), cgroup.id());
        let before = [place()];
        let reading = self.nodes.lru_gen.read()?;
        let there = self.nodes.mount.open_as(cgroup.path(), cgroup.id());
        let after = if there.is_ok_and(|found| found.is_some()) { vec![place()] } else { Vec::new() };
        let found = identify(&reading.memcgs, &before, &after);
        Ok(found.get(&cgroup.id()).copied().unwrap_or_default().to_vec())
    }

    /// Anonymous memory on slower nodes. Not from memory.numa_stat: that is up to two seconds old as long as
    /// less than 64 pages for each CPU have changed (6.12, `memcg_vmstats_needs_flush`, mm/memcontrol.c), and
    /// a request is often smaller.
    fn slow(&self, memcgs: &[Memcg]) -> Bytes {
        let nodes =
            memcgs.iter().flat_map(|memcg| &memcg.nodes).filter(|node| self.nodes.slow.contains(&node.id));
        nodes.flat_map(|node| &node.generations).map(|generation| generation.size.anon).sum()
    }

    /// Which generations of which memcg and node may go, with the anonymous memory in them.
    fn targets(&self, cgroup: &Cgroup, memcgs: &[Memcg]) -> Vec<(Target, Bytes)> {
        let from_slow = self.scope == Scope::Sink;
        // The command knows no memory.min and memory.low (`run_eviction`, mm/vmscan.c): what a cgroup below
        // has for itself stays.
        let free = memcgs.iter().filter(|memcg| memcg.path == **cgroup.path() || !self.is_protected(memcg));
        let targets = free.flat_map(|memcg| {
            let nodes = memcg.nodes.iter().filter(|node| self.nodes.slow.contains(&node.id) == from_slow);
            nodes.filter_map(|node| {
                let found = if from_slow { node.demoted_for(self.idle) } else { node.idle_for(self.idle) };
                let (seq, size) = found?;
                let oldest = node.generations.first()?.age;
                Some((oldest, Target { memcg: memcg.id, node: node.id, seq }, size.anon))
            })
        });
        let mut targets: Vec<_> = targets.collect();
        targets.sort_by_key(|(oldest, ..)| std::cmp::Reverse(*oldest));
        targets.into_iter().map(|(_, target, size)| (target, size)).collect()
    }

    /// Whether a cgroup below the one that is asked has memory.min or memory.low. One that cannot be read
    /// counts as if.
    fn is_protected(&self, memcg: &Memcg) -> bool {
        match self.nodes.mount.open(&memcg.path).map(|found| found.map(|cgroup| cgroup.memory())) {
            Ok(Some(Ok(memory))) => !memory.min.max(memory.low).is_zero(),
            // Removed: what is left of it belongs to nobody.
            Ok(None) => false,
            Ok(Some(Err(error))) => !error.is_gone(),
            Err(_) => true,
        }
    }
}
