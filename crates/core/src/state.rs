//! What is remembered from tick to tick.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    confine::PastZswap,
    cost::{Costs, FaultCost},
    decision::Scope,
    history::{History, Sample},
    idle::{ByType, Hotness, Measured, Since, Tracker},
    observation::{CgroupId, CgroupObservation, Effect, Tier},
    pace::Pace,
    placement::Ladder,
    policy::{Mode, Policy},
    room::HostHistory,
    sinking::Sinking,
    swapoff::{SwapChange, SwapDevices},
    units::{Bytes, Ratio},
    watch::Watch,
};

/// All that the loop remembers. Cgroups that are not observed any more are forgotten after a few turns.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) host: HostHistory,
    pub(crate) cgroups: HashMap<CgroupId, CgroupState>,
    pub(crate) costs: Costs,
    /// zram takes its idle marks back from what is younger than the age it is given: seen on 6.12, not on 6.1, where a mark of a
    /// younger age stays. No file tells; `swappiness=` of memory.reclaim is as old.
    pub(crate) zram_unmarks: bool,
    pub(crate) swap: SwapDevices,
    /// Counts the ticks.
    pub(crate) turn: usize,
}

impl State {
    /// How many cgroups are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cgroups.len()
    }

    /// True if no cgroup is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cgroups.is_empty()
    }

    /// What a fault on a page in `tier` costs.
    #[must_use]
    pub fn fault_cost(&self, tier: &Tier) -> FaultCost {
        self.costs.of(tier)
    }

    /// How long before `now` that was measured last; `None` if it is assumed. Without reads nothing is measured.
    #[must_use]
    pub fn fault_cost_age(&self, tier: &Tier, now: Duration) -> Option<Duration> {
        self.costs.age(tier, now)
    }

    /// How often a cgroup's idle ages are worth a look.
    #[must_use]
    pub fn look_every(&self, id: CgroupId, policy: &Policy) -> Duration {
        let tracker = self.cgroups.get(&id).map(|cgroup| &cgroup.tracker);
        tracker.unwrap_or(&Tracker::default()).look_every(policy)
    }

    /// How often those on slower nodes are.
    #[must_use]
    pub fn look_at_slow_every(&self, id: CgroupId, policy: &Policy) -> Duration {
        let tracker = self.cgroups.get(&id).map(|cgroup| &cgroup.tracker);
        tracker.unwrap_or(&Tracker::default()).look_at_slow_every(policy)
    }

    /// From which idle age on each tier is worth it for a cgroup; `None` without a source of idle ages.
    #[must_use]
    pub fn ladder(&self, id: CgroupId) -> Option<&Ladder> {
        self.cgroups.get(&id)?.ladder.as_ref()
    }

    /// How long after they were swapped out the pages of every cgroup belong on `device`; `None` if those of some cgroup never do,
    /// or nothing is known of one.
    ///
    /// The kernel does not tell whose page is whose in a swap device, so the most careful cgroup decides for all, among those
    /// that lowtide offloads. One with next to nothing there has no say.
    #[must_use]
    pub fn belong_from(&self, device: &str) -> Option<Duration> {
        if !self.zram_unmarks {
            return None;
        }
        let offloaded = |cgroup: &&CgroupState| cgroup.mode == Mode::Full && !cgroup.offloaded.is_zero();
        let all: Bytes = self.cgroups.values().filter(offloaded).map(|cgroup| cgroup.offloaded).sum();
        let away = self.cgroups.values().filter(offloaded);
        let heard = away.filter(|cgroup| cgroup.offloaded >= all.scale(NO_SAY));
        let from = heard.map(|cgroup| {
            let from = cgroup.ladder.as_ref()?.rung(device)?.from?;
            // What came from slower nodes had been idle there for so long.
            Some(from.saturating_sub(cgroup.sinking.map_or(Duration::ZERO, |sinking| sinking.at_least)))
        });
        from.reduce(|a, b| Some(a?.max(b?))).flatten()
    }

    /// Whether memory of a cgroup is to go from slower nodes past zswap to the disk behind it.
    #[must_use]
    pub fn wants_past_zswap(&self, id: CgroupId) -> bool {
        self.cgroups.get(&id).is_some_and(|cgroup| cgroup.wants_past_zswap)
    }

    /// What is known of a cgroup's idle ages; `None` without a source.
    #[must_use]
    pub fn hotness(&self, id: CgroupId, policy: &Policy, now: Duration) -> Option<Hotness> {
        self.cgroups.get(&id)?.tracker.hotness(policy, now)
    }

    /// Of what left DRAM over the last minutes, how much had been idle for `cold_after`, by sampled pages; `None` if nobody watched,
    /// or nothing was seen to leave.
    #[must_use]
    pub fn precision(&self, id: CgroupId) -> Option<Measured> {
        self.cgroups.get(&id)?.tracker.precision()
    }
}

