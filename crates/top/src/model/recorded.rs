//! A minute of the history as a model: what there is of it there, and nothing else.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use lowtide_core::{Bytes, Ratio, Reason, TierKind};
use lowtide_history::{Did, Minute, Part, Tenant as Recorded, TierFill};

use super::{Account, Decision, Host, Informant, Model, Size, Tenant, Tier, WorkingSet};

/// What stands for the path of the sum of all that were too many to be told one by one.
const THE_SMALLER_ONES: &str = "(the smaller ones)";

impl Model {
    /// What the history has of a minute. Sizes of tenants are means, of tiers as they were at its end; what
    /// is free is the least of it.
    #[must_use]
    pub fn recorded(minute: &Minute) -> Self {
        let tenants: Vec<_> = minute.tenants.iter().map(|tenant| recorded(tenant, minute.watched)).collect();
        let saved = |bytes: Bytes| i64::try_from(bytes.get()).unwrap_or(i64::MAX);
        let net_saved =
            tenants.iter().map(|tenant| saved(tenant.net_saved)).sum::<i64>() - saved(minute.host.own);
        Self {
            at: minute.end,
            over: Some(minute.watched),
            daemon: Informant::Recorded {
                begin: minute.end.saturating_sub(minute.watched.as_secs()),
                ticks: u64::from(minute.turns),
                net_saved,
                own: minute.host.own,
            },
            host: Host::recorded(&minute.host),
            tiers: minute.host.tiers.iter().filter_map(tier).collect(),
            tenants,
            problems: Vec::new(),
        }
    }
}

impl Host {
    fn recorded(host: &lowtide_history::Host) -> Self {
        Self {
            total: host.total,
            swap_total: None,
            memory: vec![Size { name: "MemFree", bytes: host.least_free, change: None }],
            pressure: Vec::new(),
            reclaim: Vec::new(),
            events: Vec::new(),
            zones: Vec::new(),
            kswapds: Vec::new(),
        }
    }
}

/// The kind and the device of `zram /dev/zram0`; `None` for a kind that this lowtide does not know.
fn named(name: &str) -> Option<(TierKind, &str)> {
    let (_, device) = name.split_once(' ')?;
    Some((TierKind::of_name(name)?, device))
}

fn tier(fill: &TierFill) -> Option<Tier> {
    let (kind, device) = named(&fill.name)?;
    Some(Tier {
        kind,
        device: device.to_owned(),
        above: None,
        fill: fill.used.share_of(fill.capacity),
        used: fill.used,
        capacity: fill.capacity,
        stored: fill.stored,
        resident: fill.resident,
        cost: None,
        written_per_second: None,
        read_per_second: None,
        sunk: None,
    })
}

fn recorded(tenant: &Recorded, watched: Duration) -> Tenant {
    let seconds = watched.as_secs_f64();
    let share = |stall: Option<Duration>| {
        stall.filter(|_| seconds > 0.0).map(|stall| Ratio::new(stall.as_secs_f64() / seconds))
    };
    let path = if tenant.path.is_empty() { THE_SMALLER_ONES } else { &tenant.path };
    Tenant {
        id: 0,
        path: path.to_owned(),
        policy: tenant.policy.to_string(),
        dram: tenant.dram,
        working_set: tenant.working_set.map(|size| WorkingSet { size, error: None }),
        cold: tenant.working_set.map(|size| tenant.dram - size),
        offloaded: tenant.parts.iter().map(|part| part.offloaded + part.others).sum(),
        by_tier: by_tier(&tenant.parts),
        net_saved: tenant.parts.iter().map(|part| part.offloaded - part.resident).sum(),
        memory_pressure: share(tenant.memory_stall),
        io_pressure: share(tenant.io_stall),
        refaulted_per_second: (seconds > 0.0).then(|| tenant.refaulted.as_f64() / seconds),
        back_per_minute: None,
        price: tenant.price,
        decision: decision(tenant),
        moments: VecDeque::new(),
        account: Account {
            effective: tenant.effective,
            reclaim_cpu: tenant.reclaim_cpu,
            working_sets: Vec::new(),
            decisions: Vec::new(),
        },
    }
}

fn by_tier(parts: &[Part]) -> BTreeMap<TierKind, Bytes> {
    parts.iter().fold(BTreeMap::new(), |mut by_tier, part| {
        if let Some((kind, _)) = named(&part.tier) {
            *by_tier.entry(kind).or_default() += part.offloaded + part.others;
        }
        by_tier
    })
}

fn decision(tenant: &Recorded) -> Decision {
    let action = match tenant.did {
        Did::Hold => "hold",
        Did::Reclaim | Did::ReclaimFile => "reclaim",
        Did::Demote => "demote",
        Did::Sink => "sink",
    };
    Decision {
        action,
        // Of all requests of the minute.
        amount: Some(tenant.requested).filter(|_| tenant.did != Did::Hold),
        reason: reason(tenant.reason),
        file_only: tenant.file_only.filter(|why| *why != tenant.reason).map(reason),
    }
}

/// Its name; its number if this lowtide does not know it.
fn reason(number: u8) -> String {
    let known = Reason::of_number(number);
    known.map_or_else(|| format!("reason {number}"), |reason| reason.name().to_owned())
}
