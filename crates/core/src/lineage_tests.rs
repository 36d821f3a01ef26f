use proptest::prelude::*;

use super::*;
use crate::{CgroupId, cgroup::Above, confinement::Confinement};

fn level(parent: Option<usize>, current: u64, min: u64) -> Level {
    let limits = Limits { min: Bytes::mib(min), ..Limits::default() };
    Level { parent, settings: Settings { current: Bytes::mib(current), limits, ..Settings::default() } }
}

fn cgroup(current: u64, min: Bytes) -> CgroupObservation {
    CgroupObservation {
        id: CgroupId(1),
        path: "/a/b".into(),
        policy: 0,
        populated: true,
        opted_out: false,
        memory: Memory { current: Bytes::mib(current), min, ..Memory::default() },
        confined: Confinement::default(),
        processor_time: None,
        reads: [].into(),
        memory_pressure: None,
        io_pressure: None,
        alarm: false,
        pending: crate::Pending::Nothing,
        effects: Vec::new(),
        reading: None,
    }
}

fn mins(levels: &[Level], children: &[(usize, u64, Bytes)], recursive: bool) -> Vec<Bytes> {
    let mut cgroups: Vec<_> = children.iter().map(|(_, current, min)| cgroup(*current, *min)).collect();
    let places: Vec<_> =
        children.iter().map(|(parent, ..)| Place { above: Some(*parent), own: None }).collect();
    settle(levels, &mut cgroups, &places, &[], recursive);
    cgroups.iter().map(|cgroup| cgroup.memory.min).collect()
}

/// Kind 6: 20 of 100 protected MiB went.
#[test]
fn what_is_protected_above_is_shared_out_below() {
    let levels = [level(None, 120, 100)];
    assert_eq!(mins(&levels, &[(0, 120, Bytes::ZERO)], true), [Bytes::mib(100)]);
    assert_eq!(mins(&levels, &[(0, 90, Bytes::ZERO), (0, 30, Bytes::ZERO)], true), [75, 25].map(Bytes::mib));
    assert_eq!(mins(&levels, &[(0, 120, Bytes::ZERO)], false), [Bytes::ZERO], "without memory_recursiveprot");
    // Two levels above, of which the nearer claims nothing.
    let levels = [level(None, 200, 100), level(Some(0), 100, 0)];
    assert_eq!(mins(&levels, &[(1, 100, Bytes::ZERO)], true), [Bytes::mib(50)]);
}

/// Kind 6: a target with children is a level too, and claims what it has set once.
#[test]
fn a_target_with_children_claims_once() {
    let levels = [level(None, 300, 100), level(Some(0), 200, 100)];
    let mut cgroups = [cgroup(200, Bytes::mib(100))];
    settle(&levels, &mut cgroups, &[Place { above: Some(0), own: Some(1) }], &[], true);
    assert_eq!(cgroups[0].memory.min, Bytes::mib(100));
}

/// Kind 5: what a cgroup sets for itself holds as far as what is above grants it.
#[test]
fn nobody_protects_itself_beyond_what_its_parent_has() {
    assert_eq!(mins(&[level(None, 120, 0)], &[(0, 120, Bytes::MAX)], true), [Bytes::ZERO]);
    assert_eq!(mins(&[level(None, 120, 40)], &[(0, 120, Bytes::MAX)], true), [Bytes::mib(40)]);
    let levels = [level(None, 200, 40)];
    let children = [(0, 150, Bytes::MAX), (0, 50, Bytes::MAX)];
    assert_eq!(mins(&levels, &children, true), [30, 10].map(Bytes::mib));
    let levels = [level(None, 200, 0), level(Some(0), 100, 100)];
    assert_eq!(mins(&levels, &[(1, 100, Bytes::MAX)], true), [Bytes::ZERO], "two levels above");
}

#[test]
fn a_claim_goes_first_and_the_rest_is_shared() {
    let levels = [level(None, 200, 100)];
    let children = [(0, 100, Bytes::mib(60)), (0, 100, Bytes::ZERO)];
    // 40 MiB are left for 40 and 100 that are not claimed.
    let found = mins(&levels, &children, true);
    assert!(
        (found[0] - Bytes::mib(71)) < Bytes::mib(1) && found[0] + found[1] <= Bytes::mib(100),
        "{found:?}"
    );
    assert_eq!(mins(&levels, &children, false), [Bytes::mib(60), Bytes::ZERO]);
}

/// Kind 6.
#[test]
fn every_limit_on_the_path_counts() {
    let with = |parent, settings| Level { parent, settings };
    let set = |limits| Settings { limits, ..Settings::default() };
    let levels = [
        with(None, set(Limits { swap_max: Some(Limit::At(Bytes::ZERO)), ..Limits::default() })),
        with(Some(0), set(Limits { swap_max: Some(Limit::Max), ..Limits::default() })),
        with(
            None,
            Settings {
                swap_current: Bytes::mib(7),
                zswap_current: Bytes::mib(1),
                limits: Limits {
                    swap_high: Some(Limit::At(Bytes::mib(8))),
                    zswap_max: Some(Limit::At(Bytes::mib(3))),
                    zswap_writeback: Some(false),
                    ..Limits::default()
                },
                ..Settings::default()
            },
        ),
    ];
    let mut cgroups = vec![cgroup(10, Bytes::ZERO), cgroup(10, Bytes::ZERO), cgroup(10, Bytes::ZERO)];
    let one = set(Limits {
        zswap_max: Some(Limit::At(Bytes::mib(1))),
        swap_max: Some(Limit::Max),
        ..Limits::default()
    });
    let own = [Settings::default(), one, one];
    let places = [Some(1), Some(2), None].map(|above| Place { above, own: None });
    settle(&levels, &mut cgroups, &places, &own, true);
    let above: Vec<_> = cgroups.iter().map(|cgroup| cgroup.memory.above).collect();
    assert_eq!(above[0], Above { swap: Some(Bytes::ZERO), no_swap: true, ..Above::default() });
    assert_eq!(
        above[1],
        Above { swap: Some(Bytes::mib(1)), no_swap: false, zswap: Some(Bytes::mib(1)), stays_in_zswap: true }
    );
    assert_eq!(above[2], Above { zswap: Some(Bytes::mib(1)), ..Above::default() });
}

proptest! {
    /// Whatever is claimed below a level, no more is protected than the level has, and no cgroup loses what
    /// both grant.
    #[test]
    fn no_more_is_protected_than_the_level_has(
        set in 0_u64..300,
        children in prop::collection::vec((1_u64..100, 0_u64..200), 1..8),
        recursive: bool,
    ) {
        let current = children.iter().map(|(current, _)| current).sum();
        let known: Vec<_> = children.iter().map(|(current, min)| (0, *current, Bytes::mib(*min))).collect();
        let found = mins(&[level(None, current, set)], &known, recursive);
        let sum: Bytes = found.iter().copied().sum();
        let rounding = Bytes::kib(1);
        prop_assert!(sum <= Bytes::mib(set) + rounding, "{sum} of {set} MiB");
        let claimed: u64 = children.iter().map(|(current, min)| current.min(min)).sum();
        if claimed <= set {
            for ((current, min), found) in children.iter().zip(found) {
                prop_assert!(found >= Bytes::mib(*current.min(min)));
            }
        }
    }
}
