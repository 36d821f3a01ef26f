//! What was decided, why, and from which figures: the one record that logs, metrics, `explain` and reports
//! print.

use std::{sync::Arc, time::Duration};

use crate::{
    cgroup::CgroupId,
    effect::Scope,
    reasons::reasons,
    units::{Bytes, Ratio},
};

/// One decision about one cgroup.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Decision {
    /// Which cgroup.
    pub id: CgroupId,
    /// Where it was.
    pub path: Arc<str>,
    /// The policy it is held to.
    pub policy: Arc<str>,
    /// What is to be done.
    pub action: Action,
    /// Why this and not more: what bound.
    pub reason: Reason,
    /// Why anonymous memory was left out, where the policy would have allowed it.
    pub file_only: Option<Reason>,
    /// The figures it was made from.
    pub figures: Figures,
}

/// What is to be done with a cgroup now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Action {
    /// Nothing.
    Hold,
    /// Ask the kernel to reclaim.
    Reclaim {
        /// This much.
        amount: Bytes,
        /// Of what.
        scope: Scope,
    },
}

impl Action {
    /// The label in `lowtide_decisions_total`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Reclaim { scope: Scope::Demote, .. } => "demote",
            Self::Reclaim { scope: Scope::Sink, .. } => "sink",
            Self::Reclaim { .. } => "reclaim",
        }
    }
}

reasons! {
    #![doc = "Why something was decided. Numbers and names are an interface: they are never reused."]

    /// Everything is below the SLO.
    Headroom = 1, "headroom", "pressure, refaults and promotions are under the SLO: cold memory may go";
    /// The mode is observe.
    ObserveMode = 2, "observe_mode", "the policy only observes";
    /// Watched for less than cold_after; longer after several breaches.
    WarmingUp = 3, "warming_up", "watched for less than cold_after since the start or the last breach: nothing is known to be cold yet";
    /// Memory pressure is over the SLO.
    MemoryPressure = 4, "memory_pressure", "tasks stall on memory more than the SLO allows";
    /// I/O pressure is over the SLO.
    IoPressure = 5, "io_pressure", "tasks stall on I/O more than the SLO allows";
    /// Too much is faulted back.
    PromotionRate = 6, "promotion_rate", "more of the memory is faulted back per minute than the SLO allows";
    /// A pressure trigger fired.
    Trigger = 7, "trigger", "a pressure trigger fired: stopped at once until pressure is back under the SLO";
    /// Just after one of the above.
    CoolingDown = 8, "cooling_down", "the SLO was broken a moment ago: waiting until it has held for a while";
    /// At the floor.
    Floor = 9, "floor", "memory in DRAM is at or near the policy's floor";
    /// memory.min or memory.low.
    Protected = 10, "protected", "memory in DRAM is within the cgroup's own memory.min or memory.low";
    /// The per-minute limit is used up.
    PerMinute = 11, "per_minute", "the policy's share per minute has gone already";
    /// The CPU budget is used up.
    ReclaimCpu = 12, "reclaim_cpu", "reclaim for this cgroup has used its CPU budget";
    /// The host's swap-out budget is used up.
    SwapOut = 13, "swap_out", "the host's budget for swapping out is used up";
    /// Swap is as full as it may get.
    SwapReserve = 14, "swap_reserve", "swap is full up to the reserve: anonymous memory stays";
    /// There is no swap.
    NoSwap = 15, "no_swap", "there is no swap: anonymous memory stays";
    /// memory.swap.max or memory.swap.high is reached.
    SwapMax = 16, "swap_max", "the cgroup's own memory.swap.max or memory.swap.high is reached: anonymous memory stays";
    /// The host is short of free memory.
    LowWatermark = 17, "low_watermark", "the host's free memory is at the low watermark: anonymous memory stays";
    /// Tasks on the host reclaim directly.
    DirectReclaim = 18, "direct_reclaim", "tasks on the host reclaim for themselves: lowtide only watches";
    /// No page cache and no anonymous memory that may go.
    NothingReclaimable = 19, "nothing_reclaimable", "there is nothing left that may be reclaimed";
    /// The last request is still running.
    InFlight = 20, "in_flight", "the last reclaim request is still running";
    /// The last requests freed next to nothing.
    Ineffective = 21, "ineffective", "the last requests freed next to nothing: waiting longer before the next";
    /// No process lives there.
    Unpopulated = 22, "unpopulated", "no process lives in the cgroup";
    /// The kernel cannot be asked for page cache alone.
    FileOnlyUnsupported = 23, "file_only_unsupported", "this kernel's memory.reclaim has no swappiness=, so page cache alone cannot be asked for";
    /// The mode is file.
    FileMode = 24, "file_mode", "the policy allows page cache only";
    /// The first sample of a cgroup: no rate is known.
    FirstSample = 25, "first_sample", "seen for the first time: no rates are known yet";
    /// The step is smaller than the kernel's unit of work.
    StepTooSmall = 26, "step_too_small", "what may go now is less than one batch of pages: saved up for later";
    /// The first request: it makes the kernel age the cgroup's pages.
    Ageing = 27, "ageing", "one batch is asked for so that the kernel starts to tell touched pages from idle ones";
    /// The idle ages show nothing beyond the cut.
    NothingCold = 28, "nothing_cold", "no more memory has been idle for as long as it takes to be called cold";
    /// The policy's tiers leave the cgroup no swap on this host.
    TierForbidden = 29, "tier_forbidden", "the policy's tiers leave this cgroup no swap on this host: anonymous memory stays";
    /// The policy's at_most is reached.
    TierAtMost = 30, "tier_at_most", "as much is offloaded as at_most in the policy's tiers allows: anonymous memory stays";
    /// The slower nodes are full.
    NodeReserve = 31, "node_reserve", "the slower nodes are full up to the reserve: anonymous memory stays in DRAM";
    /// The kernel demotes what is reclaimed, and the policy does not let the cgroup's memory go to a slower
    /// node.
    NodeForbidden = 32, "node_forbidden", "the policy's tiers have no slower node, and this kernel would demote there what is reclaimed";
    /// The cgroup's memory does not compress.
    Incompressible = 33, "incompressible", "compression frees next to nothing of this cgroup's memory: anonymous memory stays, but for a little that is tried from time to time";
    /// What is idle would cost more than it frees is worth.
    NotWorthIt = 34, "not_worth_it", "what has been idle would come back too often, or at too high a cost, for what it frees at today's price";
    /// The last request waits for others to end.
    Queued = 35, "queued", "the last reclaim request waits for others to end";
    /// It is one of those that are left alone.
    HeldOut = 36, "held_out", "left alone, to compare the others with: chosen at random by the configuration's holdout";
    /// Its owner wants it to be left alone.
    OptedOut = 37, "opted_out", "left alone, as its owner has chosen: its user.lowtide_policy, or its pod's lowtide.io/policy, is off, which the policy allows";
    /// The host's own reclaim looks at much for little, near the watermarks.
    ScanPressure = 38, "scan_pressure", "free memory is low and the host's own reclaim does not keep up: anonymous memory stays, and requests for it are stopped";
    /// The host is about to run short, and the cgroup has most memory that is cold.
    RunningShort = 39, "running_short", "the host will be short of memory within a minute: those that have most cold memory are asked first, and for more at once";
    /// A pod's tmpfs could get to a disk.
    TmpfsToDisk = 40, "tmpfs_to_disk", "a pod's, with tmpfs or shared memory, which is not sent to where it may get to a disk: anonymous memory stays";
}

