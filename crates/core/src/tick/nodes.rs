//! One cgroup on a host with slower nodes: what leaves DRAM for them, and what goes on from there to swap.

use super::{Case, part::Part};
use crate::{
    cgroup_state::CgroupState,
    confinement::PastZswap,
    decision::Reason,
    effect::Scope,
    mode::Mode,
    room::{BATCH, Room},
    tier::{SwapRoom, TierKind},
    units::{Bytes, Ratio},
};

/// With less than this share of the slower nodes free, or little more than the budgets leave free, what has
/// been idle there makes room, whether or not it is worth it.
const NODES_SHORT: Ratio = Ratio::percent(20.0);
const NODES_NEARLY: Ratio = Ratio::new(1.0 / 64.0);

impl Case<'_> {
    /// On a host that demotes, with idle ages: first what leaves DRAM for slower nodes, while they have room;
    /// then what goes on from there to swap. `None` where page cache is all that is left.
    ///
    /// `memory.reclaim` cannot be asked for either: it goes over all nodes in turn, demotes from one and
    /// swaps out from the other (tried on 6.12 and 7.3: of 16 MiB asked with swappiness=200 12 MiB were
    /// demoted and 3 swapped out).
    pub(super) fn by_node(&self, state: &CgroupState, room: &Room) -> Option<Result<Part, Reason>> {
        let demotable = self.demotable(state, room)?;
        let idle = self.without_the_last(self.cold(state)?.1);
        if demotable >= BATCH {
            return Some(Ok(Part::of(Scope::Demote, demotable)));
        }
        let sinkable = self.without_the_last(state.sinkable(self.policy));
        // Not while memory.zswap.max sends pages elsewhere than they belong.
        let is_set = state.wants_past_zswap == (self.cgroup.confined.past_zswap == PastZswap::Set);
        if sinkable >= BATCH && is_set && self.anonymous_stays(room).is_none() {
            return Some(Ok(Part::of(Scope::Sink, sinkable)));
        }
        // Page cache may be what fills the nodes.
        let file_only = (idle >= BATCH).then_some(Reason::NodeReserve)?;
        if !self.has_waited(state) || !self.host.reclaim_takes_swappiness {
            return Some(Err(file_only));
        }
        Some(Ok(Part { file_only: Some(file_only), ..Part::of(Scope::File, self.unmapped()) }))
    }

    /// Anonymous memory of DRAM that may go to slower nodes; `None` where nothing is demoted, or what may be
    /// is not known.
    fn demotable(&self, state: &CgroupState, room: &Room) -> Option<Bytes> {
        let left = room
            .for_demotion()
            .filter(|_| self.policy.mode != Mode::File && state.tracker.demotes_first())?;
        let idle = self.without_the_last(self.cold(state)?.1);
        let above_floor = self.within_reach(Scope::Demote) - self.protected().0;
        Some(idle.min(left).min(self.node_left()).min(above_floor))
    }

    /// Only while nothing but that is to go: what the kernel swaps out by itself is to have zswap.
    pub(super) fn wants_past_zswap(&self, state: &CgroupState, room: &Room) -> bool {
        state.sinking.is_some_and(|sinking| sinking.past_zswap)
            && self.demotable(state, room).is_some_and(|size| size < BATCH)
            && self.anonymous_stays(room).is_none()
            && self.without_the_last(state.sinkable(self.policy)) >= BATCH
    }

    /// Slower nodes take little more, of this cgroup or at all.
    pub(super) fn is_short_of_nodes(&self) -> bool {
        let Some(SwapRoom { total, free }) = self.host.slow_nodes() else { return false };
        let nearly = total.scale(self.budgets.swap_reserve) + total.scale(NODES_NEARLY);
        free < total.scale(NODES_SHORT).max(nearly)
            || self.node_left() < self.cgroup.memory.footprint().scale(NODES_NEARLY)
    }

    /// What the policy allows the cgroup to have on slower nodes besides.
    fn node_left(&self) -> Bytes {
        let rule = self.policy.tiers.rule(TierKind::Node);
        let most = rule.and_then(|rule| rule.at_most);
        let most = most.map_or(Bytes::MAX, |most| most.of(self.cgroup.memory.footprint()));
        most - self.cgroup.memory.demoted().total()
    }
}
