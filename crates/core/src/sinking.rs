//! What goes on from slower nodes to swap: from which age on, and whether into zswap or past it.

use std::time::Duration;

use crate::{
    confine::PastZswap,
    observation::{CgroupObservation, HostObservation, TierKind},
    placement::Rung,
    policy::Policy,
    state::CgroupState,
    units::{Bytes, Ratio},
};

/// With less than this share of the slower nodes free, what has been idle there makes room, whether or not it is worth it.
const NODES_SHORT: Ratio = Ratio::percent(20.0);

/// With more than this share of a cgroup in zswap, but at least so much, zswap is not passed: a store that meets the limit would
/// write out what is there instead, whose age nobody knows (tried on 6.12 and 7.3: docs/balancer.md).
const FEW_IN_ZSWAP: Ratio = Ratio::new(1.0 / 64.0);
const LEAST_IN_ZSWAP: Bytes = Bytes::mib(1);

/// How memory goes on from slower nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sinking {
    /// From this idle age on.
    pub(crate) from: Duration,
    /// To the disk behind zswap, which does not give back what it has stored: what belongs on the disk has to go there at once.
    pub(crate) past_zswap: bool,
}

impl Sinking {
    /// Where it is worth more in swap, or once it has been idle for long on nodes that are nearly full; `None` if it stays. Never
    /// younger than the policy wants in swap.
    pub(crate) fn of(
        state: &CgroupState,
        seen: &CgroupObservation,
        host: &HostObservation,
        policy: &Policy,
    ) -> Option<Self> {
        let nodes = host.slow_nodes().filter(|_| state.tracker.demotes_first())?;
        let rungs = state.ladder.iter().flat_map(|ladder| &ladder.rungs);
        let swap: Vec<&Rung> = rungs.filter(|rung| rung.kind != TierKind::Node).collect();
        let worth = past_zswap(&swap, seen)
            .map(|from| Self { from, past_zswap: true })
            .or_else(|| Some(Self { from: swap.iter().find_map(|rung| rung.from)?, past_zswap: false }));
        let short = nodes.free < nodes.total.scale(NODES_SHORT);
        let after = swap.first().and_then(|rung| policy.tiers.rule(rung.kind)?.after).unwrap_or_default();
        let from = state.tracker.sinks_after(policy).max(after);
        let waited = short.then_some(Self { from, past_zswap: false });
        worth.into_iter().chain(waited).min_by_key(|sinking| sinking.from)
    }
}

/// From which age on memory belongs on the disk behind zswap, if it can be brought there.
fn past_zswap(swap: &[&Rung], seen: &CgroupObservation) -> Option<Duration> {
    let [zswap, disk] = swap else { return None };
    let from = disk.from.filter(|_| zswap.kind == TierKind::Zswap && disk.kind == TierKind::Disk)?;
    let few = seen.memory.footprint().scale(FEW_IN_ZSWAP).max(LEAST_IN_ZSWAP);
    let stored = seen.memory.stat.zswapped.unwrap_or_default();
    (seen.confined.past_zswap != PastZswap::Refused && stored <= few).then_some(from)
}
