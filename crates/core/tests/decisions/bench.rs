//! A host with one healthy tenant, from which each case departs in one respect.

use std::{sync::Arc, time::Duration};

use lowtide_core::{
    Action, Budgets, Bytes, CgroupId, CgroupObservation, Cohort, Decision, Effect, HostObservation, Limits,
    Lines, Memory, MemoryStat, Mode, Observation, Policy, Ratio, Slo, Stall, State, Stored, Tier, TierKind,
    TierRules,
    confinement::{Confinement, Ways},
    reading::{Reading, Resolution, Source},
    scan_pressure::{Kswapd, Zone},
    tick,
};

pub(crate) const INTERVAL: Duration = Duration::from_secs(2);

/// The least that the kernel is ever asked for.
pub(crate) const BATCH: Bytes = Bytes::kib(128);

/// Everything that a tick takes; a test changes one field and ticks.
pub(crate) struct Bench {
    pub(crate) state: State,
    pub(crate) seen: Observation,
    pub(crate) policies: Vec<Policy>,
    pub(crate) budgets: Budgets,
    pub(crate) now: Duration,
}

impl Bench {
    /// Nothing has been observed yet.
    pub(crate) fn fresh() -> Self {
        Self {
            state: State::default(),
            seen: Observation { host: host(), cgroups: vec![tenant(1)] },
            policies: vec![policy()],
            budgets: Budgets::default(),
            now: Duration::from_secs(1_000),
        }
    }

    /// Watched for longer than `cold_after`.
    pub(crate) fn warm() -> Self {
        let mut bench = Self::fresh();
        (0..3).for_each(|_| drop(bench.tick()));
        bench
    }

    /// Warm, with so high a price and so long a wait that any bound which a test sets will bind.
    pub(crate) fn eager() -> Self {
        let mut bench = Self::warm();
        bench.tick_after(Duration::from_mins(2));
        bench.now += Duration::from_secs(40);
        bench
    }

    pub(crate) fn tick(&mut self) -> Vec<Decision> {
        self.tick_after(INTERVAL)
    }

    pub(crate) fn tick_after(&mut self, span: Duration) -> Vec<Decision> {
        self.now += span;
        let decisions = tick(&mut self.state, &self.seen, &self.policies, &self.budgets, self.now);
        for cgroup in &mut self.seen.cgroups {
            cgroup.effects.clear();
            cgroup.alarm = false;
        }
        decisions
    }

    /// The next decision about the only tenant.
    pub(crate) fn decide(&mut self) -> Decision {
        self.tick().remove(0)
    }

    pub(crate) fn cgroup(&mut self) -> &mut CgroupObservation {
        &mut self.seen.cgroups[0]
    }

    pub(crate) fn memory(&mut self) -> &mut Memory {
        &mut self.cgroup().memory
    }

    pub(crate) fn policy(&mut self) -> &mut Policy {
        &mut self.policies[0]
    }

    /// A slower node, to which the kernel demotes, with the swap that was there behind it.
    pub(crate) fn slow_node(&mut self, capacity: Bytes) {
        let node =
            Tier { kind: TierKind::Node, device: "node1".into(), priority: None, ..swap_disk(capacity) };
        self.seen.host.tiers.push(node);
        self.seen.host.demotes = true;
    }

    /// The host uses up `mib` MiB a second for a while, and has so much left at the end.
    pub(crate) fn uses_up(&mut self, mib: u64, left: Bytes) {
        for turn in (0..8).rev() {
            let to_go = Bytes::mib(mib * INTERVAL.as_secs() * turn);
            self.seen.host.available = Some(left + to_go);
            self.tick();
        }
    }

    /// Without page cache, nothing but anonymous memory is asked for.
    pub(crate) fn without_page_cache(mut self) -> Self {
        for cgroup in &mut self.seen.cgroups {
            let stat = &mut cgroup.memory.stat;
            (stat.inactive_file, stat.active_file) = (Bytes::ZERO, Bytes::ZERO);
        }
        self
    }

