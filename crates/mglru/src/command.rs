use std::time::{Duration, Instant};

use lowtide_core::Bytes;
use lowtide_kernfs::{Errno, Files, thread_cpu};

use crate::{Error, LruGen, Memcg, MemcgId, Node, Result, support::LRU_GEN};

/// Any value from 1 to 200 has a walk age anonymous pages and page cache. Without one the kernel takes
/// vm.swappiness, or zero if swap is off, full or forbidden to the memcg (`get_swappiness`, mm/vmscan.c), and
/// then anonymous pages are not looked at and all of them fall round the ring of generations together. `max`
/// (6.18, not 6.12) leaves the page cache out in the same way.
const BOTH_TYPES: u8 = 100;

/// Every page table, and not only those that had many touched pages the last time (`walk_pmd_range`,
/// mm/vmscan.c).
const EVERY_TABLE: u8 = 1;

/// Births are told in ticks of the kernel, of up to 10 ms.
const TICK: Duration = Duration::from_millis(10);

const PAGE: u64 = Bytes::pages(1).get();

/// One memcg on one node, and a generation of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// The memcg.
    pub memcg: MemcgId,
    /// The node.
    pub node: u32,
    /// The generation's number.
    pub seq: u64,
}

/// A walk that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// What was to be walked, and its youngest generation.
    pub target: Target,
    /// When it was asked for.
    pub begun: Instant,
    /// CPU that this thread spent in the kernel for it.
    pub cpu: Duration,
}

/// An eviction that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    /// CPU that this thread spent in the kernel for it.
    pub cpu: Duration,
    /// How long it took.
    pub wall: Duration,
}

impl Memcg {
    /// What a walk of all of it has to be asked of: each node, with its youngest generation. None for
    /// [`MemcgId::NONE`].
    pub fn walks(&self) -> impl Iterator<Item = Target> {
        let reachable = self.id != MemcgId::NONE;
        let nodes = self.nodes.iter().filter(move |_| reachable);
        nodes.filter_map(|node| Some(Target { memcg: self.id, node: node.id, seq: node.youngest()?.seq }))
    }
}

impl Walk {
    /// Whether the walk was made: the youngest generation that was read at `read` must have been born since
    /// it was asked for.
    ///
    /// Up to 6.12 the kernel ignores a command whose generation is not the youngest any more, and says
    /// nothing (`run_aging`, mm/vmscan.c). Later kernels walk whatever number they are given that is not in
    /// the future.
    pub fn confirm(&self, node: Option<&Node>, read: Instant) -> Result<()> {
        let Target { memcg, node: number, seq } = self.target;
        let Some(youngest) = node.and_then(Node::youngest) else {
            return Err(Error::Gone { memcg, node: number });
        };
        let since = read.saturating_duration_since(self.begun) + TICK;
        if youngest.seq > seq && youngest.age <= since {
            Ok(())
        } else {
            Err(Error::Stale { memcg, node: number, asked: seq })
        }
    }
}

impl LruGen {
    /// Has the kernel look which pages were touched, and begin a new generation. `target` is a node's
    /// youngest ([`Memcg::walks`]). Blocks for as long as it takes to go through the page tables of all
    /// processes of the memcg: call it on a thread of its own.
    ///
    /// Each node needs a walk of its own, and each of them goes through all page tables.
    ///
    /// The kernel may have done nothing and not say so: [`Walk::confirm`] with a reading made afterwards.
    pub fn age(&self, target: Target) -> Result<Walk> {
        let Target { memcg, node, seq } = target;
        let (begun, cpu) = (Instant::now(), thread_cpu()?);
        match self.command(&format!("+ {memcg} {node} {seq} {BOTH_TYPES} {EVERY_TABLE}")) {
            Ok(()) => Ok(Walk { target, begun, cpu: thread_cpu()?.saturating_sub(cpu) }),
            Err(error) => Err(self.refused(error, target, seq)),
        }
    }

    /// Has the kernel reclaim about `amount` from `target`'s generation and those older than it. Blocks.
    ///
    /// `swappiness` as in memory.reclaim: 0 takes page cache alone, 200 prefers anonymous memory. The two
    /// youngest generations are refused. How much was freed, the kernel does not say, and it is no error if
    /// it was nothing. Up to 6.12 it goes by batches of up to 16 MiB.
    ///
    /// **Up to 6.19 it may reach another cgroup** than the one that was read: see [`MemcgId`].
    /// memory.reclaim, written through a cgroup's open directory, cannot, and takes the same pages at the
    /// same cost.
    pub fn evict(&self, target: Target, swappiness: u8, amount: Bytes) -> Result<Eviction> {
        let Target { memcg, node, seq } = target;
        let (begun, cpu) = (Instant::now(), thread_cpu()?);
        let pages = amount.get() / PAGE;
        match self.command(&format!("- {memcg} {node} {seq} {swappiness} {pages}")) {
            // A signal ended it part of the way.
            Err(error) if error.errno() == Some(Errno::EINTR) => {}
            Err(error) => return Err(self.refused(error, target, seq.saturating_add(2))),
            Ok(()) => {}
        }
        Ok(Eviction { cpu: thread_cpu()?.saturating_sub(cpu), wall: begun.elapsed() })
    }

    fn command(&self, line: &str) -> lowtide_kernfs::Result<()> {
        self.root().write(LRU_GEN, line)
    }

    /// What the kernel means by an error, for which there has to be a generation `needed`. It says EINVAL for
    /// a memcg that is gone, a node that is not there, a generation that there is not yet, and one that is
    /// too young to be evicted.
    fn refused(&self, error: lowtide_kernfs::Error, target: Target, needed: u64) -> Error {
        let Target { memcg, node, seq: asked } = target;
        match error.errno() {
            // On 6.18 and 7.3; 6.1 waits for the other walk, 6.12 says nothing.
            Some(Errno::EEXIST) => Error::Busy { memcg, node },
            Some(Errno::EINVAL) => match self.youngest(memcg, node) {
                Err(other) => other,
                Ok(Some(youngest)) if youngest < asked => Error::Future { memcg, node, asked, youngest },
                Ok(Some(youngest)) if youngest < needed => Error::TooYoung { memcg, node, asked, youngest },
                // From 7.0 on a removed cgroup stays in the file and takes no commands.
                Ok(_) => Error::Gone { memcg, node },
            },
            _ => self.unavailable(error),
        }
    }

    fn youngest(&self, id: MemcgId, node: u32) -> Result<Option<u64>> {
        let reading = self.read()?;
        let memcg = reading.memcgs.iter().rfind(|memcg| memcg.id == id);
        let node = memcg.and_then(|memcg| memcg.nodes.iter().find(|other| other.id == node));
        Ok(node.and_then(Node::youngest).map(|youngest| youngest.seq))
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
