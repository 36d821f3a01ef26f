//! A host with a swap device and tenants, driven by `tick` in simulated time.

use std::time::Duration;

use lowtide_core::{
    Action, BlockReads, Budgets, Bytes, Decision, HostObservation, Limits, Lines, Mode, Observation, Policy,
    Ratio, Slo, State, Stored, Tier, TierKind, TierRules, confinement::Ways, savings::Origin, tick,
};

use crate::tenant::{self, Tenant};

/// Tenants live in steps of this, so that a stall is not felt all at once at the tick.
const STEP: Duration = Duration::from_millis(500);
/// Of a solid-state disk, whatever is read.
const READ: Duration = Duration::from_micros(160);

pub(crate) struct Server {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) swap: Bytes,
    pub(crate) now: Duration,
    state: State,
    pub(crate) interval: Duration,
}

impl Server {
    pub(crate) fn new(tenants: Vec<Tenant>, policies: Vec<Policy>) -> Self {
        Self {
            tenants,
            policies,
            swap: Bytes::mib(1_000),
            now: Duration::ZERO,
            state: State::default(),
            interval: Duration::from_secs(2),
        }
    }

    /// One interval of the tenants' life, then one tick, whose requests are done at once.
    pub(crate) fn turn(&mut self) -> Vec<Decision> {
        let until = self.now + self.interval;
        while self.now < until {
            self.now += STEP;
            self.tenants.iter_mut().for_each(|tenant| tenant.live(self.now, STEP));
        }
        for tenant in &mut self.tenants {
            let every = self.state.look_every(tenant.id, &self.policies[tenant.policy]);
            tenant.walk(self.now, every);
        }
        let seen = Observation {
            host: self.host(),
            cgroups: self.tenants.iter_mut().map(Tenant::observe).collect(),
        };
        let decisions = tick(&mut self.state, &seen, &self.policies, &Budgets::default(), self.now);
        for decision in &decisions {
            self.carry_out(decision);
        }
        decisions
    }

    /// The decisions about the first tenant over `span`.
    pub(crate) fn run(&mut self, span: Duration) -> Vec<Decision> {
        let until = self.now + span;
        std::iter::from_fn(|| (self.now < until).then(|| self.turn().remove(0))).collect()
    }

    /// From which idle age on a tenant's memory belongs in swap, and how often it is thought to be touched
    /// then, as a share a second.
    pub(crate) fn swapped_from(&self, tenant: usize) -> Option<(Duration, Ratio)> {
        let ladder = self.state.ladder(self.tenants[tenant].id)?;
        ladder.rungs.iter().find_map(|rung| Some((rung.from?, rung.touched)))
    }

    /// Who sent a tenant's memory to swap.
    pub(crate) fn swapped(&self, tenant: usize) -> Origin {
        self.state.origins(self.tenants[tenant].id).swap
    }

    fn carry_out(&mut self, decision: &Decision) {
        let Action::Reclaim { amount, scope } = decision.action else { return };
        let room = self.swap - self.swap_used();
        if let Some(tenant) = self.tenants.iter_mut().find(|tenant| tenant.id == decision.id) {
            tenant.reclaim(amount, scope, room, self.now);
        }
    }

    /// Of everybody on the host: 100 a second.
    fn block_reads(&self) -> BlockReads {
        let count = 100 * self.now.as_secs();
        BlockReads { count, time: READ * u32::try_from(count).unwrap_or(u32::MAX) }
    }

    fn swap_used(&self) -> Bytes {
        self.tenants.iter().map(Tenant::in_swap).sum()
    }

    fn host(&self) -> HostObservation {
        let used = self.swap_used();
        HostObservation {
            total: Bytes::mib(4_000),
            free: Bytes::mib(2_000),
            available: None,
            low_watermark: Some(Bytes::mib(20)),
            direct_reclaim: Some(Bytes::ZERO),
            allocation_stalls: None,
            zones: Vec::new(),
            kswapd: None,
            swap_total: None,
            reads: [(tenant::DEVICE.into(), self.block_reads())].into(),
            added_latency: [].into(),
            tiers: vec![Tier {
                kind: TierKind::Zram,
                device: "/dev/zram0".into(),
                priority: Some(100),
                capacity: self.swap,
                used,
                stored: used,
                resident: used.scale(Ratio::new(0.3)),
                resident_limit: None,
                above: None,
            }],
            reclaim_takes_swappiness: true,
            zram: Stored::default(),
            ways: Ways::default(),
            demotes: false,
        }
    }
}

/// The policy of the issue's acceptance: SLO 0.5 %, 40 % a minute, cold after 10 s.
pub(crate) fn policy_of_the_issue() -> Policy {
    Policy {
        name: "issue".into(),
        mode: Mode::Full,
        slo: Slo { memory_pressure: Ratio::percent(0.5), ..Slo::default() },
        cold_after: Duration::from_secs(10),
        tiers: TierRules::Any,
        tmpfs_to_disk: false,
        limits: Limits { floor: Bytes::mib(16), per_minute: Ratio::percent(40.0) },
        lines: Lines::around(Duration::from_secs(10)),
    }
}
