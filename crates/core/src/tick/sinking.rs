//! What goes on from slower nodes to swap: from which age on, and whether into zswap or past it.

use std::time::Duration;

use super::Case;
use crate::{
    cgroup_state::{CgroupState, Sinking},
    idle::sinks_at_least,
    observation::CgroupObservation,
    placement::Rung,
    tier::TierKind,
    units::Bytes,
};

/// With more than this of a cgroup in zswap it is not passed: a store that meets the limit would write out
/// what is there instead, whose age nobody knows (tried on 6.12 and 7.3: docs/balancer.md).
const FEW_IN_ZSWAP: Bytes = Bytes::mib(1);

impl Case<'_> {
    /// Where it is worth more in swap, or, where slower nodes are short of room, once it has been idle there
    /// for long; `None` if it stays. Never younger than the policy wants in swap.
    pub(super) fn sinking(&self, state: &CgroupState) -> Option<Sinking> {
        if !state.tracker.demotes_first() {
            return None;
        }
        let rungs = state.ladder.iter().flat_map(|ladder| &ladder.rungs);
        let swap: Vec<&Rung> = rungs.filter(|rung| rung.kind.is_swap()).collect();
        let past = past_zswap(&swap, self.cgroup).filter(|_| self.now >= state.passes_from);
        let worth = past.or_else(|| swap.iter().find_map(|rung| rung.from));
        let after =
            swap.first().and_then(|rung| self.policy.tiers.rule(rung.kind)?.after).unwrap_or_default();
        let short = self.is_short_of_nodes();
        let waited = short.then(|| state.tracker.sinks_after(self.policy).max(after));
        let from = worth.into_iter().chain(waited).min()?;
        let at_least = sinks_at_least(self.policy).min(from);
        Some(Sinking { from, at_least, past_zswap: past.is_some() })
    }
}

/// From which age on memory belongs on the disk behind zswap, if it can be brought there.
fn past_zswap(swap: &[&Rung], seen: &CgroupObservation) -> Option<Duration> {
    let [zswap, disk] = swap else { return None };
    let from = disk.from.filter(|_| zswap.kind == TierKind::Zswap && disk.kind == TierKind::Disk)?;
    (seen.memory.stat.zswapped.unwrap_or_default() <= FEW_IN_ZSWAP).then_some(from)
}
