//! A target in the daemon's answer.

use std::time::Duration;

use lowtide_core::{Bytes, Ratio, TierKind};
use serde::Deserialize;

use super::status::seconds;

/// One target.
#[derive(Debug, Clone, Deserialize)]
pub struct Tenant {
    /// Inode of its cgroup.
    pub id: u64,
    /// Path from the root of the cgroup tree.
    pub path: String,
    /// Its memory.
    pub memory: Memory,
    /// Pressure over the daemon's last interval.
    pub stalls: Stalls,
    /// How long its memory has been idle; `None` without a source.
    pub hotness: Option<Hotness>,
    /// Where its offloaded bytes live.
    pub placed: Vec<Placed>,
    /// Offloaded, less what the tiers take for it.
    pub net_saved: Bytes,
    /// What was decided last.
    pub decision: Decided,
    /// What was done so far.
    pub account: Account,
}

/// Counters and sizes of the kernel.
#[derive(Debug, Clone, Deserialize)]
pub struct Memory {
    stat: Stat,
}

#[derive(Debug, Clone, Deserialize)]
struct Stat {
    refault_anon: Option<Bytes>,
    refault_file: Option<Bytes>,
    zswap_writeback: Option<Bytes>,
}

/// Shares of an interval; `None` without PSI.
#[derive(Debug, Clone, Deserialize)]
pub struct Stalls {
    /// Some task stalled on memory.
    pub memory_some: Option<Ratio>,
    /// Some task stalled on I/O.
    pub io_some: Option<Ratio>,
}

/// Idle ages.
#[derive(Debug, Clone, Deserialize)]
pub struct Hotness {
    /// Touched within the policy's `cold_after`.
    pub working_set: Bytes,
    /// Half of the 95 % interval around it; `None` if the source cannot say.
    pub working_set_error: Option<Bytes>,
    histogram: Histogram,
}

#[derive(Debug, Clone, Deserialize)]
struct Histogram {
    classes: Vec<ByType>,
}

#[derive(Debug, Clone, Deserialize)]
struct ByType {
    anon: Bytes,
    file: Bytes,
}

/// A part of what is offloaded.
#[derive(Debug, Clone, Deserialize)]
pub struct Placed {
    /// The kind of the tier.
    pub kind: TierKind,
    /// Uncompressed.
    pub bytes: Bytes,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Decided {
    /// Name of the policy.
    pub policy: String,
    /// What was to be done.
    pub action: Action,
    /// Name of the reason.
    pub reason: String,
    /// Why page cache alone might go.
    pub file_only: Option<String>,
    /// What it was made from.
    pub figures: Figures,
}

/// What was to be done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Action {
    /// Nothing.
    Hold,
    /// Ask the kernel for so much.
    Reclaim {
        /// How much.
        amount: Bytes,
        /// Of what.
        scope: String,
    },
}

/// What a decision was made from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Figures {
    /// In DRAM.
    pub current: Bytes,
    /// Uncompressed bytes offloaded.
    pub offloaded: Bytes,
    /// Faulted back in the last minute, as a share of the working set.
    pub promotion_rate: Ratio,
    /// Today's price, a share of the fastest pace.
    pub price: Ratio,
}

/// What was done so far.
#[derive(Debug, Clone, Deserialize)]
pub struct Account {
    /// The last decisions, newest last.
    pub recent: Vec<Entry>,
    /// The working set of the last hour, newest last.
    pub working_sets: Vec<WorkingSet>,
    /// What really left DRAM.
    pub effective: Bytes,
    /// Kernel CPU that it took.
    #[serde(deserialize_with = "seconds")]
    pub reclaim_cpu: Duration,
}

/// A decision and how often it was repeated.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    /// Of the first of them, since the daemon's start.
    #[serde(deserialize_with = "seconds")]
    pub since: Duration,
    /// Turns in a row.
    pub ticks: u64,
    /// Asked for in all of them.
    pub asked: Bytes,
    /// The last of them.
    pub decision: Decided,
}

/// A working set at one moment.
#[derive(Debug, Clone, Deserialize)]
pub struct WorkingSet {
    /// Bytes.
    pub size: Bytes,
}

impl Memory {
    /// Counter: bytes that came back after they had been reclaimed. Without what zswap reads in order to
    /// write it back, which `workingset_refault_anon` counts.
    #[must_use]
    pub fn refaulted(&self) -> Option<Bytes> {
        let Stat { refault_anon, refault_file, zswap_writeback } = self.stat;
        Some(refault_anon? - zswap_writeback.unwrap_or_default() + refault_file?)
    }
}

impl Hotness {
    /// In DRAM and not touched within `cold_after`.
    #[must_use]
    pub fn cold(&self) -> Bytes {
        let all: Bytes = self.histogram.classes.iter().map(|class| class.anon + class.file).sum();
        all - self.working_set
    }
}