/// What is remembered of one cgroup.
#[derive(Debug)]
pub(crate) struct CgroupState {
    pub(crate) policy: Arc<str>,
    pub(crate) mode: Mode,
    pub(crate) watch: Watch,
    pub(crate) last_seen: Duration,
    /// Turns in which it was not observed, since it last was.
    pub(crate) absent: u8,
    pub(crate) history: History,
    pub(crate) pace: Pace,
    pub(crate) tracker: Tracker,
    /// Of the last tick; `None` without an idle-age source.
    pub(crate) ladder: Option<Ladder>,
    /// How anonymous memory goes on from slower nodes to swap, as of the last tick; `None` if it stays.
    pub(crate) sinking: Option<Sinking>,
    /// Some of it is to go past zswap now.
    pub(crate) wants_past_zswap: bool,
    /// What of it was swapped out at the last tick; nothing for one without processes, that nobody waits for.
    pub(crate) offloaded: Bytes,
    /// Part of the SLO was broken at the last tick: the price is lowered once per breach, not once per tick.
    pub(crate) was_broken: bool,
    /// No request before this, after a trigger.
    pub(crate) calm_from: Duration,
    /// Requests in a row that freed next to nothing, and when the next may be made.
    pub(crate) fruitless: u32,
    pub(crate) retry_from: Duration,
    /// Nothing is demoted before this: the kernel swapped out what it was to demote, as it does where the cgroup's cpuset
    /// leaves the slower node out (7.3, `can_demote`, mm/vmscan.c).
    demotes_from: Duration,
    /// Nothing goes past zswap before this, since it was refused.
    pub(crate) passes_from: Duration,
    /// Allowed by price and headroom but too small for a request of its own.
    pub(crate) credit: Bytes,
    /// Swap that the request in flight may still fill.
    pub(crate) promised: Bytes,
    reclaimed: Bytes,
    cpu: Duration,
    promoted: ByType,
    /// Faulted back since lowtide first saw the cgroup, what swapoff brought back left out.
    came_back: Bytes,
}

/// A cgroup with less than this share of all that is offloaded does not hold up the rest.
const NO_SAY: Ratio = Ratio::new(1.0 / 256.0);

/// The longest wait after requests that freed nothing.
const LONGEST_RETRY: Duration = Duration::from_mins(10);
/// A request that frees less than this share of what was asked is fruitless.
const FRUITFUL: Ratio = Ratio::new(0.1);

impl CgroupState {
    pub(crate) fn new(seen: &CgroupObservation, policy: &Policy, now: Duration) -> Self {
        Self {
            policy: Arc::clone(&policy.name),
            mode: policy.mode,
            watch: Watch::new(now),
            last_seen: now,
            absent: 0,
            history: History::default(),
            pace: Pace::default(),
            tracker: Tracker::default(),
            ladder: None,
            sinking: None,
            wants_past_zswap: false,
            offloaded: Bytes::ZERO,
            was_broken: false,
            calm_from: Duration::ZERO,
            fruitless: 0,
            retry_from: Duration::ZERO,
            demotes_from: Duration::ZERO,
            passes_from: Duration::ZERO,
            credit: Bytes::ZERO,
            promised: Bytes::ZERO,
            reclaimed: Bytes::ZERO,
            cpu: Duration::ZERO,
            promoted: seen.memory.promoted(),
            came_back: Bytes::ZERO,
        }
    }

