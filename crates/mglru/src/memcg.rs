use std::{fmt, time::Duration};

use lowtide_core::ByType;

/// What the file calls a memcg. Not a cgroup's inode, except from 7.0 on.
///
/// Up to 6.19 it has 16 bits, is given back when the cgroup is removed (as soon as none of its pages is in
/// swap), and the next new cgroup gets it (`mem_cgroup_alloc_id`, mm/memcontrol.c): **a command may reach
/// another memcg than the one that was read.** From 7.0 on it is the cgroup's inode, which is never used
/// again (`mem_cgroup_id`, include/linux/memcontrol.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemcgId(pub u64);

impl MemcgId {
    /// What is left of removed cgroups once their number was given back, up to 6.19. No command reaches it.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for MemcgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The pages of one cgroup, without those of the cgroups below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memcg {
    /// Its number.
    pub id: MemcgId,
    /// From the root of the hierarchy, whatever cgroup namespace the reader is in: `/web/api`. A removed
    /// cgroup that still has pages keeps its path. Empty on a kernel without memory cgroups, whose one record
    /// is the whole host.
    pub path: String,
    /// Every node with memory, in ascending order.
    pub nodes: Vec<Node>,
}

/// The pages of a memcg on one NUMA node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// The node's number.
    pub id: u32,
    /// The oldest first, with consecutive numbers; two to four.
    pub generations: Vec<Generation>,
}

/// Pages that were last seen touched within the same span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Its number, counted from the birth of the memcg.
    pub seq: u64,
    /// Time since its birth, as printed: in milliseconds, of the resolution of the kernel's tick, and counted
    /// in 32 bits, so that after 49.7 days it begins again at zero.
    pub age: Duration,
    /// Its pages.
    pub size: ByType,
}

impl Node {
    /// The generation that faults go to and that the next walk closes.
    #[must_use]
    pub fn youngest(&self) -> Option<&Generation> {
        self.generations.last()
    }

    /// All pages.
    #[must_use]
    pub fn size(&self) -> ByType {
        self.generations.iter().map(|generation| generation.size).sum()
    }
}
