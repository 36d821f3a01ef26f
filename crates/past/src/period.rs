//! The report of a period.

use std::{ops::RangeInclusive, path::Path, sync::Arc, time::Duration};

use lowtide_core::{Bytes, Ratio};
use lowtide_history::{PassedOver, ReadError, read};
use lowtide_policy::Price;

use crate::{
    against::Against,
    series::{Series, Steps},
    sums::{Held, Sums, TenantSums, add},
    time,
};

/// A year is 8760 h.
const HOURS_A_MONTH: f64 = 730.0;
/// More curves in one plot are not told apart.
const CURVES: usize = 8;

/// What was saved in a period, what it cost, and what it is worth. Sizes are bytes, times seconds since 1970.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Period {
    /// When the first minute of it began that there is.
    pub since: u64,
    /// When the last one ended.
    pub until: u64,
    /// How long a daemon kept watch within.
    pub watched: Duration,
    /// GiB·h of all cgroups together.
    pub gib_hours: GibHours,
    /// What that is in money; `None` without a price.
    pub worth: Option<Worth>,
    /// What it cost.
    pub cost: Cost,
    /// What lowtide did, against the cgroups that it left alone; `None` without enough of them.
    pub against: Option<Against>,
    /// By tier.
    pub tiers: Vec<Part>,
    /// By policy.
    pub policies: Vec<Part>,
    /// By cgroup, the one that saved most first.
    pub cgroups: Vec<CgroupPart>,
    /// Over time.
    pub series: Series,
    /// What of the history could not be read.
    pub passed_over: PassedOver,
}

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
    /// Time in which some task stalled on memory, whoever was the cause, added up over cgroups; `None` without PSI.
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

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum PeriodError {
    /// There is no history at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is none of the period.
    #[error("no daemon kept watch from {since} to {until}{}", elsewhere(*kept))]
    Nothing {
        /// The beginning of the period.
        since: String,
        /// Its end.
        until: String,
        /// What there is instead.
        kept: Option<(u64, u64)>,
    },
}

/// What there is a history of, for a message.
pub(crate) fn elsewhere(kept: Option<(u64, u64)>) -> String {
    kept.map_or_else(
        || ": the history is empty".to_owned(),
        |(first, last)| format!(": there is a history from {} to {}", time::shown(first), time::shown(last)),
    )
}

impl Period {
    /// Reads what the history in `directory` has of `range`, in seconds since 1970.
    pub fn read(
        directory: &Path,
        range: RangeInclusive<u64>,
        price: Option<&Price>,
    ) -> Result<Self, PeriodError> {
        let (mut sums, mut kept) = (Sums::default(), None::<(u64, u64)>);
        let passed_over = read(directory, 0..=u64::MAX, |minute| {
            let (first, last) = kept.unwrap_or((minute.end, minute.end));
            kept = Some((first.min(minute.end), last.max(minute.end)));
            if range.contains(&minute.end) {
                sums.add(&minute);
            }
        })?;
        let Some(span) = sums.span else {
            let (since, until) = (time::shown(*range.start()), time::shown(*range.end()));
            return Err(PeriodError::Nothing { since, until, kept });
        };
        let (tiers, cgroups) = (tiers(&sums), cgroups(&sums));
        let curves =
            |names: Vec<&String>| names.into_iter().map(|name| Arc::from(&**name)).collect::<Vec<_>>();
        let tier_names = curves(tiers.iter().map(|tier| &tier.name).take(CURVES).collect());
        let saved = cgroups.iter().filter(|cgroup| cgroup.offloaded > 0.0);
        let cgroup_names = curves(saved.map(|cgroup| &cgroup.path).take(CURVES).collect());
        // Only now it is known how long the steps are and who saved most: what is read twice need not be held.
        let mut steps = Steps::new(span, &tier_names, &cgroup_names);
        read(directory, range, |minute| steps.add(&minute))?;
        Ok(Self::new(&sums, span, price, Parts { tiers, cgroups }, steps.series(), passed_over))
    }

    fn new(
        sums: &Sums,
        (since, until): (u64, u64),
        price: Option<&Price>,
        Parts { tiers, cgroups }: Parts,
        series: Series,
        passed_over: PassedOver,
    ) -> Self {
        let gib_hours = GibHours::of(sums);
        let policies = sums.policies.iter().map(|(name, held)| Part::of(name, *held)).collect();
        let worth = price.map(|price| Worth {
            currency: price.currency.clone(),
            dram_per_gib_month: price.dram,
            money: gib_hours.net / HOURS_A_MONTH * price.dram,
        });
        let cost = Cost::of(sums);
        let against = Against::of(&sums.tenants.values().collect::<Vec<_>>());
        Self {
            since,
            until,
            watched: sums.watched,
            gib_hours,
            worth,
            cost,
            against,
            tiers,
            policies,
            cgroups,
            series,
            passed_over,
        }
    }
}

struct Parts {
    tiers: Vec<Part>,
    cgroups: Vec<CgroupPart>,
}

fn tiers(sums: &Sums) -> Vec<Part> {
    sums.tiers.iter().map(|(name, held)| Part::of(name, *held)).collect()
}

fn cgroups(sums: &Sums) -> Vec<CgroupPart> {
    let mut cgroups: Vec<_> = sums.tenants.iter().map(|(path, sums)| CgroupPart::of(path, sums)).collect();
    cgroups.sort_by(|a, b| b.net.total_cmp(&a.net).then_with(|| a.path.cmp(&b.path)));
    cgroups
}

impl GibHours {
    fn of(sums: &Sums) -> Self {
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
    fn of(sums: &Sums) -> Self {
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
    fn of(name: &str, held: Held) -> Self {
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
    fn of(path: &str, sums: &TenantSums) -> Self {
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

#[cfg(test)]
#[path = "period_tests.rs"]
mod tests;
