//! What holds for a cgroup because of the cgroups above it: the kernel asks at every one of them, up to the
//! root.

use crate::{
    cgroup::{Above, Memory},
    observation::CgroupObservation,
    units::{Bytes, Limit},
};

/// What one cgroup has set. Only people change it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// memory.min.
    pub min: Bytes,
    /// memory.low.
    pub low: Bytes,
    /// memory.swap.max.
    pub swap_max: Option<Limit>,
    /// memory.swap.high.
    pub swap_high: Option<Limit>,
    /// memory.zswap.max.
    pub zswap_max: Option<Limit>,
    /// memory.zswap.writeback; `None` where the kernel has no such file.
    pub zswap_writeback: Option<bool>,
}

/// What one cgroup has set, and takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// memory.current.
    pub current: Bytes,
    /// memory.swap.current.
    pub swap_current: Bytes,
    /// memory.zswap.current.
    pub zswap_current: Bytes,
    /// What it has set.
    pub limits: Limits,
}

/// A cgroup above targets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Level {
    /// The one above it, by its place among the levels; `None` below the root.
    pub parent: Option<usize>,
    /// Its own.
    pub settings: Settings,
}

/// Where a target stands among the levels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The level right above it; `None` below the root.
    pub above: Option<usize>,
    /// Its own, where it has children.
    pub own: Option<usize>,
}

/// Has each cgroup's memory say what holds along its path. `places` are where the cgroups stand, `own` what
/// they have set of zswap themselves; levels stand parents before children.
///
/// `recursive`: protection that nobody below claims holds for all below (the mount option
/// memory_recursiveprot, 5.7).
pub fn settle(
    levels: &[Level],
    cgroups: &mut [CgroupObservation],
    places: &[Place],
    own: &[Settings],
    recursive: bool,
) {
    let paths = paths(levels);
    let min =
        Protection { of: |one: &Limits| one.min, recursive }
            .of_levels(levels, cgroups, places, |memory| memory.min);
    let low =
        Protection { of: |one: &Limits| one.low, recursive }
            .of_levels(levels, cgroups, places, |memory| memory.low);
    for (index, cgroup) in cgroups.iter_mut().enumerate() {
        let above = places.get(index).and_then(|place| place.above);
        let path = above.and_then(|above| paths.get(above)).copied().unwrap_or_default();
        let memory = &mut cgroup.memory;
        memory.above = own.get(index).map_or(path, |own| Above {
            swap: path.swap,
            no_swap: path.no_swap,
            ..path.below(own)
        });
        if let Some(above) = above {
            memory.min = min.of(above, memory.current, memory.min);
            memory.low = low.of(above, memory.current, memory.low);
        }
    }
}

/// What each level leaves to those below it.
fn paths(levels: &[Level]) -> Vec<Above> {
    let mut paths: Vec<Above> = Vec::with_capacity(levels.len());
    for Level { parent, settings } in levels {
        let above = parent.and_then(|parent| paths.get(parent)).copied().unwrap_or_default();
        paths.push(above.below(settings));
    }
    paths
}

impl Above {
    fn below(self, settings: &Settings) -> Self {
        let Settings { swap_current, zswap_current, limits, .. } = settings;
        let Limits { swap_max, swap_high, zswap_max, zswap_writeback, .. } = limits;
        let room = |limit: &Option<Limit>, used: &Bytes| match limit {
            Some(Limit::At(limit)) => Some(*limit - *used),
            Some(Limit::Max) | None => None,
        };
        let swap = [room(swap_max, swap_current), room(swap_high, swap_current)];
        Self {
            swap: self.swap.into_iter().chain(swap.into_iter().flatten()).min(),
            no_swap: self.no_swap || *swap_max == Some(Limit::At(Bytes::ZERO)),
            zswap: self.zswap.into_iter().chain(room(zswap_max, zswap_current)).min(),
            stays_in_zswap: self.stays_in_zswap || *zswap_writeback == Some(false),
        }
    }
}

/// memory.min or memory.low.
struct Protection<F> {
    of: F,
    recursive: bool,
}

/// What each level has of it for those below, what they claim of that, and what it takes.
struct Shares {
    levels: Vec<Share>,
    recursive: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    current: Bytes,
    effective: Bytes,
    claimed: Bytes,
}

impl<F: Fn(&Limits) -> Bytes> Protection<F> {
    /// Of the children of a level only those are known that are targets or above some: what others claim
    /// counts as not claimed, so that rather more is kept than the kernel would.
    fn of_levels(
        &self,
        levels: &[Level],
        cgroups: &[CgroupObservation],
        places: &[Place],
        own: impl Fn(&Memory) -> Bytes,
    ) -> Shares {
        let new = |level: &Level| Share { current: level.settings.current, ..Share::default() };
        let mut shares = Shares { levels: levels.iter().map(new).collect(), recursive: self.recursive };
        for Level { parent, settings } in levels {
            shares.claim(*parent, settings.current.min((self.of)(&settings.limits)));
        }
        // One that is a level itself has claimed already.
        for (cgroup, place) in cgroups.iter().zip(places).filter(|(_, place)| place.own.is_none()) {
            shares.claim(place.above, cgroup.memory.current.min(own(&cgroup.memory)));
        }
        for (index, Level { parent, settings }) in levels.iter().enumerate() {
            let set = (self.of)(&settings.limits);
            shares.levels[index].effective = match parent {
                Some(parent) if *parent < index => shares.of(*parent, settings.current, set),
                // Below the root all that is set holds.
                _ => set,
            };
        }
        shares
    }
}

impl Shares {
    fn claim(&mut self, parent: Option<usize>, claim: Bytes) {
        if let Some(share) = parent.and_then(|parent| self.levels.get_mut(parent)) {
            share.claimed += claim;
        }
    }

    /// What holds for a cgroup below a level that takes `current` and has `set` so much. Claims beyond what
    /// the level has are cut in proportion; what nobody claims is shared out by what the children take beyond
    /// their claims (`effective_protection`, mm/page_counter.c; before 6.12 mm/memcontrol.c).
    fn of(&self, level: usize, current: Bytes, set: Bytes) -> Bytes {
        let Some(Share { current: taken, effective, claimed }) = self.levels.get(level).copied() else {
            return set;
        };
        let claim = current.min(set);
        if claimed > effective {
            return claim.scale(effective.share_of(claimed)).min(claim);
        }
        if !self.recursive || taken <= claimed {
            return claim;
        }
        claim + (effective - claimed).scale((current - claim).share_of(taken - claimed).clamped())
    }
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
