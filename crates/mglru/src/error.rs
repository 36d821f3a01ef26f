use lowtide_kernfs::Error as FileError;

use crate::{MemcgId, Support};

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with MGLRU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A kernel file could not be read or written, or holds something unexpected.
    #[error(transparent)]
    File(#[from] FileError),
    /// MGLRU cannot be used here, or not any more.
    #[error("{0}")]
    Unavailable(Support),
    /// There is no such memcg or node any more: its cgroup was removed.
    #[error("memcg {memcg} has no node {node} any more")]
    Gone {
        /// The memcg.
        memcg: MemcgId,
        /// The node.
        node: u32,
    },
    /// The kernel began a generation between the reading and the command, and ignored the command (up to
    /// 6.12).
    #[error("memcg {memcg}, node {node}: generation {asked} is not the youngest any more, no walk was made")]
    Stale {
        /// The memcg.
        memcg: MemcgId,
        /// The node.
        node: u32,
        /// The generation that was the youngest.
        asked: u64,
    },
    /// The generation is younger than the youngest: the number belongs to another memcg by now, or was never
    /// read.
    #[error("memcg {memcg}, node {node}: there is no generation {asked} yet, the youngest is {youngest}")]
    Future {
        /// The memcg.
        memcg: MemcgId,
        /// The node.
        node: u32,
        /// The generation asked for.
        asked: u64,
        /// The youngest that there is.
        youngest: u64,
    },
    /// The two youngest generations cannot be evicted.
    #[error("memcg {memcg}, node {node}: generation {asked} is one of the two youngest, up to {youngest}")]
    TooYoung {
        /// The memcg.
        memcg: MemcgId,
        /// The node.
        node: u32,
        /// The generation asked for.
        asked: u64,
        /// The youngest that there is.
        youngest: u64,
    },
    /// Another walk of the same memcg and node is under way.
    #[error("memcg {memcg}, node {node}: the kernel is walking there itself")]
    Busy {
        /// The memcg.
        memcg: MemcgId,
        /// The node.
        node: u32,
    },
}

impl Error {
    /// The cgroup vanished between two system calls: no error at all.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }
}
