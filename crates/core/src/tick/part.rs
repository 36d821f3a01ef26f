//! Which memory a request is for, and how much of it is cold.

use std::time::Duration;

use super::{Case, Refused};
use crate::{
    cgroup_state::CgroupState,
    decision::Reason,
    effect::Scope,
    room::{BATCH, Room},
    units::{Bytes, Ratio},
};

/// This share of a cgroup is left where it is though it has been idle beyond the cut, but at least so much.
const LEFT_OVER: Ratio = Ratio::new(1.0 / 64.0);
const LEAST_LEFT_OVER: Bytes = Bytes::mib(1);

/// What is mapped is to have been idle for so many times `cold_after`: a program's next step waits for its
/// text, and for a disk.
const MAPPED_AFTER: u32 = 4;

/// Of which memory, and how much of it is cold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) scope: Scope,
    pub(super) cold: Bytes,
    /// Why there is no more that is cold.
    pub(super) rest: Reason,
    /// Why anonymous memory was left out, where the policy would have allowed it.
    pub(super) file_only: Option<Reason>,
}

impl Part {
    pub(super) const fn of(scope: Scope, cold: Bytes) -> Self {
        Self { scope, cold, rest: Reason::NothingCold, file_only: None }
    }

    fn is_something(&self) -> bool {
        self.cold >= BATCH
    }
}

impl Case<'_> {
    /// On a host without slower nodes, or where neither they nor swap may take more: each type of memory that
    /// may be asked for, at least one. The two are asked for apart, because each has its own account of what
    /// came back, and the kernel left to itself weighs them by its own refault counts (mm/vmscan.c,
    /// `get_type_to_scan`) and takes mapped page cache too.
    pub(super) fn parts(&self, state: &CgroupState, room: &Room) -> Result<(Part, Option<Part>), Refused> {
        let (scope, file_only) = self.scope(room).map_err(|(hold, why)| (hold, Some(why)))?;
        if scope == Scope::Any && self.leaves_the_choice(state) {
            return Ok((self.both(state), None));
        }
        let file = Part { file_only, ..self.file_part(state) };
        if scope == Scope::File {
            return Ok((file, None));
        }
        let anon = self.anon_part(state);
        Ok(match (anon.is_something(), file.is_something()) {
            (true, true) => (anon, Some(file)),
            (false, true) => (file, None),
            _ => (anon, None),
        })
    }

    /// Whether the kernel chooses between the types by itself: one before 6.12 always does. Another knows
    /// better than this loop what is cold where there are no idle ages (asked for anonymous memory alone
    /// before it has aged any, 6.12 took 18 MiB for 128 KiB), but not where page cache is mostly program
    /// text.
    pub(super) fn leaves_the_choice(&self, state: &CgroupState) -> bool {
        let stat = &self.cgroup.memory.stat;
        let mapped = stat.file_mapped - stat.shmem;
        let is_text = mapped >= LEAST_LEFT_OVER && mapped > self.unmapped();
        let blind = self.cold(state).is_none() && !self.cgroup.memory.has_little_anonymous();
        !self.host.reclaim_takes_swappiness || (blind && !is_text)
    }

    /// With idle ages no more than what is beyond the cut; without them pressure alone tells.
    fn anon_part(&self, state: &CgroupState) -> Part {
        if self.cgroup.memory.has_little_anonymous() {
            return Part::of(Scope::Anon, Bytes::ZERO);
        }
        let Some((_, idle)) = self.cold(state) else { return Part::of(Scope::Anon, Bytes::MAX) };
        Part { rest: self.why_no_more(state, idle), ..Part::of(Scope::Anon, self.without_the_last(idle)) }
    }

    /// By pressure and what came of it, no earlier than `cold_after`: what is read through descriptors looks
    /// idle to every source of ages. What is mapped goes by ages alone.
    fn file_part(&self, state: &CgroupState) -> Part {
        let waited = self.cold(state).is_none() || self.has_waited(state);
        let unmapped = self.unmapped();
        let last = unmapped.scale(LEFT_OVER).max(LEAST_LEFT_OVER);
        let may_go = (unmapped + self.idle_mapped(state)) - last;
        Part {
            rest: Reason::NothingReclaimable,
            ..Part::of(Scope::File, if waited { may_go } else { Bytes::ZERO })
        }
    }

    /// Page cache that is mapped and surely idle: all idle page cache, but for as much as nobody maps, of
    /// which the source sees no touch. The kernel takes the oldest generation first, so what is in use is not
    /// what goes.
    fn idle_mapped(&self, state: &CgroupState) -> Bytes {
        let Some((cut, _)) = self.cold(state) else { return Bytes::ZERO };
        let from = cut.max(self.policy.cold_after.saturating_mul(MAPPED_AFTER));
        let stat = &self.cgroup.memory.stat;
        let mapped = (stat.inactive_file + stat.active_file) - self.unmapped();
        (state.tracker.idle_page_cache(from) - self.unmapped()).min(mapped)
    }

    /// A kernel that chooses between the types by itself: page cache too may go, and no earlier than without
    /// ages.
    fn both(&self, state: &CgroupState) -> Part {
        let Some((_, idle)) = self.cold(state) else { return Part::of(Scope::Any, Bytes::MAX) };
        if self.host.slow_nodes().is_some() {
            // It would demote and swap at once, whatever it finds on either node.
            return Part::of(Scope::File, Bytes::ZERO);
        }
        let idle = self.without_the_last(idle);
        Part::of(
            Scope::Any,
            match self.has_waited(state) {
                true if idle >= BATCH => idle,
                true => Bytes::MAX,
                false => Bytes::ZERO,
            },
        )
    }

    pub(super) fn has_waited(&self, state: &CgroupState) -> bool {
        state.watch.is_over(self.policy.cold_after, self.now)
    }

    /// Something is idle for long enough, and yet not worth it.
    fn why_no_more(&self, state: &CgroupState, idle: Bytes) -> Reason {
        let allowed = self.policy.cold_after.max(self.after).max(state.tracker.allowed_from(self.policy));
        let more = state.tracker.idle(allowed) - idle;
        if self.without_the_last(more) >= BATCH { Reason::NotWorthIt } else { Reason::NothingCold }
    }

    /// From which idle age on memory may leave DRAM, no earlier than the policy wants on the first tier, and
    /// what has been idle for longer; `None` without an idle-age source.
    pub(super) fn cold(&self, state: &CgroupState) -> Option<(Duration, Bytes)> {
        let current = state.tracker.is_current(self.policy, self.now);
        let from = current.then(|| state.tracker.leaves_from(self.policy))?.max(self.after);
        Some((from, state.tracker.idle(from)))
    }

    /// Anonymous memory that has been idle for `cold_after`, whatever it is worth; nothing without an
    /// idle-age source.
    pub(super) fn long_idle(&self, state: &CgroupState) -> Bytes {
        let current = state.tracker.is_current(self.policy, self.now);
        if current { self.without_the_last(state.tracker.idle(self.policy.cold_after)) } else { Bytes::ZERO }
    }

    /// Not the last of what is idle: where the kernel runs out of old pages before it has what was asked for,
    /// it goes on with the next generation and does not stop in time (in the lab on 6.12: 6 MiB for the last
    /// 1.8, 4 of them in use).
    pub(super) fn without_the_last(&self, idle: Bytes) -> Bytes {
        idle - self.least_left()
    }

    /// So much of what is idle stays.
    pub(super) fn least_left(&self) -> Bytes {
        self.cgroup.memory.footprint().scale(LEFT_OVER).max(LEAST_LEFT_OVER)
    }
}