    /// The next decision is made, and its request did all that it was asked for.
    pub(crate) fn act(&mut self) -> Decision {
        let decision = self.decide();
        self.confirm(&decision);
        decision
    }

    pub(crate) fn swap(&mut self) -> &mut Tier {
        &mut self.seen.host.tiers[0]
    }

    /// The last request did all that it was asked for.
    pub(crate) fn confirm(&mut self, decision: &Decision) {
        let requested = asked(decision);
        if !requested.is_zero() {
            self.cgroup().effects = vec![Effect { requested, freed: requested, ..Effect::default() }];
        }
    }
}

/// A walk that was just made and shows all of a cgroup's memory to be of one age.
pub(crate) fn walked(at: Duration, cohort: Cohort) -> Reading {
    Reading {
        source: Source::Mglru,
        at,
        every: Duration::from_mins(1),
        cohorts: Arc::new([cohort]),
        slow: None,
        resolution: Resolution::Walks,
        left: None,
        touched: None,
    }
}

/// What a decision asks of the kernel.
pub(crate) fn asked(decision: &Decision) -> Bytes {
    match decision.action {
        Action::Hold => Bytes::ZERO,
        Action::Reclaim { amount, .. } => amount,
    }
}

fn host() -> HostObservation {
    HostObservation {
        total: Bytes::mib(16_000),
        free: Bytes::mib(8_000),
        available: Some(Bytes::mib(9_000)),
        low_watermark: Some(Bytes::mib(50)),
        direct_reclaim: Some(Bytes::ZERO),
        allocation_stalls: None,
        zones: vec![Zone {
            node: 0,
            managed: Bytes::mib(15_800),
            free: Bytes::mib(8_000),
            low: Bytes::mib(50),
            high: Bytes::mib(60),
        }],
        kswapd: Some(Kswapd::default()),
        swap_total: None,
        tiers: vec![swap_disk(Bytes::mib(4_000))],
        reads: [].into(),
        added_latency: [].into(),
        reclaim_takes_swappiness: true,
        zram: Stored::default(),
        ways: Ways::default(),
        demotes: false,
    }
}

fn swap_disk(capacity: Bytes) -> Tier {
    Tier {
        kind: TierKind::Disk,
        device: "/dev/vdb".into(),
        priority: Some(-2),
        capacity,
        used: Bytes::ZERO,
        stored: Bytes::ZERO,
        resident: Bytes::ZERO,
        resident_limit: None,
        above: None,
    }
}

/// 1000 MiB: 600 anonymous, 400 page cache.
pub(crate) fn tenant(id: u64) -> CgroupObservation {
    CgroupObservation {
        id: CgroupId(id),
        path: format!("/tenant-{id}").into(),
        policy: 0,
        populated: true,
        opted_out: false,
        memory: Memory {
            current: Bytes::mib(1_000),
            swap_current: Some(Bytes::ZERO),
            stat: MemoryStat {
                inactive_anon: Bytes::mib(500),
                active_anon: Bytes::mib(100),
                inactive_file: Bytes::mib(300),
                active_file: Bytes::mib(100),
                refault_anon: Some(Bytes::ZERO),
                activate_file: Some(Bytes::ZERO),
                ..MemoryStat::default()
            },
            ..Memory::default()
        },
        confined: Confinement::default(),
        processor_time: None,
        reads: [].into(),
        memory_pressure: Some(Stall::default()),
        io_pressure: Some(Stall::default()),
        alarm: false,
        pending: lowtide_core::Pending::Nothing,
        effects: Vec::new(),
        reading: None,
    }
}

fn policy() -> Policy {
    Policy {
        name: "test".into(),
        mode: Mode::Full,
        slo: Slo::default(),
        cold_after: Duration::from_secs(4),
        tiers: TierRules::Any,
        tmpfs_to_disk: false,
        limits: Limits { floor: Bytes::mib(16), per_minute: Ratio::percent(40.0) },
        lines: Lines::around(Duration::from_secs(4)),
    }
}
