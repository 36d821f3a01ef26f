//! One minute: what was seen of the host and of each tenant, and what was decided.
//!
//! Sizes are kept in whole pages of 4 KiB, times in whole microseconds unless they say otherwise, shares in
//! millionths.
//!
//! Every type has its names as a parameter: text for whoever reads, numbers on the disk. Numbers of actions
//! and reasons are those of docs/how-it-decides.md.

use std::{sync::Arc, time::Duration};

use lowtide_core::{Bytes, Ratio};

use crate::compact::{micros, millionths, pages, seconds, some_micros, some_millionths, some_pages};

/// What happened in about a minute.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Minute<N = Arc<str>> {
    /// When it ended, in seconds since 1970 by the system's clock.
    pub end: u64,
    /// How long it was, by a clock that nobody sets.
    #[serde(with = "micros")]
    pub watched: Duration,
    /// Turns of the loop in it.
    pub turns: u32,
    /// The host.
    pub host: Host<N>,
    /// Every target, or the largest of very many.
    pub tenants: Vec<Tenant<N>>,
    /// Decisions that were not like the ones before, in their order.
    pub changes: Vec<Change<N>>,
}

/// The host in that minute.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Host<N = Arc<str>> {
    /// All memory (MemTotal).
    #[serde(with = "pages")]
    pub total: Bytes,
    /// The least that was free (MemFree).
    #[serde(with = "pages")]
    pub least_free: Bytes,
    /// The daemon's own memory, on average.
    #[serde(with = "pages")]
    pub own: Bytes,
    /// CPU of looking, deciding, and idle ages.
    #[serde(with = "micros")]
    pub watching_cpu: Duration,
    /// Kernel CPU spent on reclaim.
    #[serde(with = "micros")]
    pub reclaim_cpu: Duration,
    /// Its tiers at the end of the minute.
    pub tiers: Vec<TierFill<N>>,
}

/// A tier at the end of a minute.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TierFill<N = Arc<str>> {
    /// Kind and device: `zram /dev/zram0`.
    pub name: N,
    /// What it holds when full.
    #[serde(with = "pages")]
    pub capacity: Bytes,
    /// What of that is taken.
    #[serde(with = "pages")]
    pub used: Bytes,
    /// Uncompressed bytes in it, whoever put them there.
    #[serde(with = "pages")]
    pub stored: Bytes,
    /// DRAM that it takes for them.
    #[serde(with = "pages")]
    pub resident: Bytes,
}

/// One tenant in that minute. Sizes are means unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tenant<N = Arc<str>> {
    /// The cgroup's path; empty for the sum of all that were too many to be told one by one.
    pub path: N,
    /// Its policy.
    pub policy: N,
    /// With whom it is compared.
    pub group: Group,
    /// Turns in which it was there.
    pub turns: u32,
    /// In DRAM.
    #[serde(with = "pages")]
    pub dram: Bytes,
    /// The most of it.
    #[serde(with = "pages")]
    pub dram_peak: Bytes,
    /// What was touched within `cold_after`, at the end of the minute; `None` without a source of idle ages.
    #[serde(with = "some_pages")]
    pub working_set: Option<Bytes>,
    /// Time in which some task stalled on memory; `None` without PSI.
    #[serde(with = "some_micros")]
    pub memory_stall: Option<Duration>,
    /// The most of `memory.pressure` in a turn.
    #[serde(with = "some_millionths")]
    pub memory_pressure_peak: Option<Ratio>,
    /// Time in which some task stalled on I/O.
    #[serde(with = "some_micros")]
    pub io_stall: Option<Duration>,
    /// The most of `io.pressure` in a turn.
    #[serde(with = "some_millionths")]
    pub io_pressure_peak: Option<Ratio>,
    /// By how much its work took longer for what came back, at the end of the minute.
    #[serde(with = "some_millionths")]
    pub slowdown: Option<Ratio>,
    /// Distance to the nearest SLO at the end of the minute.
    #[serde(with = "millionths")]
    pub headroom: Ratio,
    /// The price at the end of the minute.
    #[serde(with = "millionths")]
    pub price: Ratio,
    /// Faulted back in the minute.
    #[serde(with = "pages")]
    pub refaulted: Bytes,
    /// Asked of the kernel in the minute.
    #[serde(with = "pages")]
    pub requested: Bytes,
    /// Seen to leave DRAM for that.
    #[serde(with = "pages")]
    pub effective: Bytes,
    /// Kernel CPU that it took.
    #[serde(with = "micros")]
    pub reclaim_cpu: Duration,
    /// What came to lie on disks through lowtide in the minute, at the least: what went and came back within
    /// a turn is not in it.
    #[serde(with = "pages")]
    pub written: Bytes,
    /// What was decided last.
    pub did: Did,
    /// Why: the number of the reason.
    pub reason: u8,
    /// Why anonymous memory was left out, where the policy would have allowed it.
    pub file_only: Option<u8>,
    /// Where its offloaded memory was.
    pub parts: Vec<Part<N>>,
}

