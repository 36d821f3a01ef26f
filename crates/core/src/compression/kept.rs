use crate::{
    observation::HostObservation,
    tier::{Tier, TierKind},
    units::{Bytes, Ratio},
};

/// Of pages that did not compress, so much of the host's memory may wait in zram until they are written
/// below; but so much in any case.
const WAITING: Ratio = Ratio::new(1.0 / 64.0);
const LEAST_WAITING: Bytes = Bytes::mib(8);

/// Whether what is swapped out is compressed in DRAM and stays there, however little that frees.
///
/// It does not where the balancer writes zram's pages to a backing device, those first that did not compress.
/// zswap keeps from 6.18 on whole what does not compress (`zswap_compress`, mm/zswap.c); before that such a
/// page goes to the device behind by itself, and does not show in the cgroup's counters.
pub(crate) fn is_kept(host: &HostObservation) -> bool {
    let sinks_from = |tier: &Tier| host.tiers.iter().find(|below| below.above.as_ref() == Some(&tier.device));
    let takes = |tier: &&Tier| tier.kind.is_swap() && tier.above.is_none();
    let enters = |tier: &&Tier| takes(tier) && (sinks_from(tier).is_some() || !tier.room().is_zero());
    let Some(entry) = host.tiers.iter().find(enters) else { return false };
    match entry.kind {
        TierKind::Zram => {
            let waiting = host.total.scale(WAITING).max(LEAST_WAITING);
            let sinks = host.ways.zram_sinks && host.zram.incompressible <= waiting;
            !sinks_from(entry).is_some_and(|below| sinks && !below.room().is_zero())
        }
        TierKind::Zswap => true,
        TierKind::Node | TierKind::Disk => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{confinement::Ways, stored::Stored};

    fn tier(kind: TierKind, above: Option<&str>) -> Tier {
        Tier {
            kind,
            device: kind.name().into(),
            priority: None,
            capacity: Bytes::mib(100),
            used: Bytes::mib(10),
            stored: Bytes::mib(10),
            resident: Bytes::ZERO,
            resident_limit: None,
            above: above.map(Into::into),
        }
    }

    fn kept(tiers: Vec<Tier>, zram_sinks: bool, incompressible: u64) -> bool {
        is_kept(&HostObservation {
            total: Bytes::mib(1024),
            tiers,
            ways: Ways { zram_sinks, ..Ways::default() },
            zram: Stored { incompressible: Bytes::mib(incompressible), ..Stored::default() },
            ..HostObservation::default()
        })
    }

    #[test]
    fn it_stays_in_zram_unless_the_balancer_writes_it_below() {
        let zram = || tier(TierKind::Zram, None);
        let below = || tier(TierKind::Disk, Some("zram"));
        assert!(kept(vec![zram()], true, 0));
        assert!(kept(vec![zram(), tier(TierKind::Disk, None)], true, 0), "a disk of lower priority");
        assert!(kept(vec![zram(), below()], false, 0), "nobody writes it back");
        assert!(!kept(vec![zram(), below()], true, 16));
        assert!(kept(vec![zram(), below()], true, 17), "too much waits to be written");
        let full = Tier { used: Bytes::mib(100), ..below() };
        assert!(kept(vec![zram(), full], true, 0));
    }

    #[test]
    fn a_disk_takes_it_and_zswap_keeps_it() {
        assert!(!kept(Vec::new(), false, 0));
        assert!(!kept(vec![tier(TierKind::Disk, None), tier(TierKind::Zram, None)], false, 0));
        assert!(kept(vec![tier(TierKind::Zswap, None), tier(TierKind::Disk, None)], false, 0));
    }
}
