use super::*;
use crate::tier::TierKind;
use crate::{CgroupId, confinement::Confinement};

fn tier(kind: TierKind, used: u64, stored: u64) -> Tier {
    Tier {
        kind,
        device: kind.name().into(),
        priority: Some(1),
        capacity: Bytes::mib(100),
        used: Bytes::new(used),
        stored: Bytes::new(stored),
        resident: Bytes::ZERO,
        resident_limit: None,
        above: None,
    }
}

fn seen(memory: Memory, tiers: Vec<Tier>) -> Observation {
    let cgroup = CgroupObservation {
        id: CgroupId(1),
        path: "/a".into(),
        policy: 0,
        populated: true,
        opted_out: false,
        memory,
        confined: Confinement::default(),
        processor_time: None,
        reads: [].into(),
        memory_pressure: None,
        io_pressure: None,
        alarm: false,
        pending: crate::Pending::Nothing,
        effects: Vec::new(),
        reading: None,
    };
    let host =
        HostObservation { total: Bytes::mib(1000), swap_total: None, tiers, ..HostObservation::default() };
    Observation { host, cgroups: vec![cgroup] }
}

/// Kind 6: 16 EiB saved.
#[test]
fn nobody_has_more_than_the_host() {
    let huge = Bytes::new(u64::MAX - 4095);
    let stat = MemoryStat {
        anon: huge,
        inactive_file: huge,
        zswapped: Some(huge),
        refault_anon: Some(huge),
        refault_file: Some(Bytes::mib(1)),
        ..MemoryStat::default()
    };
    let memory = Memory {
        current: huge,
        swap_current: Some(huge),
        zswap_current: Some(huge),
        stat,
        ..Memory::default()
    };
    let tiers = vec![
        tier(TierKind::Zswap, u64::MAX, u64::MAX),
        tier(TierKind::Zram, u64::MAX, u64::MAX),
        tier(TierKind::Disk, 4096, 4096),
    ];
    let mut seen = seen(memory, tiers);
    let mut left_out = LeftOut::default();
    seen.bound(&mut left_out);
    assert_eq!(left_out.count(Kind::Value), 3, "{left_out:?}");
    let Memory { current, swap_current, zswap_current, stat, .. } = &seen.cgroups[0].memory;
    let (dram, swap) = (Bytes::mib(1000), Some(Bytes::mib(200)));
    assert_eq!((*current, *swap_current, *zswap_current), (dram, swap, Some(dram)));
    assert_eq!((stat.anon, stat.inactive_file, stat.zswapped), (dram, dram, swap));
    assert_eq!((stat.refault_anon, stat.refault_file), (None, Some(Bytes::mib(1))));
    let saved: Bytes = seen.host.tiers.iter().map(|tier| tier.stored - tier.resident).sum();
    assert!(saved <= Bytes::mib(301), "{saved}");
}

#[test]
fn what_is_possible_stays() {
    let stat = MemoryStat {
        anon: Bytes::mib(900),
        refault_anon: Some(Bytes::new(1 << 60)),
        ..MemoryStat::default()
    };
    let memory =
        Memory { current: Bytes::mib(1000), swap_current: Some(Bytes::mib(100)), stat, ..Memory::default() };
    let before = seen(memory, vec![tier(TierKind::Disk, 100 << 20, 100 << 20)]);
    let (mut after, mut left_out) = (before.clone(), LeftOut::default());
    after.bound(&mut left_out);
    assert_eq!((after.host, left_out), (before.host, LeftOut::default()));
    assert_eq!(after.cgroups[0].memory, before.cgroups[0].memory);
}

#[test]
fn no_request_moved_more_than_the_host_has() {
    let huge = Bytes::new(u64::MAX - 4095);
    let mut effect = Effect { offloaded: huge, freed: Bytes::mib(1), ..Effect::default() };
    effect.bound(Bytes::mib(1000));
    assert_eq!((effect.offloaded, effect.freed), (Bytes::mib(1000), Bytes::mib(1)));
}
