//! The report of a period.

use std::{ops::RangeInclusive, path::Path, sync::Arc, time::Duration};

use lowtide_history::{PassedOver, ReadError, read};
use lowtide_policy::Price;

use crate::{
    against::Against,
    parts::{CgroupPart, Cost, GibHours, Part, Worth},
    series::{Series, Steps},
    sums::Sums,
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
        // Only now it is known how long the steps are and who saved most: what is read twice need not be
        // held.
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

#[cfg(test)]
#[path = "period_tests.rs"]
mod tests;
