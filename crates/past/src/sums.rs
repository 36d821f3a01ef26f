//! Minutes added up. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lowtide_core::{ByteTime, Bytes, Ratio, TierKind};
use lowtide_history::{Group, Minute, Part, Tenant};

/// Memory held over time, by who sent it out of DRAM.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Held {
    pub(crate) offloaded: ByteTime,
    pub(crate) resident: ByteTime,
    pub(crate) others: ByteTime,
    pub(crate) others_resident: ByteTime,
}

impl Held {
    fn add(&mut self, part: &Part, time: Duration) {
        self.offloaded += ByteTime::of(part.offloaded, time);
        self.resident += ByteTime::of(part.resident, time);
        self.others += ByteTime::of(part.others, time);
        self.others_resident += ByteTime::of(part.others_resident, time);
    }

    /// GiB·h.
    pub(crate) fn net(self) -> f64 {
        self.offloaded.gib_hours() - self.resident.gib_hours()
    }
}

/// One cgroup over the period.
#[derive(Debug, Clone, Default)]
pub(crate) struct TenantSums {
    pub(crate) policy: Arc<str>,
    pub(crate) group: Group,
    /// It was in both groups within the period.
    pub(crate) changed_group: bool,
    pub(crate) present: Duration,
    pub(crate) dram: ByteTime,
    pub(crate) dram_peak: Bytes,
    pub(crate) held: Held,
    pub(crate) refaulted: Bytes,
    pub(crate) written: Bytes,
    pub(crate) reclaim_cpu: Duration,
    pub(crate) memory_stall: Option<Duration>,
    pub(crate) io_stall: Option<Duration>,
    pub(crate) memory_pressure_peak: Option<Ratio>,
}

impl TenantSums {
    fn add(&mut self, tenant: &Tenant, time: Duration) {
        self.policy = Arc::clone(&tenant.policy);
        self.changed_group |= !self.present.is_zero() && self.group != tenant.group;
        self.group = tenant.group;
        self.present += time;
        self.dram += ByteTime::of(tenant.dram, time);
        self.dram_peak = self.dram_peak.max(tenant.dram_peak);
        self.refaulted += tenant.refaulted;
        self.written += tenant.written;
        self.reclaim_cpu += tenant.reclaim_cpu;
        self.memory_stall = add(self.memory_stall, tenant.memory_stall);
        self.io_stall = add(self.io_stall, tenant.io_stall);
        let (known, peak) = (self.memory_pressure_peak, tenant.memory_pressure_peak);
        self.memory_pressure_peak = if known.map(Ratio::get) < peak.map(Ratio::get) { peak } else { known };
        for part in &tenant.parts {
            self.held.add(part, time);
        }
    }
}

impl TenantSums {
    /// GiB·h that were out of DRAM, less the DRAM that tiers took for them, whoever sent them there.
    pub(crate) fn out_of_dram(&self) -> f64 {
        self.held.net() + self.held.others.gib_hours() - self.held.others_resident.gib_hours()
    }

    /// GiB·h of all that it had, in DRAM and out of it.
    pub(crate) fn footprint(&self) -> f64 {
        self.dram.gib_hours() + self.held.offloaded.gib_hours() + self.held.others.gib_hours()
    }
}

/// What is known of either.
pub(crate) fn add(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.zip(b).map(|(a, b)| a.saturating_add(b)).or(a).or(b)
}

/// Everything of a period.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    /// When the first minute began and the last one ended, in seconds since 1970.
    pub(crate) span: Option<(u64, u64)>,
    pub(crate) watched: Duration,
    pub(crate) minutes: u64,
    pub(crate) own: ByteTime,
    /// In swap on the whole host because somebody else put it there.
    pub(crate) others: ByteTime,
    pub(crate) watching_cpu: Duration,
    pub(crate) reclaim_cpu: Duration,
    pub(crate) tiers: BTreeMap<Arc<str>, Held>,
    pub(crate) policies: BTreeMap<Arc<str>, Held>,
    pub(crate) tenants: BTreeMap<Arc<str>, TenantSums>,
}

impl Sums {
    /// Takes in a minute.
    pub(crate) fn add(&mut self, minute: &Minute) {
        let begun = minute.end.saturating_sub(minute.watched.as_secs());
        let (first, last) = self.span.unwrap_or((begun, minute.end));
        self.span = Some((first.min(begun), last.max(minute.end)));
        self.minutes += 1;
        self.watched += minute.watched;
        self.own += ByteTime::of(minute.host.own, minute.watched);
        self.others += ByteTime::of(by_others(minute), minute.watched);
        self.watching_cpu += minute.host.watching_cpu;
        self.reclaim_cpu += minute.host.reclaim_cpu;
        for tenant in &minute.tenants {
            let time = present(minute, tenant);
            self.tenants.entry(Arc::clone(&tenant.path)).or_default().add(tenant, time);
            for part in &tenant.parts {
                self.tiers.entry(Arc::clone(&part.tier)).or_default().add(part, time);
                self.policies.entry(Arc::clone(&tenant.policy)).or_default().add(part, time);
            }
        }
    }

    pub(crate) fn held(&self) -> Held {
        let mut sum = Held::default();
        for held in self.tiers.values() {
            sum.offloaded += held.offloaded;
            sum.resident += held.resident;
        }
        sum.others = self.others;
        sum
    }
}

/// How long a tenant was there.
pub(crate) fn present(minute: &Minute, tenant: &Tenant) -> Duration {
    minute.watched.mul_f64(f64::from(tenant.turns.min(minute.turns)) / f64::from(minute.turns.max(1)))
}

/// What lies in swap at the end of a minute, less what lowtide sent there. Slower nodes are left out: most of
/// what is there was allocated there.
pub(crate) fn by_others(minute: &Minute) -> Bytes {
    let is_swap = |name: &str| TierKind::of_name(name).is_none_or(TierKind::is_swap);
    let stored: Bytes =
        minute.host.tiers.iter().filter(|tier| is_swap(&tier.name)).map(|tier| tier.stored).sum();
    let parts = minute.tenants.iter().flat_map(|tenant| &tenant.parts);
    stored - parts.filter(|part| is_swap(&part.tier)).map(|part| part.offloaded).sum()
}