    /// Takes in one observation; returns the time since the last one.
    pub(crate) fn learn(
        &mut self,
        seen: &CgroupObservation,
        policy: &Policy,
        swap: SwapChange,
        slow_nodes: bool,
        now: Duration,
    ) -> Duration {
        let elapsed = now.saturating_sub(self.last_seen);
        if seen.confined.past_zswap == PastZswap::Refused {
            self.passes_from = now + LONGEST_RETRY;
        }
        let of = |wanted: fn(Scope) -> bool| -> ByType {
            seen.effects.iter().filter(|effect| wanted(effect.scope)).map(Effect::taken).sum()
        };
        let demotions = || seen.effects.iter().filter(|effect| effect.scope == Scope::Demote);
        let anon = |size: Bytes| ByType { anon: size, file: Bytes::ZERO };
        let demoted = anon(demotions().map(|effect| effect.demoted).sum());
        let swapped_instead = anon(demotions().map(|effect| effect.offloaded).sum());
        if demotions().any(|effect| effect.offloaded > effect.demoted) {
            self.demotes_from = now + LONGEST_RETRY;
        }
        let slow_nodes = slow_nodes && now >= self.demotes_from;
        let sunk = of(|scope| scope == Scope::Sink);
        let asked = of(|scope| !matches!(scope, Scope::Demote | Scope::Sink));
        let reclaimed = [asked, swapped_instead].into_iter().sum::<ByType>();
        let taken = reclaimed.total() + demoted.total() + sunk.total();
        self.reclaimed += taken;
        self.cpu = seen.effects.iter().fold(self.cpu, |sum, effect| sum.saturating_add(effect.cpu));
        let promoted = seen.memory.promoted();
        let mut back = promoted - self.promoted;
        if swap.brought_back {
            back.anon = Bytes::ZERO;
        }
        self.came_back += back.total();
        self.pace.learn(taken, back.total(), elapsed);
        let (faults, offloaded) = (seen.memory.stat.faults.unwrap_or_default(), seen.memory.offloaded());
        let shmem = seen.memory.stat.shmem;
        let since =
            Since { taken: reclaimed, demoted, sunk, promoted: back, faults, offloaded, shmem, slow_nodes };
        self.tracker.account(&since, policy, now);
        self.tracker.learn(seen.reading.as_deref(), policy);
        self.promoted = promoted;
        if !seen.in_flight {
            self.promised = Bytes::ZERO;
        }
        for effect in &seen.effects {
            self.judge(effect, now, elapsed);
        }
        if swap.other_devices {
            (self.fruitless, self.retry_from) = (0, Duration::ZERO);
        }
        let sample = Sample::of(seen, self.came_back, self.reclaimed, self.cpu, now);
        self.history.push(sample.carried_on_from(self.history.last()));
        self.last_seen = now;
        self.absent = 0;
        elapsed
    }

    /// Anonymous bytes on slower nodes that may go on to swap.
    pub(crate) fn sinkable(&self, policy: &Policy) -> Bytes {
        self.sinking.map_or(Bytes::ZERO, |sinking| self.tracker.sinkable(sinking.from, policy))
    }

    /// Did it work? A write that succeeded is no evidence.
    fn judge(&mut self, effect: &Effect, now: Duration, interval: Duration) {
        if effect.stopped || effect.vanished || effect.requested.is_zero() {
            return;
        }
        if effect.taken().total() >= effect.requested.scale(FRUITFUL) {
            self.fruitless = 0;
            return;
        }
        self.fruitless = self.fruitless.saturating_add(1);
        let wait = interval.saturating_mul(1 << self.fruitless.min(10)).min(LONGEST_RETRY);
        self.retry_from = now + wait;
    }
}
