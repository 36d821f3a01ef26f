//! What is remembered from tick to tick.

use std::{collections::HashMap, time::Duration};

use crate::{
    cgroup::{ByType, CgroupId, Memory},
    cgroup_state::CgroupState,
    compression::Compressed,
    cost::{Costs, FaultCost},
    forecast::Forecast,
    idle::{Hotness, Measured, Tracker},
    mode::Mode,
    placement::Ladder,
    policy::Policy,
    room::HostHistory,
    savings::{self, Origins, Placed},
    swapoff::SwapDevices,
    tier::{Tier, TierId},
    units::{Bytes, Ratio},
};

/// All that the loop remembers. Cgroups that are not observed any more are forgotten after a few turns.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) host: HostHistory,
    /// Boxed: each has 2 KiB, and the map is made anew at every tick.
    pub(crate) cgroups: HashMap<CgroupId, Box<CgroupState>>,
    pub(crate) costs: Costs,
    /// zram takes its idle marks back from what is younger than the age it is given: seen on 6.12, not on
    /// 6.1, where a mark of a younger age stays. No file tells; `swappiness=` of memory.reclaim is as old.
    pub(crate) zram_unmarks: bool,
    pub(crate) swap: SwapDevices,
    /// Counts the ticks.
    pub(crate) turn: usize,
    /// Who put what outside DRAM of cgroups that a daemon before this one saw.
    pub(crate) kept: HashMap<CgroupId, Origins>,
}

impl State {
    /// Nothing, but for who put there what lies outside DRAM, as a daemon before this one has left it.
    #[must_use]
    pub fn going_on(kept: HashMap<CgroupId, Origins>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// Who put there what a cgroup has outside DRAM; of one that is not known, somebody else.
    #[must_use]
    pub fn origins(&self, id: CgroupId) -> Origins {
        let known = self.cgroups.get(&id).map(|cgroup| cgroup.origins);
        known.or_else(|| self.kept.get(&id).copied()).unwrap_or_default()
    }

    /// These are there, but the turn that follows does not see them: what was learnt of them is kept.
    pub fn keep(&mut self, unseen: &[CgroupId]) {
        for id in unseen {
            if let Some(cgroup) = self.cgroups.get_mut(id) {
                cgroup.absent = 0;
            }
        }
    }

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

    /// How long before `now` that was measured last; `None` if it is assumed. Without reads nothing is
    /// measured.
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

    /// What compression leaves of a cgroup's memory; `None` as long as too little was seen.
    #[must_use]
    pub fn compressed(&self, id: CgroupId, memory: &Memory) -> Option<Compressed> {
        self.cgroups.get(&id)?.compression.known(memory)
    }

    /// Counter: bytes of a cgroup that were faulted back since it was first seen, as its promotion rate counts
    /// them. Never falls, and what swapoff brought back is not in it.
    #[must_use]
    pub fn came_back(&self, id: CgroupId) -> ByType {
        self.cgroups.get(&id).map(|cgroup| cgroup.all_that_came_back()).unwrap_or_default()
    }

    /// Whether the next request for a cgroup is to be the only one that is written, so that it shows how its
    /// memory compresses.
    #[must_use]
    pub fn wants_measuring(&self, id: CgroupId, now: Duration) -> bool {
        self.cgroups.get(&id).is_some_and(|cgroup| cgroup.compression.wants_measuring(now))
    }

    /// Where a cgroup's offloaded bytes are, and what the tiers take for them, as of the last tick.
    #[must_use]
    pub fn placement(&self, id: CgroupId, memory: &Memory, tiers: &[Tier]) -> Vec<Placed> {
        let known = self.cgroups.get(&id);
        known.map_or_else(
            || savings::even(memory, tiers),
            |cgroup| savings::placement(memory, tiers, &cgroup.on_devices),
        )
    }

    /// What `full` would save of a cgroup beyond what is offloaded already; `None` without a source of idle
    /// ages, or where nothing can be offloaded to.
    #[must_use]
    pub fn forecast(&self, id: CgroupId) -> Option<&Forecast> {
        self.cgroups.get(&id)?.forecast.as_ref()
    }

    /// How long after they were swapped out the pages of every cgroup belong on `device`; `None` if those of
    /// some cgroup never do, or nothing is known of one.
    ///
    /// The kernel does not tell whose page is whose in a swap device, so the most careful cgroup decides for
    /// all, among those that lowtide offloads. One with next to nothing there has no say.
    #[must_use]
    pub fn belong_from(&self, device: &TierId) -> Option<Duration> {
        if !self.zram_unmarks {
            return None;
        }
        let offloaded = |cgroup: &&CgroupState| cgroup.mode == Mode::Full && !cgroup.offloaded.is_zero();
        let cgroups = || self.cgroups.values().map(|cgroup| &**cgroup);
        let all: Bytes = cgroups().filter(offloaded).map(|cgroup| cgroup.offloaded).sum();
        let away = cgroups().filter(offloaded);
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

    /// Of what left DRAM over the last minutes, how much had been idle for `cold_after`, by sampled pages;
    /// `None` if nobody watched, or nothing was seen to leave.
    #[must_use]
    pub fn precision(&self, id: CgroupId) -> Option<Measured> {
        self.cgroups.get(&id)?.tracker.precision()
    }
}

/// A cgroup with less than this share of all that is offloaded does not hold up the rest.
const NO_SAY: Ratio = Ratio::new(1.0 / 256.0);
