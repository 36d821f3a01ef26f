use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use lowtide_core::{Bytes, Ratio, TierKind};
use serde::Serialize;

use super::{push_bounded, rate::per_second};
use crate::sample::{self, Action, Decided, Status};

/// Turns of the daemon that are kept of each tenant: twelve minutes at the default interval of 6 s.
const KEPT: usize = 120;

/// A target of the daemon.
#[derive(Debug, Clone, Serialize)]
pub struct Tenant {
    /// Inode of its cgroup; zero from the history, which does not know it.
    pub id: u64,
    /// Path from the root of the cgroup tree.
    pub path: String,
    /// Name of its policy.
    pub policy: String,
    /// Bytes in DRAM.
    pub dram: Bytes,
    /// What of it was touched lately; `None` without a source of idle ages.
    pub working_set: Option<WorkingSet>,
    /// What of it was not; `None` without a source.
    pub cold: Option<Bytes>,
    /// Uncompressed bytes offloaded.
    pub offloaded: Bytes,
    /// The same by the kind of the tier.
    pub by_tier: BTreeMap<TierKind, Bytes>,
    /// Offloaded, less what the tiers take for it.
    pub net_saved: Bytes,
    /// Some task stalled on memory, a share of the daemon's last interval.
    pub memory_pressure: Option<Ratio>,
    /// Some task stalled on I/O.
    pub io_pressure: Option<Ratio>,
    /// Bytes a second that came back, anonymous or page cache, between the daemon's last two turns; `None`
    /// until there are two.
    pub refaulted_per_second: Option<f64>,
    /// Faulted back in the last minute, as a share of the working set, as the SLO counts it.
    /// The history does not know it.
    pub back_per_minute: Option<Ratio>,
    /// Today's price, a share of the fastest pace that the policy allows.
    pub price: Ratio,
    /// What was decided last.
    pub decision: Decision,
    /// Its past, as far as it was watched.
    #[serde(skip)]
    pub moments: VecDeque<Moment>,
    /// What was done, and the past that the daemon keeps.
    #[serde(skip)]
    pub account: Account,
}

/// What was touched within the policy's `cold_after`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct WorkingSet {
    /// Bytes.
    pub size: Bytes,
    /// Half of the 95 % interval around it; `None` if the source cannot say.
    pub error: Option<Bytes>,
}

/// A decision in a word, an amount and a reason.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// `hold`, `reclaim`, `demote` or `sink`.
    pub action: &'static str,
    /// How much was asked for, unless it is hold.
    pub amount: Option<Bytes>,
    /// Name of the reason.
    pub reason: String,
    /// Why page cache alone might go, where that is another reason.
    pub file_only: Option<String>,
}

/// A tenant at one of the daemon's turns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Bytes in DRAM.
    pub dram: Bytes,
    /// Uncompressed bytes offloaded.
    pub offloaded: Bytes,
    /// Stall on memory.
    pub memory_pressure: Option<Ratio>,
    /// Bytes a second that came back.
    pub refaulted_per_second: Option<f64>,
}

/// What the daemon did to a tenant, and remembers of it.
#[derive(Debug, Clone)]
pub struct Account {
    /// What really left DRAM since the daemon's start.
    pub effective: Bytes,
    /// Kernel CPU that it took.
    pub reclaim_cpu: Duration,
    /// The working set of the last hour, a figure a minute, newest last.
    pub working_sets: Vec<Bytes>,
    /// Different decisions, newest first.
    pub decisions: Vec<Entry>,
}

/// A decision that was taken some turns in a row.
#[derive(Debug, Clone)]
pub struct Entry {
    /// How long ago the first of them was.
    pub ago: Duration,
    /// How many turns.
    pub ticks: u64,
    /// What was asked for in all of them.
    pub asked: Bytes,
    /// The last of them.
    pub decision: Decision,
}

/// The past of each tenant that there is.
#[derive(Debug, Default)]
pub(super) struct Moments {
    /// The turn that was taken in last.
    taken: Option<u64>,
    of: HashMap<u64, VecDeque<Moment>>,
}

