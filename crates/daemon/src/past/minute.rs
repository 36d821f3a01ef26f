//! Views become minutes. Pure.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lowtide_core::{Action, Bytes, CgroupId, Decision, Mode, Policy, Ratio, Reason, Scope, savings::Placed};
use lowtide_history::{Change, Did, Group, Host, Minute, Part, Tenant, TierFill};
use lowtide_view::{CgroupView, View};

use super::sums::Sums;

/// A minute ends with the first turn after so long.
const MINUTE: Duration = Duration::from_mins(1);
/// Tenants told one by one, the largest; so that nobody who makes cgroups takes the room of everybody's past.
pub(super) const MOST_TENANTS: usize = 1000;
const MOST_CHANGES: usize = 4000;

/// What was seen since the last minute ended.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Uptime at the last turn of the minute before; `None` before the first turn of all.
    since: Option<Duration>,
    host: HostSums,
    tenants: HashMap<CgroupId, Sums>,
    /// Of tenants that are gone and were too small to be told one by one.
    others: Option<Sums>,
    changes: Vec<(Duration, Change)>,
    /// Counters and decision of each tenant at the last turn.
    before: HashMap<CgroupId, Before>,
    ages_cpu: Duration,
}

#[derive(Debug, Default)]
struct HostSums {
    turns: u32,
    least_free: Option<Bytes>,
    own: Sum,
    watching_cpu: Duration,
    reclaim_cpu: Duration,
}

/// For a mean.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum(u128);

impl Sum {
    pub(super) fn add(&mut self, bytes: Bytes) {
        self.0 += u128::from(bytes.get());
    }

    pub(super) fn join(&mut self, other: Self) {
        self.0 += other.0;
    }

    pub(super) fn mean(self, turns: u32) -> Bytes {
        let mean = self.0.checked_div(turns.into()).unwrap_or_default();
        Bytes::new(u64::try_from(mean).unwrap_or(u64::MAX))
    }
}

/// A tenant at the last turn.
#[derive(Debug, Clone)]
pub(super) struct Before {
    pub(super) memory_stall: Option<Duration>,
    pub(super) io_stall: Option<Duration>,
    pub(super) refaulted: Bytes,
    pub(super) requested: Bytes,
    pub(super) effective: Bytes,
    pub(super) reclaim_cpu: Duration,
    /// What lowtide sent to each disk on which there is something.
    pub(super) on_disks: BTreeMap<String, Bytes>,
    decided: (Did, Reason, Option<Reason>),
}

impl Before {
    fn of(view: &CgroupView) -> Self {
        let refaulted = view.memory.promoted();
        let disks = view.sent.iter().filter(|part| part.kind.wears() && !part.bytes.is_zero());
        let Decision { reason, file_only, .. } = view.decision;
        Self {
            memory_stall: view.memory_stall.map(|stall| stall.some),
            io_stall: view.io_stall.map(|stall| stall.some),
            refaulted: refaulted.anon + refaulted.file,
            requested: view.account.requested,
            effective: view.account.effective,
            reclaim_cpu: view.account.reclaim_cpu,
            on_disks: disks.map(|part| (part.name(), part.bytes)).collect(),
            decided: (did(view.decision.action), reason, file_only),
        }
    }
}

pub(super) fn did(action: Action) -> Did {
    match action {
        Action::Hold => Did::Hold,
        Action::Reclaim { scope: Scope::File, .. } => Did::ReclaimFile,
        Action::Reclaim { scope: Scope::Anon | Scope::Any, .. } => Did::Reclaim,
        Action::Reclaim { scope: Scope::Demote, .. } => Did::Demote,
        Action::Reclaim { scope: Scope::Sink, .. } => Did::Sink,
    }
}

impl Gathering {
    /// Takes in a turn; the minute that ends with it, if one does.
    pub(super) fn turn(&mut self, view: &View) -> Option<Minute> {
        let since = *self.since.get_or_insert(view.uptime);
        self.host.take_in(view);
        self.host.watching_cpu += view.tick_cpu + view.sampling.cpu.saturating_sub(self.ages_cpu);
        self.ages_cpu = view.sampling.cpu;
        let mut now = HashMap::with_capacity(view.cgroups.len());
        for cgroup in &view.cgroups {
            let (before, at) = (self.before.get(&cgroup.id), Before::of(cgroup));
            if before.is_none_or(|before| before.decided != at.decided) && self.changes.len() < MOST_CHANGES {
                self.changes.push((view.uptime, change(cgroup)));
            }
            let sums = self.tenants.entry(cgroup.id).or_default();
            sums.take_in(cgroup, before, &at);
            sums.is_in(group(cgroup, view));
            self.host.reclaim_cpu +=
                before.map_or(Duration::ZERO, |before| at.reclaim_cpu.saturating_sub(before.reclaim_cpu));
            now.insert(cgroup.id, at);
        }
        self.before = now;
        self.forget_small();
        (view.uptime.saturating_sub(since) >= MINUTE).then(|| self.end(view))
    }

