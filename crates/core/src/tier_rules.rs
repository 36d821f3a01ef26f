//! Which tiers a policy allows to a cgroup, from which idle age on, and how much of it they may hold.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    tier::TierKind,
    units::{Bytes, Ratio},
};

/// How much of a cgroup a tier may hold.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AtMost {
    /// So much.
    Bytes(Bytes),
    /// This share of the cgroup's memory, in DRAM and offloaded.
    OfMemory(Ratio),
}

impl AtMost {
    /// How much that is of a cgroup with so much memory.
    #[must_use]
    pub fn of(self, footprint: Bytes) -> Bytes {
        match self {
            Self::Bytes(size) => size,
            Self::OfMemory(share) => footprint.scale(share),
        }
    }
}

/// What is said of a tier that is allowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct TierRule {
    /// The idle age from which on pages may go there; `None` leaves it to placement.
    pub after: Option<Duration>,
    /// How much it may hold: uncompressed bytes, but for zswap compressed ones. `None` for as much as there
    /// is room.
    pub at_most: Option<AtMost>,
}

/// Which tiers a cgroup's memory may go to.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TierRules {
    /// Every tier that the host has.
    #[default]
    Any,
    /// These; all others are forbidden.
    Only(BTreeMap<TierKind, TierRule>),
}

impl TierRules {
    /// What is said of a tier; `None` if it is forbidden.
    #[must_use]
    pub fn rule(&self, tier: TierKind) -> Option<TierRule> {
        match self {
            Self::Any => Some(TierRule::default()),
            Self::Only(rules) => rules.get(&tier).copied(),
        }
    }

    /// Whether memory may go there at all.
    #[must_use]
    pub fn allows(&self, tier: TierKind) -> bool {
        self.rule(tier).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_forbidden_and_no_list_allows_everything() {
        let after = Some(Duration::from_secs(1));
        let rules = TierRules::Only([(TierKind::Zram, TierRule { after, at_most: None })].into());
        assert_eq!(rules.rule(TierKind::Zram).and_then(|rule| rule.after), after);
        for kind in [TierKind::Zswap, TierKind::Disk] {
            assert!(!rules.allows(kind) && TierRules::Any.allows(kind), "{kind:?}");
        }
        assert_eq!(TierKind::ALL.map(|tier| rules.allows(tier)), [false, true, false, false]);
    }

    #[test]
    fn a_share_is_of_all_memory_of_the_cgroup() {
        assert_eq!(AtMost::OfMemory(Ratio::percent(25.0)).of(Bytes::mib(80)), Bytes::mib(20));
        assert_eq!(AtMost::Bytes(Bytes::mib(7)).of(Bytes::mib(80)), Bytes::mib(7));
    }
}
