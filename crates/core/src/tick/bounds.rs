//! What bounds a request: the policy's limits, the cgroup's own protection, and the room that swap and slower
//! nodes have.

use super::{Case, Step};
use crate::{
    cgroup::Memory,
    confinement::{Why, ZswapBound},
    decision::{Figures, Reason},
    effect::Scope,
    mode::Mode,
    room::{BATCH, Room},
    tier::{Tier, TierKind},
    units::Bytes,
};

/// What a program's text in use takes.
const TEXT: Bytes = Bytes::mib(4);

impl Case<'_> {
    /// Within what the policy's limits and the cgroup's own protection leave.
    pub(super) fn bounded(&self, step: Step, figures: &Figures) -> Step {
        let (protected, protection) = self.protected();
        step.at_most(figures.minute_left, Reason::PerMinute)
            .at_most(self.reclaimable(step.scope), Reason::NothingReclaimable)
            .at_most(self.within_reach(step.scope) - protected, protection)
    }

    /// Whether anonymous memory may go, and if not, why not.
    ///
    /// Fails where page cache alone is wanted but this kernel cannot be asked for it.
    pub(super) fn scope(&self, room: &Room) -> Result<(Scope, Option<Reason>), (Reason, Reason)> {
        let Some(why) = self.anonymous_stays(room) else { return Ok((Scope::Any, None)) };
        // Without swap, or with memory.swap.max at 0, the kernel itself leaves anonymous memory alone.
        let kernel_sees_to_it = self.host.swap().is_none()
            || self.cgroup.memory.swap_max.is_some_and(|max| max.bytes().is_zero())
            || self.cgroup.memory.above.no_swap;
        if self.host.reclaim_takes_swappiness || kernel_sees_to_it {
            Ok((Scope::File, Some(why)))
        } else {
            Err((Reason::FileOnlyUnsupported, why))
        }
    }

    pub(super) fn anonymous_stays(&self, room: &Room) -> Option<Reason> {
        if self.policy.mode == Mode::File {
            return Some(Reason::FileMode);
        }
        let bound = self.own_rooms().into_iter().find(|(room, _)| *room < BATCH);
        bound.map(|(_, reason)| reason).or_else(|| room.for_anonymous().err())
    }

    /// How much of this cgroup's anonymous memory may be swapped out, and why no more, whatever the host has
    /// room for.
    fn own_rooms(&self) -> [(Bytes, Reason); 4] {
        [
            self.tiers_room(),
            (self.swap_max_room(), Reason::SwapMax),
            self.zswap_room(),
            (self.worth_storing, Reason::Incompressible),
        ]
    }

    /// A pod has tmpfs, and what is swapped out may come to lie on a disk.
    pub(super) fn keeps_tmpfs(&self) -> bool {
        self.cgroup.confined.swap.is_some_and(|bound| bound.why == Why::Tmpfs)
    }

    /// Below memory.swap.max, its own and of those above, and below memory.swap.high: a cgroup that lowtide
    /// pushed over that would be throttled for as long as its pages stay swapped out (mm/memcontrol.c,
    /// mem_cgroup_handle_over_high).
    fn swap_max_room(&self) -> Bytes {
        let Memory { swap_current, swap_max, swap_high, .. } = &self.cgroup.memory;
        let used = swap_current.unwrap_or_default();
        let own = [swap_max, swap_high].into_iter().flatten().map(|limit| limit.room(used));
        own.chain(self.cgroup.memory.above.swap).min().unwrap_or(Bytes::MAX)
    }

    /// Below what the policy's tiers allow on this host.
    fn tiers_room(&self) -> (Bytes, Reason) {
        let Some(bound) = self.cgroup.confined.swap else { return (Bytes::MAX, Reason::TierAtMost) };
        let reason = match bound.why {
            Why::Tmpfs => Reason::TmpfsToDisk,
            _ if bound.limit.is_zero() => Reason::TierForbidden,
            _ => Reason::TierAtMost,
        };
        (bound.limit - self.cgroup.memory.swap_current.unwrap_or_default(), reason)
    }

    /// For a cgroup whose pages have to stay in zswap: what its pool can still take at today's compression.
    /// The kernel puts a page back that does not fit.
    fn zswap_room(&self) -> (Bytes, Reason) {
        let zswap = || self.host.tiers.iter().find(|tier| tier.kind == TierKind::Zswap);
        let above = self.cgroup.memory.above;
        let below_limit = |zswap: &Tier| above.zswap.map_or(Bytes::MAX, |limit| zswap.uncompressed(limit));
        let room_of = |zswap: &Tier| zswap.uncompressed_room().min(below_limit(zswap));
        let room = match self.cgroup.confined.zswap {
            ZswapBound::Stays => zswap().map_or(Bytes::ZERO, room_of),
            // With zswap off the kernel does not look at the switch (`mem_cgroup_zswap_writeback_enabled`,
            // mm/memcontrol.c).
            ZswapBound::Free if above.stays_in_zswap => zswap().map_or(Bytes::MAX, room_of),
            ZswapBound::Free | ZswapBound::AtMost(_) => Bytes::MAX,
        };
        (room, Reason::SwapReserve)
    }

    pub(super) fn within_room(&self, step: Step, room: &Room) -> Step {
        match (step.scope, room.for_anonymous()) {
            (Scope::Demote, _) => step.at_most(room.for_demotion().unwrap_or_default(), Reason::NodeReserve),
            (Scope::Any | Scope::Anon | Scope::Sink, Ok((left, bound))) => self
                .own_rooms()
                .into_iter()
                .fold(step.at_most(left, bound), |step, (room, why)| step.at_most(room, why)),
            _ => step,
        }
    }

    /// What a request may make smaller: on a host that demotes the cgroup's memory in DRAM, and what is on
    /// slower nodes only for what goes on from there.
    pub(super) fn within_reach(&self, scope: Scope) -> Bytes {
        let memory = &self.cgroup.memory;
        match scope {
            Scope::File | Scope::Anon | Scope::Any | Scope::Demote if self.host.slow_nodes().is_some() => {
                memory.current - memory.demoted().total()
            }
            _ => memory.current,
        }
    }

    /// What must stay in DRAM, and for whose sake.
    ///
    /// The kernel ignores the target's own memory.min and memory.low in memory.reclaim (KERNEL.md §1), so
    /// they are kept here.
    pub(super) fn protected(&self) -> (Bytes, Reason) {
        let Memory { min, low, .. } = self.cgroup.memory;
        let own = min.max(low);
        let floor = self.policy.limits.floor;
        if own > floor { (own, Reason::Protected) } else { (floor, Reason::Floor) }
    }

    /// What is on the lists that reclaim may scan; where the kernel chooses between the types, without page
    /// cache that is mapped.
    ///
    /// Program text is page cache too, and the next step of the program waits for it: 249 ms for one request
    /// of a redis whose page cache was little else (6.12). No pressure tells before it is gone, so it is left
    /// out of what is asked for.
    fn reclaimable(&self, scope: Scope) -> Bytes {
        let stat = &self.cgroup.memory.stat;
        let anon = stat.inactive_anon + stat.active_anon;
        match scope {
            // How much of what is mapped may go is known by ages alone: `file_part`.
            Scope::File => stat.inactive_file + stat.active_file,
            Scope::Anon => anon,
            Scope::Any => anon + self.unmapped(),
            Scope::Demote => anon - self.cgroup.memory.demoted().anon,
            Scope::Sink => self.cgroup.memory.demoted().anon,
        }
    }

    /// Page cache that nobody maps. Shared memory is counted among what is mapped, and is on the lists of
    /// anonymous memory.
    ///
    /// Where page cache is all that may go at all, mapped data files are most of what some programs have:
    /// there no more than a program's text is taken to be mapped.
    pub(super) fn unmapped(&self) -> Bytes {
        let stat = &self.cgroup.memory.stat;
        let mapped = stat.file_mapped - stat.shmem;
        let nothing_else = self.policy.mode == Mode::File || self.host.swap().is_none();
        let stays = if nothing_else { mapped.min(TEXT) } else { mapped };
        stat.inactive_file + stat.active_file - stays
    }
}
