use std::time::Duration;

use super::{Moment, Reason, rest::Rest};
use crate::units::Bytes;

/// Fewer tasks that compacted memory themselves are not worth moving a node's pages for. A judgement.
const STALLS: u64 = 10;
/// A node with less free memory in small pieces has nothing to make huge pieces from: 16 huge pages of 2 MiB.
const WORTH_IT: Bytes = Bytes::mib(32);
/// What makes no more than one huge page was in vain.
const GAIN: Bytes = Bytes::mib(2);

/// Free memory of a node, or of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pieces {
    /// All of it.
    pub free: Bytes,
    /// What of it is in pieces of 2^9 pages and more: 2 MiB, a huge page with pages of 4 KiB.
    pub huge: Bytes,
}

/// Free memory of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub number: u32,
    /// Its free memory.
    pub pieces: Pieces,
}

/// What the kernel told at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactionSeen {
    /// `compact_stall`: how often a task compacted memory before it got its pages, since the boot.
    pub stalls: u64,
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// What is decided at one look.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Compacting {
    /// Why.
    pub reason: Reason,
    /// The nodes to compact, those with most to gain first; none unless it begins.
    pub nodes: Vec<u32>,
    /// Stalls since the last time, or the first look.
    pub stalls: u64,
    /// Free memory of all nodes.
    pub pieces: Pieces,
}

/// When memory is compacted.
#[derive(Debug, Clone, Default)]
pub struct Compaction {
    /// `compact_stall` at the last time, or the first look.
    answered: Option<u64>,
    rest: Rest,
}

impl Pieces {
    /// What is in smaller pieces.
    #[must_use]
    pub fn small(self) -> Bytes {
        self.free - self.huge
    }

    /// There is enough in small pieces, and it is more than half of what is free.
    fn is_fragmented(self) -> bool {
        self.small() >= WORTH_IT && self.small() > self.huge
    }
}

impl CompactionSeen {
    /// Free memory of all nodes.
    #[must_use]
    pub fn pieces(&self) -> Pieces {
        let sum = |part: fn(&Node) -> Bytes| self.nodes.iter().map(part).sum();
        Pieces { free: sum(|node| node.pieces.free), huge: sum(|node| node.pieces.huge) }
    }

    fn fragmented(&self) -> Vec<u32> {
        let mut nodes: Vec<_> = self.nodes.iter().filter(|node| node.pieces.is_fragmented()).collect();
        nodes.sort_by_key(|node| std::cmp::Reverse(node.pieces.small()));
        nodes.into_iter().map(|node| node.number).collect()
    }
}

impl Compaction {
    /// What is to be done now. `busy` while another piece of work is under way.
    pub fn decide(&mut self, seen: &CompactionSeen, moment: Moment, busy: bool, now: Duration) -> Compacting {
        let is_first = self.answered.is_none();
        let stalls = seen.stalls.saturating_sub(*self.answered.get_or_insert(seen.stalls));
        let nodes = seen.fragmented();
        let objection = if is_first {
            Some(Reason::FirstLook)
        } else if stalls < STALLS || nodes.is_empty() {
            Some(Reason::NotFragmented)
        } else if busy {
            Some(Reason::UnderWay)
        } else if !self.rest.is_over(now) {
            Some(Reason::TooSoon)
        } else {
            moment.objection()
        };
        let pieces = seen.pieces();
        if let Some(reason) = objection {
            return Compacting { reason, nodes: Vec::new(), stalls, pieces };
        }
        self.answered = Some(seen.stalls);
        self.rest.begin(now);
        Compacting { reason: Reason::Fragmented, nodes, stalls, pieces }
    }

    /// It ended, with what was free before and after.
    pub fn ended(&mut self, before: Pieces, after: Pieces, now: Duration) {
        if after.huge - before.huge > GAIN {
            self.rest.gained(now);
        } else {
            self.rest.in_vain(now);
        }
    }
}

#[cfg(test)]
#[path = "compaction_tests.rs"]
mod tests;
