//! A view for tests.

use std::{collections::HashMap, time::Duration};

use lowtide_ages::Sampling;
use lowtide_core::{
    Action, Bytes, CgroupId, CgroupObservation, Decision, Figures, HostObservation, Memory, Observation,
    Reason, State, Tier, TierKind,
    savings::{Origin, Origins},
};
use lowtide_observe::Stalls;

use crate::{
    ledger::Ledger,
    view::{Remembered, View},
};

/// A cgroup of 100 MiB in DRAM, with `offloaded` MiB in swap.
#[must_use]
pub fn cgroup(id: u64, path: &str, policy: usize, offloaded: u64) -> CgroupObservation {
    let memory =
        Memory { current: Bytes::mib(100), swap_current: Some(Bytes::mib(offloaded)), ..Memory::default() };
    CgroupObservation { memory, ..CgroupObservation::unread(CgroupId(id), path.into(), policy) }
}

fn decision(id: u64, path: &str, policy: &str) -> Decision {
    Decision {
        id: CgroupId(id),
        path: path.into(),
        policy: policy.into(),
        action: Action::Hold,
        reason: Reason::NothingCold,
        file_only: None,
        figures: Figures::default(),
    }
}

/// Two cgroups with 400 MiB and 100 MiB in zram, at a quarter of their size; the second is only observed.
#[must_use]
pub fn view(uptime: Duration, promoted: Bytes) -> View {
    let zram = Tier {
        kind: TierKind::Zram,
        device: "/dev/zram0".into(),
        priority: Some(100),
        capacity: Bytes::mib(1024),
        used: Bytes::mib(500),
        stored: Bytes::mib(500),
        resident: Bytes::mib(125),
        resident_limit: None,
        above: None,
    };
    let mut web = cgroup(1, "/web", 0, 400);
    web.memory.stat.refault_anon = Some(promoted);
    let seen = Observation {
        host: HostObservation { tiers: vec![zram], ..HostObservation::default() },
        cgroups: vec![web, cgroup(2, "/db", 1, 100)],
    };
    let decisions = vec![decision(1, "/web", "batch"), decision(2, "/db", "careful")];
    let stalls = |_| Stalls::default();
    let origins = |lowtide, others| {
        let swap = Origin { lowtide: Bytes::mib(lowtide), others: Bytes::mib(others) };
        Origins::new(swap, Origin::default())
    };
    let origins = [(CgroupId(1), origins(400, 0)), (CgroupId(2), origins(0, 100))];
    let state = State::going_on(origins.into());
    let view = View::new(
        seen,
        decisions,
        Remembered { state: &state, ledger: &Ledger::default(), carried: Vec::new() },
        Bytes::mib(12),
        stalls,
        HashMap::new(),
        &[true, false],
    );
    let sampling = Sampling { cpu: uptime / 2000, ..Sampling::default() };
    View { uptime, tick_cpu: Duration::from_millis(900), sampling, ..view }
}
