//! The checked policy: what an operator asked for, with every default filled in and every range enforced.

use std::{sync::Arc, time::Duration};

use crate::{
    holdout::Holdout,
    mode::Mode,
    reading::Lines,
    tier_rules::TierRules,
    units::{ByteRate, Bytes, Ratio},
};

/// Harm that the tenant's owner accepts.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Slo {
    /// Share of time in which some task of the cgroup stalls on memory, or would by what its faults cost.
    pub memory_pressure: Ratio,
    /// Share of time in which some task of the cgroup stalls on I/O, beyond what it did before lowtide acted.
    pub io_pressure: Ratio,
    /// By how much the cgroup's own work may take longer for what lowtide took and came back: the stall of
    /// that, over the processor time of its tasks. Nothing is held when it is reached: the nearer it is, the
    /// less is memory worth that leaves.
    pub slowdown: Ratio,
    /// A bound on traffic beside those on stall: bytes faulted back per minute, as a share of the working set
    /// (what is younger than `cold_after`, but at least the floor); without an idle-age source as a share of
    /// the cgroup's memory in DRAM. `None` bounds nothing: what is faulted back counts by the stall that it
    /// costs.
    pub promotion_rate: Option<Ratio>,
}

impl Slo {
    /// The bound on [`slowdown`](Self::slowdown) of who accepts so much pressure on memory and says nothing
    /// else: a tenant that is busy for a fifteenth of the time comes to both at once.
    #[must_use]
    pub fn slowdown_by(memory_pressure: Ratio) -> Ratio {
        memory_pressure.of(Ratio::new(15.0))
    }
}

impl Default for Slo {
    fn default() -> Self {
        let memory_pressure = Ratio::percent(0.1);
        Self {
            memory_pressure,
            io_pressure: Ratio::percent(1.0),
            slowdown: Self::slowdown_by(memory_pressure),
            promotion_rate: None,
        }
    }
}

/// How much of a cgroup's memory may go, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Limits {
    /// Never reclaim a cgroup whose memory in DRAM is at or below this.
    pub floor: Bytes,
    /// Share of the cgroup's memory, in DRAM and offloaded, that may leave DRAM in a minute.
    pub per_minute: Ratio,
}

impl Default for Limits {
    fn default() -> Self {
        Self { floor: Bytes::mib(16), per_minute: Ratio::percent(5.0) }
    }
}

/// What one cgroup is held to.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Policy {
    /// The name that decisions, metrics and reports carry.
    pub name: Arc<str>,
    /// How far lowtide may go.
    pub mode: Mode,
    /// Harm that is accepted.
    pub slo: Slo,
    /// Memory younger than this is never a candidate. Without an idle-age source, a cgroup is left alone
    /// until it has been watched for so long.
    pub cold_after: Duration,
    /// Which tiers its memory may go to.
    pub tiers: TierRules,
    /// A pod's container that has tmpfs or shared memory may be swapped out to where that gets to a disk.
    pub tmpfs_to_disk: bool,
    /// How much, how fast.
    pub limits: Limits,
    /// Where reports draw the line between hot, warm and cold memory; nothing is decided from it.
    pub lines: Lines,
}

impl Policy {
    /// No policy has a longer name, in bytes.
    pub const LONGEST_NAME: usize = 63;

    /// A policy called `name` that only watches, with every default.
    #[must_use]
    pub fn observe(name: &str) -> Self {
        Self {
            name: name.into(),
            mode: Mode::Observe,
            slo: Slo::default(),
            cold_after: Duration::from_mins(5),
            tiers: TierRules::default(),
            tmpfs_to_disk: false,
            limits: Limits::default(),
            lines: Lines::around(Duration::from_mins(5)),
        }
    }
}

/// Budgets that hold for the host, whatever a cgroup's policy says. Each appears as a reason when it binds.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Budgets {
    /// Kernel CPU spent on reclaim for one cgroup, as a share of one core over the last minute.
    pub reclaim_cpu: Ratio,
    /// Swapped out by lowtide's requests, all cgroups together.
    pub swap_out: ByteRate,
    /// Share of all swap that lowtide leaves free.
    pub swap_reserve: Ratio,
    /// Free memory above the low watermarks, as a share of the host's memory, below which nothing anonymous
    /// is offloaded: kswapd is about to need the same swap bandwidth itself. The default is small because a
    /// healthy server lets page cache fill all but the watermarks.
    pub watermark_distance: Ratio,
    /// Direct reclaim of the whole host above which lowtide only watches.
    pub direct_reclaim: ByteRate,
    /// Cgroups that are left alone, for comparison.
    pub holdout: Holdout,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            reclaim_cpu: Ratio::percent(10.0),
            swap_out: ByteRate::per_second(Bytes::mib(64)),
            swap_reserve: Ratio::percent(10.0),
            watermark_distance: Ratio::percent(0.02),
            direct_reclaim: ByteRate::per_second(Bytes::mib(1)),
            holdout: Holdout::default(),
        }
    }
}
