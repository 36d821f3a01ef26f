//! What goes on from slower nodes to swap: from which age on, and whether into zswap or past it.

use std::time::Duration;

use crate::{
    cgroup_state::CgroupState, idle::sinks_at_least, observation::CgroupObservation, placement::Rung,
    policy::Policy, tier::TierKind, units::Bytes,
};

/// With more than this of a cgroup in zswap it is not passed: a store that meets the limit would write out what is there instead,
/// whose age nobody knows (tried on 6.12 and 7.3: docs/balancer.md).
const FEW_IN_ZSWAP: Bytes = Bytes::mib(1);

/// How memory goes on from slower nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sinking {
    /// From this idle age on.
    pub(crate) from: Duration,
    /// Whatever the cut and the ladder were when it went, it had been idle there for so long.
    pub(crate) at_least: Duration,
    /// To the disk behind zswap, which does not give back what it has stored: what belongs on the disk has to go there at once.
    pub(crate) past_zswap: bool,
}

impl Sinking {
    /// Where it is worth more in swap, or, where slower nodes are `short` of room, once it has been idle there for long; `None` if it
    /// stays. Never younger than the policy wants in swap.
    pub(crate) fn of(
        state: &CgroupState,
        seen: &CgroupObservation,
        policy: &Policy,
        short: bool,
        now: Duration,
    ) -> Option<Self> {
        if !state.tracker.demotes_first() {
            return None;
        }
        let rungs = state.ladder.iter().flat_map(|ladder| &ladder.rungs);
        let swap: Vec<&Rung> = rungs.filter(|rung| rung.kind.is_swap()).collect();
        let past = past_zswap(&swap, seen).filter(|_| now >= state.passes_from);
        let worth = past.or_else(|| swap.iter().find_map(|rung| rung.from));
        let after = swap.first().and_then(|rung| policy.tiers.rule(rung.kind)?.after).unwrap_or_default();
        let waited = short.then(|| state.tracker.sinks_after(policy).max(after));
        let from = worth.into_iter().chain(waited).min()?;
        Some(Self { from, at_least: sinks_at_least(policy).min(from), past_zswap: past.is_some() })
    }
}

/// From which age on memory belongs on the disk behind zswap, if it can be brought there.
fn past_zswap(swap: &[&Rung], seen: &CgroupObservation) -> Option<Duration> {
    let [zswap, disk] = swap else { return None };
    let from = disk.from.filter(|_| zswap.kind == TierKind::Zswap && disk.kind == TierKind::Disk)?;
    (seen.memory.stat.zswapped.unwrap_or_default() <= FEW_IN_ZSWAP).then_some(from)
}