impl Moments {
    /// The tenants of a turn, each with its past. The past of one that is gone goes too.
    pub(super) fn tenants(&mut self, now: &Status, before: Option<&Status>) -> Vec<Tenant> {
        let earlier: HashMap<u64, &sample::Tenant> = before
            .map(|before| before.cgroups.iter().map(|tenant| (tenant.id, tenant)).collect())
            .unwrap_or_default();
        let over = before.and_then(|before| now.uptime.checked_sub(before.uptime));
        let mut tenants: Vec<_> = now
            .cgroups
            .iter()
            .map(|tenant| Tenant::new(tenant, earlier.get(&tenant.id).copied(), over, now.uptime))
            .collect();
        let mut known = std::mem::take(&mut self.of);
        let is_new = self.taken.replace(now.ticks) != Some(now.ticks);
        for tenant in &mut tenants {
            let mut past = known.remove(&tenant.id).unwrap_or_default();
            if is_new {
                push_bounded(&mut past, tenant.moment(), KEPT);
            }
            tenant.moments.clone_from(&past);
            self.of.insert(tenant.id, past);
        }
        tenants
    }
}

impl Tenant {
    fn new(
        now: &sample::Tenant,
        before: Option<&sample::Tenant>,
        over: Option<Duration>,
        uptime: Duration,
    ) -> Self {
        let refaulted = |tenant: &sample::Tenant| tenant.memory.refaulted().map(Bytes::get);
        let figures = &now.decision.figures;
        Self {
            id: now.id,
            path: now.path.clone(),
            policy: now.decision.policy.clone(),
            dram: figures.current,
            working_set: now
                .hotness
                .as_ref()
                .map(|hotness| WorkingSet { size: hotness.working_set, error: hotness.working_set_error }),
            cold: now.hotness.as_ref().map(sample::Hotness::cold),
            offloaded: figures.offloaded,
            by_tier: by_tier(now),
            net_saved: now.net_saved,
            memory_pressure: now.stalls.memory_some,
            io_pressure: now.stalls.io_some,
            refaulted_per_second: per_second(refaulted(now), before.and_then(refaulted), over),
            back_per_minute: Some(figures.promotion_rate),
            price: figures.price,
            decision: Decision::of(&now.decision),
            moments: VecDeque::new(),
            account: Account::of(&now.account, uptime),
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            dram: self.dram,
            offloaded: self.offloaded,
            memory_pressure: self.memory_pressure,
            refaulted_per_second: self.refaulted_per_second,
        }
    }
}

fn by_tier(tenant: &sample::Tenant) -> BTreeMap<TierKind, Bytes> {
    tenant.placed.iter().fold(BTreeMap::new(), |mut by_tier, placed| {
        *by_tier.entry(placed.kind).or_default() += placed.bytes;
        by_tier
    })
}

impl Decision {
    fn of(decided: &Decided) -> Self {
        let (action, amount) = match &decided.action {
            Action::Hold => ("hold", None),
            Action::Reclaim { amount, scope } => match scope.as_str() {
                "demote" => ("demote", Some(*amount)),
                "sink" => ("sink", Some(*amount)),
                _ => ("reclaim", Some(*amount)),
            },
        };
        let file_only = decided.file_only.clone().filter(|why| *why != decided.reason);
        Self { action, amount, reason: decided.reason.clone(), file_only }
    }
}

impl Account {
    fn of(account: &sample::Account, uptime: Duration) -> Self {
        let decisions = account.recent.iter().rev().map(|entry| Entry {
            ago: uptime.saturating_sub(entry.since),
            ticks: entry.ticks,
            asked: entry.asked,
            decision: Decision::of(&entry.decision),
        });
        Self {
            effective: account.effective,
            reclaim_cpu: account.reclaim_cpu,
            working_sets: account.working_sets.iter().map(|set| set.size).collect(),
            decisions: decisions.collect(),
        }
    }
}
