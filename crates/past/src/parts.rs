//! What a report of a period is made of.

use std::time::Duration;

use lowtide_core::{Bytes, Ratio};

use crate::sums::{Held, Sums, TenantSums, add};

/// Memory held over time, GiB·h.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct GibHours {
    /// Outside DRAM because lowtide asked for it, uncompressed.
    pub offloaded: f64,
    /// DRAM that tiers took for it.
    pub resident: f64,
    /// lowtide's own memory.
    pub own: f64,
    /// What is left of the first when the others are paid.
    pub net: f64,
    /// In swap because somebody else put it there: in none of the other figures.
    pub by_others: f64,
}

/// Money.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Worth {
    /// As the configuration calls it.
    pub currency: String,
    /// The price: a GiB of DRAM for a month.
    pub dram_per_gib_month: f64,
    /// The net GiB·h.
    pub money: f64,
}

/// What it cost.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Cost {
    /// Kernel CPU spent on reclaim.
    pub reclaim_cpu: Duration,
    /// CPU of looking, deciding, and idle ages.
    pub watching_cpu: Duration,
    /// Faulted back.
    pub refaulted: Bytes,
    /// Came to lie on disks, at the least.
    pub written: Bytes,
    /// Time in which some task stalled on memory, whoever was the cause, added up over cgroups; `None`
    /// without PSI.
    pub memory_stall: Option<Duration>,
    /// The same on I/O.
    pub io_stall: Option<Duration>,
}

/// A tier or a policy, GiB·h.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Part {
    /// Kind and device, or the policy's name.
    pub name: String,
    /// Outside DRAM because lowtide asked for it.
    pub offloaded: f64,
    /// DRAM taken for it.
    pub resident: f64,
    /// What is left.
    pub net: f64,
    /// There because somebody else put it there.
    pub by_others: f64,
}

/// A cgroup.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CgroupPart {
    /// Its path; empty for the sum of those that were too many to be told one by one.
    pub path: String,
    /// Its last policy.
    pub policy: String,
    /// How long it was there.
    pub present: Duration,
    /// In DRAM, on average.
    pub dram: Bytes,
    /// The most of it.
    pub dram_peak: Bytes,
    /// Outside DRAM because lowtide asked for it, GiB·h.
    pub offloaded: f64,
    /// DRAM taken for it, GiB·h.
    pub resident: f64,
    /// What is left, GiB·h.
    pub net: f64,
    /// Outside DRAM because somebody else put it there, GiB·h.
    pub by_others: f64,
    /// Faulted back.
    pub refaulted: Bytes,
    /// Came to lie on disks, at the least.
    pub written: Bytes,
    /// Kernel CPU spent on reclaim.
    pub reclaim_cpu: Duration,
    /// Time in which some task stalled on memory; `None` without PSI.
    pub memory_stall: Option<Duration>,
    /// The same on I/O.
    pub io_stall: Option<Duration>,
    /// The most of `memory.pressure` in a turn.
    pub memory_pressure_peak: Option<Ratio>,
}

impl GibHours {
    pub(crate) fn of(sums: &Sums) -> Self {
        let (held, own) = (sums.held(), sums.own.gib_hours());
        Self {
            offloaded: held.offloaded.gib_hours(),
            resident: held.resident.gib_hours(),
            own,
            net: held.net() - own,
            by_others: held.others.gib_hours(),
        }
    }
}

impl Cost {
    pub(crate) fn of(sums: &Sums) -> Self {
        let tenants = || sums.tenants.values();
        Self {
            reclaim_cpu: sums.reclaim_cpu,
            watching_cpu: sums.watching_cpu,
            refaulted: tenants().map(|tenant| tenant.refaulted).sum(),
            written: tenants().map(|tenant| tenant.written).sum(),
            memory_stall: tenants().map(|tenant| tenant.memory_stall).fold(None, add),
            io_stall: tenants().map(|tenant| tenant.io_stall).fold(None, add),
        }
    }
}

impl Part {
    pub(crate) fn of(name: &str, held: Held) -> Self {
        Self {
            name: name.to_owned(),
            offloaded: held.offloaded.gib_hours(),
            resident: held.resident.gib_hours(),
            net: held.net(),
            by_others: held.others.gib_hours(),
        }
    }
}

impl CgroupPart {
    pub(crate) fn of(path: &str, sums: &TenantSums) -> Self {
        let seconds = sums.present.as_secs_f64().max(f64::MIN_POSITIVE);
        let dram = Bytes::mib(1024).scale(Ratio::new(sums.dram.gib_hours() * 3600.0 / seconds));
        Self {
            path: path.to_owned(),
            policy: sums.policy.to_string(),
            present: sums.present,
            dram,
            dram_peak: sums.dram_peak,
            offloaded: sums.held.offloaded.gib_hours(),
            resident: sums.held.resident.gib_hours(),
            net: sums.held.net(),
            by_others: sums.held.others.gib_hours(),
            refaulted: sums.refaulted,
            written: sums.written,
            reclaim_cpu: sums.reclaim_cpu,
            memory_stall: sums.memory_stall,
            io_stall: sums.io_stall,
            memory_pressure_peak: sums.memory_pressure_peak,
        }
    }
}