/// Memory of a tenant in one tier, on average.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Part<N = Arc<str>> {
    /// Kind and device: `zram /dev/zram0`.
    pub tier: N,
    /// Uncompressed bytes that lowtide sent there.
    #[serde(with = "pages")]
    pub offloaded: Bytes,
    /// DRAM that the tier takes for those.
    #[serde(with = "pages")]
    pub resident: Bytes,
    /// Uncompressed bytes that somebody else sent there: the kernel by itself, or another program.
    #[serde(with = "pages")]
    pub others: Bytes,
    /// DRAM that the tier takes for those.
    #[serde(with = "pages")]
    pub others_resident: Bytes,
}

/// A decision that was not like the one before.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Change<N = Arc<str>> {
    /// How long before the end of the minute, in whole seconds.
    #[serde(with = "seconds")]
    pub before_end: Duration,
    /// Whom it was about.
    pub path: N,
    /// What was to be done.
    pub did: Did,
    /// How much was asked for; nothing for [`Did::Hold`].
    #[serde(with = "pages")]
    pub amount: Bytes,
    /// Why: the number of the reason.
    pub reason: u8,
    /// Why anonymous memory was left out.
    pub file_only: Option<u8>,
}

/// With whom a tenant is compared. Numbered on the disk in this order: what is new goes to the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// With nobody: its policy only observes, or it is a sum.
    #[default]
    None,
    /// Its policy acts.
    Acted,
    /// Its policy would act, and it is left alone (`holdout`).
    HeldOut,
}

/// What was to be done with a cgroup. Numbered on the disk in this order: what is new goes to the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// Nothing.
    #[default]
    Hold,
    /// Reclaim.
    Reclaim,
    /// Reclaim of page cache alone.
    ReclaimFile,
    /// From DRAM to slower nodes.
    Demote,
    /// From slower nodes to swap.
    Sink,
}

impl Did {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Reclaim => "reclaim",
            Self::ReclaimFile => "reclaim of page cache",
            Self::Demote => "demote",
            Self::Sink => "sink",
        }
    }
}

impl<N> Minute<N> {
    /// The same with every name as `named` gives it; fails with the first that it has none for.
    pub(crate) fn renamed<M, E>(self, named: &mut impl FnMut(N) -> Result<M, E>) -> Result<Minute<M>, E> {
        let Self { end, watched, turns, host, tenants, changes } = self;
        Ok(Minute {
            end,
            watched,
            turns,
            host: host.renamed(named)?,
            tenants: tenants.into_iter().map(|tenant| tenant.renamed(named)).collect::<Result<_, E>>()?,
            changes: changes.into_iter().map(|change| change.renamed(named)).collect::<Result<_, E>>()?,
        })
    }
}

impl<N> Host<N> {
    fn renamed<M, E>(self, named: &mut impl FnMut(N) -> Result<M, E>) -> Result<Host<M>, E> {
        let Self { total, least_free, own, watching_cpu, reclaim_cpu, tiers } = self;
        let tier = |TierFill { name, capacity, used, stored, resident }| {
            Ok(TierFill { name: named(name)?, capacity, used, stored, resident })
        };
        let tiers = tiers.into_iter().map(tier).collect::<Result<_, E>>()?;
        Ok(Host { total, least_free, own, watching_cpu, reclaim_cpu, tiers })
    }
}

impl<N> Tenant<N> {
    fn renamed<M, E>(self, named: &mut impl FnMut(N) -> Result<M, E>) -> Result<Tenant<M>, E> {
        let (path, policy) = (named(self.path)?, named(self.policy)?);
        let part = |Part { tier, offloaded, resident, others, others_resident }| {
            Ok(Part { tier: named(tier)?, offloaded, resident, others, others_resident })
        };
        Ok(Tenant {
            path,
            policy,
            group: self.group,
            parts: self.parts.into_iter().map(part).collect::<Result<_, E>>()?,
            turns: self.turns,
            dram: self.dram,
            dram_peak: self.dram_peak,
            working_set: self.working_set,
            memory_stall: self.memory_stall,
            memory_pressure_peak: self.memory_pressure_peak,
            io_stall: self.io_stall,
            io_pressure_peak: self.io_pressure_peak,
            slowdown: self.slowdown,
            headroom: self.headroom,
            price: self.price,
            refaulted: self.refaulted,
            requested: self.requested,
            effective: self.effective,
            reclaim_cpu: self.reclaim_cpu,
            written: self.written,
            did: self.did,
            reason: self.reason,
            file_only: self.file_only,
        })
    }
}

impl<N> Change<N> {
    fn renamed<M, E>(self, named: &mut impl FnMut(N) -> Result<M, E>) -> Result<Change<M>, E> {
        let Self { before_end, path, did, amount, reason, file_only } = self;
        Ok(Change { before_end, path: named(path)?, did, amount, reason, file_only })
    }
}