impl Reason {
    /// The reason with that number, if this lowtide knows it.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.iter().find(|reason| reason.number() == number).copied()
    }
}

/// What came of offloading one type of memory in the last minutes, as far as it is remembered: half of it for
/// 2 min.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Gain {
    /// Left DRAM on request.
    pub left: Bytes,
    /// Came back, of as much as left.
    pub back: Bytes,
    /// The share that stayed away, against a prior.
    pub stayed: Ratio,
    /// Stall and CPU of what came back, over what all that is away is worth at the price: above one it is a
    /// loss.
    pub cost: Ratio,
    /// Share of the fastest pace that this earns: doubles while it is worth it, halves while it is not.
    pub pace: Ratio,
}

/// The numbers a decision was made from. Rates are those of the last interval unless they say otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Figures {
    /// Memory charged to the cgroup, without what is on slower nodes.
    pub current: Bytes,
    /// In DRAM and offloaded.
    pub footprint: Bytes,
    /// Uncompressed bytes offloaded, to slower nodes or to swap.
    pub offloaded: Bytes,
    /// Share of the last interval with some task stalled on memory; `None` without PSI.
    pub memory_pressure: Option<Ratio>,
    /// The same over the last minute.
    pub memory_pressure_minute: Option<Ratio>,
    /// Share of the last interval with some task stalled on I/O.
    pub io_pressure: Option<Ratio>,
    /// The same over a minute before lowtide acted: what the tenant stalls by itself.
    pub usual_io_pressure: Ratio,
    /// Share of the last minute that its swap-ins took, by what they cost on their tiers.
    pub swap_in_stall: Ratio,
    /// Share of the last minute that reading page cache again took, by what a read of its device costs.
    pub refault_stall: Ratio,
    /// Stall of what came back, over the processor time of its tasks, of the last ten minutes or so; `None`
    /// where the kernel does not tell of processor time.
    pub slowdown: Option<Ratio>,
    /// Bytes faulted back over the last minute, as a share of the working set; without an idle-age source, of
    /// what is in DRAM.
    pub promotion_rate: Ratio,
    /// Of what was offloaded in the last minutes, the share that stayed away: one is perfect. Of the type
    /// that came back more.
    pub accuracy: Ratio,
    /// What came of offloading anonymous memory.
    pub anon: Gain,
    /// What came of offloading page cache.
    pub file: Gain,
    /// Of what left DRAM in the last minutes, the share that had been idle for `cold_after`, by sampled
    /// pages, at the upper end of its 95 % interval; `None` where no sampled page was seen to leave.
    pub precision: Option<Ratio>,
    /// Distance to the nearest SLO: one with no harm at all, zero at the SLO.
    pub headroom: Ratio,
    /// Today's price, as a share of the fastest pace that the policy allows.
    pub price: Ratio,
    /// What price and headroom would have asked for, before floors and budgets.
    pub wanted: Bytes,
    /// From which idle age on anonymous memory may go: `cold_after`, or later where memory came back; `None`
    /// without an idle-age source.
    pub cut: Option<Duration>,
    /// Anonymous bytes in DRAM beyond the cut; `None` without an idle-age source.
    pub idle: Option<Bytes>,
    /// Anonymous bytes on slower nodes that may go on to swap; `None` where nothing is demoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sinkable: Option<Bytes>,
    /// What may still go this minute.
    pub minute_left: Bytes,
    /// CPU share of one core spent on reclaim over the last minute.
    pub reclaim_cpu: Ratio,
}
