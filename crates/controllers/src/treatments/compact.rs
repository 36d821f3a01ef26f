//! Memory is compacted, node by node.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use lowtide_core::treatments::Pieces;
use lowtide_kernfs::{Files, Root};

use super::{problem::Problem, strain::Strain};

/// All nodes in one write that cannot be stopped: where there is no file for each, there is one node
/// (CONFIG_NUMA is off).
pub(super) const WHOLE_HOST: &str = "proc/sys/vm/compact_memory";

/// What is to be compacted.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) root: Root,
    /// By their numbers.
    pub(super) nodes: Vec<u32>,
    /// What was free when that was decided.
    pub(super) before: Pieces,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Nothing is left to do.
    Done,
    /// It was told to stop.
    Stopped,
    /// Tasks stalled on memory.
    Tense,
    /// The kernel refused.
    Failed,
}

/// A compaction that has ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CompactionRun {
    /// The nodes that were compacted.
    pub nodes: Vec<u32>,
    /// What was free before.
    pub before: Pieces,
    /// And afterwards.
    pub after: Pieces,
    /// How long it took.
    pub took: Duration,
    /// Why it ended.
    pub end: End,
}

#[derive(Debug)]
pub(super) struct Done {
    pub(super) run: CompactionRun,
    pub(super) problem: Option<Problem>,
}

impl Task {
    /// Blocks for as long as the kernel moves pages: `compact_node` (mm/compaction.c, 6.1 to 7.3) goes over
    /// every zone of a node and waits for pages that are being written. It can be stopped between two nodes
    /// only.
    pub(super) fn perform(self, stop: &AtomicBool) -> Done {
        let begun = Instant::now();
        let mut strain = Strain::begin(&self.root);
        let (mut nodes, mut end, mut problem) = (Vec::new(), End::Done, None);
        for node in &self.nodes {
            end = if stop.load(Ordering::Relaxed) {
                End::Stopped
            } else if strain.is_tense() {
                End::Tense
            } else {
                match compact(&self.root, *node) {
                    Ok(()) => {
                        nodes.push(*node);
                        continue;
                    }
                    Err(error) => {
                        problem = Some(error);
                        End::Failed
                    }
                }
            };
            break;
        }
        let seen = lowtide_host::fragmentation(&self.root).ok().flatten();
        let after = seen.map_or(self.before, |seen| seen.pieces());
        let run = CompactionRun { nodes, before: self.before, after, took: begun.elapsed(), end };
        Done { run, problem }
    }
}

/// The number is 1: `compact_memory` refuses others since 6.4 (`sysctl_compaction_handler`, mm/compaction.c),
/// a node's file takes anything.
fn compact(root: &Root, node: u32) -> Result<(), Problem> {
    match root.write(format!("sys/devices/system/node/node{node}/compact"), "1") {
        Err(error) if error.is_missing() => {}
        written => return Ok(written?),
    }
    match root.write(WHOLE_HOST, "1") {
        Err(error) if error.is_missing() => {
            let remedy = "it is built without CONFIG_COMPACTION; take `compaction` out of `treatments`";
            Err(Problem::Missing { path: WHOLE_HOST, remedy })
        }
        written => Ok(written?),
    }
}
