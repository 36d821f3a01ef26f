//! The savings report: what was saved since when, what it cost, and what it is worth.

mod books;
mod file;
mod text;

use std::time::{Duration, UNIX_EPOCH};

use lowtide_core::{
    Bytes, Compressed,
    savings::{Held, Meter, Placed},
};
use lowtide_policy::Price;
use lowtide_view::{Promise, Sums, View};

pub(crate) use books::Books;
pub(crate) use text::text;

/// A year is 8760 h.
const HOURS_A_MONTH: f64 = 730.0;
const GIB: f64 = 1_073_741_824.0;

/// The report as JSON. Sizes are bytes.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Report {
    /// Seconds since 1970.
    since: u64,
    /// How long a daemon has watched since then.
    watched: Duration,
    now: Now,
    /// What `full` would save of the cgroups that are only observed.
    forecast: Option<Promise>,
    gib_hours: GibHours,
    worth: Option<Worth>,
    cost: Cost,
    tiers: Vec<Part>,
    policies: Vec<Part>,
    cgroups: Vec<CgroupPart>,
}

/// At this moment, of what lowtide sent out of DRAM.
#[derive(Debug, Default, serde::Serialize)]
struct Now {
    /// Uncompressed.
    offloaded: Bytes,
    /// DRAM taken for it.
    resident: Bytes,
    /// The daemon's own memory.
    own: Bytes,
    /// What is left of the first when the others are paid.
    net: i64,
    /// Uncompressed, in swap because somebody else put it there: in none of the other figures.
    by_others: Bytes,
}

#[derive(Debug, serde::Serialize)]
struct GibHours {
    offloaded: f64,
    resident: f64,
    own: f64,
    net: f64,
    by_others: f64,
}

#[derive(Debug, serde::Serialize)]
struct Worth {
    currency: String,
    dram_per_gib_month: f64,
    /// The net GiB·h.
    so_far: f64,
    /// If a month were like this moment.
    per_month: f64,
}

#[derive(Debug, serde::Serialize)]
struct Cost {
    /// Kernel CPU spent on reclaim.
    reclaim_cpu: Duration,
    /// CPU of looking, deciding, and idle ages.
    watching_cpu: Duration,
    /// Faulted back after it had been reclaimed.
    promoted: Bytes,
}

/// A tier or a policy.
#[derive(Debug, serde::Serialize)]
struct Part {
    name: String,
    offloaded: Bytes,
    resident: Bytes,
    net_gib_hours: f64,
}

#[derive(Debug, serde::Serialize)]
struct CgroupPart {
    path: String,
    policy: String,
    dram: Bytes,
    offloaded: Bytes,
    /// Uncompressed, outside DRAM because somebody else put it there.
    by_others: Bytes,
    /// What compression leaves of its memory, where that is known.
    compressed: Option<Compressed>,
    net: Bytes,
}

impl Report {
    pub(crate) fn new(view: &View) -> Self {
        let Sums { since, meter, price } = &view.sums;
        let sent =
            || view.cgroups.iter().flat_map(|cgroup| cgroup.sent.iter().map(move |part| (cgroup, part)));
        let now = Now::new(sent().map(|(_, part)| part), view);
        let part = |(name, held): (&String, &Held), here: &dyn Fn(&str, &Placed) -> bool| {
            let parts = || sent().filter(|(cgroup, part)| here(&cgroup.decision.policy, part));
            Part {
                name: name.clone(),
                offloaded: parts().map(|(_, part)| part.bytes).sum(),
                resident: parts().map(|(_, part)| part.resident).sum(),
                net_gib_hours: held.net_gib_hours(),
            }
        };
        let tiers = meter.tiers.iter().map(|tier| part(tier, &|_, part| part.name() == *tier.0));
        let policies = meter.policies.iter().map(|policy| part(policy, &|name, _| name == policy.0));
        // What lowtide sent away stays its doing when the mode is changed.
        let counted = view.cgroups.iter().filter(|cgroup| cgroup.acting || !sum(&cgroup.sent).is_zero());
        let cgroups = counted.map(|cgroup| CgroupPart {
            path: cgroup.path.to_string(),
            policy: cgroup.decision.policy.to_string(),
            dram: cgroup.dram(),
            offloaded: sum(&cgroup.sent),
            by_others: sum(&cgroup.placed) - sum(&cgroup.sent),
            compressed: cgroup.compressed,
            net: cgroup.net_saved,
        });
        Self {
            since: since
                .and_then(|since| since.duration_since(UNIX_EPOCH).ok())
                .unwrap_or_default()
                .as_secs(),
            watched: meter.watched,
            forecast: Promise::of(view),
            gib_hours: GibHours::new(meter),
            worth: price.as_ref().map(|price| Worth::new(price, meter, &now)),
            cost: Cost {
                reclaim_cpu: meter.reclaim_cpu,
                watching_cpu: meter.watching_cpu,
                promoted: meter.promoted,
            },
            tiers: tiers.collect(),
            policies: policies.collect(),
            cgroups: cgroups.collect(),
            now,
        }
    }
}

fn sum(placed: &[Placed]) -> Bytes {
    placed.iter().map(|part| part.bytes).sum()
}

impl Now {
    fn new<'a>(sent: impl Iterator<Item = &'a Placed>, view: &View) -> Self {
        let own = view.own;
        let mut now = Self { own, by_others: view.swapped_by_others, ..Self::default() };
        for part in sent {
            now.offloaded += part.bytes;
            now.resident += part.resident;
        }
        now.net = now.offloaded.signed_sub(now.resident + own);
        now
    }
}

impl GibHours {
    fn new(meter: &Meter) -> Self {
        let held = meter.held();
        Self {
            offloaded: held.offloaded.gib_hours(),
            resident: held.resident.gib_hours(),
            own: meter.own.gib_hours(),
            net: meter.net_gib_hours(),
            by_others: meter.others.gib_hours(),
        }
    }
}

impl Worth {
    fn new(price: &Price, meter: &Meter, now: &Now) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "money needs no more than 53 bits")]
        let net = now.net as f64 / GIB;
        Self {
            currency: price.currency.clone(),
            dram_per_gib_month: price.dram,
            so_far: meter.net_gib_hours() / HOURS_A_MONTH * price.dram,
            per_month: net * price.dram,
        }
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
