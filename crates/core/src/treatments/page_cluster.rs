//! How many pages a swap-in reads: the kernel reads 2^`vm.page-cluster` pages around the one that is wanted,
//! since a disk has to seek. Memory does not, and each page that nobody wanted is decompressed and takes DRAM
//! until it is thrown out again.

use super::Reason;
use crate::tier::Tier;

/// What is decided at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Clustering {
    /// Why.
    pub reason: Reason,
    /// Whether a swap-in shall read the one page alone; else `vm.page-cluster` has what it was found with.
    pub on: bool,
}

impl Clustering {
    /// By the tier that the kernel swaps to first, of all that there are in the order in which it fills them.
    #[must_use]
    pub fn of(tiers: &[Tier]) -> Self {
        let first = tiers.iter().find(|tier| tier.kind.is_swap() && tier.above.is_none());
        let on = first.is_some_and(|tier| tier.kind.compresses());
        Self { reason: if on { Reason::CompressedFirst } else { Reason::NoCompressedFirst }, on }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{tier::TierKind, units::Bytes};

    fn tier(kind: TierKind) -> Tier {
        Tier {
            kind,
            device: kind.name().into(),
            priority: None,
            capacity: Bytes::mib(100),
            used: Bytes::ZERO,
            stored: Bytes::ZERO,
            resident: Bytes::ZERO,
            resident_limit: None,
            above: None,
        }
    }

    #[test]
    fn it_goes_by_what_is_swapped_to_first() {
        use TierKind::{Disk, Node, Zram, Zswap};
        let cases: [(&[TierKind], bool); 7] = [
            (&[], false),
            (&[Disk], false),
            (&[Node, Disk], false),
            (&[Disk, Zram], false),
            (&[Zram], true),
            (&[Node, Zram, Disk], true),
            (&[Zswap, Disk], true),
        ];
        for (kinds, on) in cases {
            let tiers: Vec<_> = kinds.iter().copied().map(tier).collect();
            assert_eq!(Clustering::of(&tiers).on, on, "{kinds:?}");
        }
    }

    #[test]
    fn a_backing_device_is_nothing_that_is_swapped_to() {
        let behind = Tier { above: Some("zram0".into()), ..tier(TierKind::Disk) };
        assert!(Clustering::of(&[behind, tier(TierKind::Zram)]).on);
    }
}