    /// Whoever makes cgroups by the thousand and removes them again does not take DRAM for each until the
    /// minute ends. Of those that are gone all is known; what is not among the largest of them is not among
    /// the largest of all.
    fn forget_small(&mut self) {
        if self.tenants.len().saturating_sub(self.before.len()) <= 2 * MOST_TENANTS {
            return;
        }
        let before = &self.before;
        let mut gone: Vec<_> = self.tenants.extract_if(|id, _| !before.contains_key(id)).collect();
        gone.sort_by_cached_key(|(_, sums)| Reverse(sums.size()));
        let small = gone.split_off(MOST_TENANTS - 1);
        self.tenants.extend(gone);
        let others = self.others.get_or_insert_default();
        for (_, sums) in small {
            others.add(sums);
        }
    }

    /// What there is of a minute, at the daemon's end.
    pub(super) fn rest(&mut self, view: &View) -> Option<Minute> {
        (self.host.turns > 0).then(|| self.end(view))
    }

    fn end(&mut self, view: &View) -> Minute {
        let since = self.since.replace(view.uptime).unwrap_or(view.uptime);
        let host = std::mem::take(&mut self.host);
        let turns = host.turns;
        let tenants = std::mem::take(&mut self.tenants).into_values().collect();
        let changes = std::mem::take(&mut self.changes).into_iter();
        let before_end = |(at, change)| Change { before_end: view.uptime.saturating_sub(at), ..change };
        Minute {
            end: seconds(view.done),
            watched: view.uptime.saturating_sub(since),
            turns,
            host: host.told(view),
            tenants: largest(tenants, self.others.take(), turns),
            changes: changes.map(before_end).collect(),
        }
    }
}

fn seconds(time: Option<SystemTime>) -> u64 {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.unwrap_or_default().as_secs()
}

impl HostSums {
    fn take_in(&mut self, view: &View) {
        self.turns += 1;
        let free = view.host.free;
        self.least_free = Some(self.least_free.map_or(free, |least| least.min(free)));
        self.own.add(view.own);
    }

    fn told(self, view: &View) -> Host {
        let tier = |tier: &lowtide_core::Tier| TierFill {
            name: tier.device.name(tier.kind).into(),
            capacity: tier.capacity,
            used: tier.used,
            stored: tier.stored,
            resident: tier.resident,
        };
        Host {
            total: view.host.total,
            least_free: self.least_free.unwrap_or_default(),
            own: self.own.mean(self.turns),
            watching_cpu: self.watching_cpu,
            reclaim_cpu: self.reclaim_cpu,
            tiers: view.host.tiers.iter().map(tier).collect(),
        }
    }
}

fn group(cgroup: &CgroupView, view: &View) -> Group {
    let decision = &cgroup.decision;
    let acts = |policy: &Policy| policy.name == decision.policy && policy.mode != Mode::Observe;
    match decision.reason {
        Reason::HeldOut => Group::HeldOut,
        Reason::OptedOut => Group::None,
        _ if view.policies.iter().any(acts) => Group::Acted,
        _ => Group::None,
    }
}

fn change(cgroup: &CgroupView) -> Change {
    let Decision { action, reason, file_only, .. } = cgroup.decision;
    let amount = match action {
        Action::Hold => Bytes::ZERO,
        Action::Reclaim { amount, .. } => amount,
    };
    Change {
        before_end: Duration::ZERO,
        path: Arc::clone(&cgroup.path),
        did: did(action),
        amount,
        reason: reason.number(),
        file_only: file_only.map(Reason::number),
    }
}

/// Ordered by path: the largest one by one, and the sum of the others, whose path is empty.
fn largest(mut tenants: Vec<Sums>, mut others: Option<Sums>, turns: u32) -> Vec<Tenant> {
    if tenants.len() > MOST_TENANTS || others.is_some() {
        tenants.sort_by_cached_key(|sums| Reverse(sums.size()));
        let small = tenants.split_off(tenants.len().min(MOST_TENANTS - 1));
        let others = others.get_or_insert_default();
        for sums in small {
            others.add(sums);
        }
    }
    let others = others.map(|sums| sums.told_over(turns));
    let mut told: Vec<_> = tenants.into_iter().map(Sums::told).chain(others).collect();
    told.sort_by(|a, b| a.path.cmp(&b.path));
    told
}

/// Where a tenant's memory was, by tier.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PartSums {
    pub(super) offloaded: Sum,
    pub(super) resident: Sum,
    pub(super) others: Sum,
    pub(super) others_resident: Sum,
}

impl PartSums {
    pub(super) fn take_in(&mut self, placed: &Placed, sent: &Placed) {
        self.offloaded.add(sent.bytes);
        self.resident.add(sent.resident);
        self.others.add(placed.bytes - sent.bytes);
        self.others_resident.add(placed.resident - sent.resident);
    }

    pub(super) fn join(&mut self, other: Self) {
        self.offloaded.join(other.offloaded);
        self.resident.join(other.resident);
        self.others.join(other.others);
        self.others_resident.join(other.others_resident);
    }

    pub(super) fn told(self, tier: &str, turns: u32) -> Part {
        Part {
            tier: tier.into(),
            offloaded: self.offloaded.mean(turns),
            resident: self.resident.mean(turns),
            others: self.others.mean(turns),
            others_resident: self.others_resident.mean(turns),
        }
    }
}

/// The greater, where there is one.
pub(super) fn greater(a: Option<Ratio>, b: Option<Ratio>) -> Option<Ratio> {
    let Some((first, second)) = a.zip(b) else { return a.or(b) };
    Some(if first.get() >= second.get() { first } else { second })
}

#[cfg(test)]
#[path = "minute_tests.rs"]
mod tests;
