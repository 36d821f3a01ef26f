use rstest::rstest;

use super::*;
use crate::{
    KdamondState,
    tests::fake::{Kernel, Version},
};

/// Files whose writes make directories anew.
const NUMBERS: [&str; 8] = [
    "nr_kdamonds",
    "nr_contexts",
    "nr_targets",
    "nr_regions",
    "nr_schemes",
    "nr_filters",
    "nr_goals",
    "nr_dests",
];

/// Everything that this version takes.
fn rich(version: Version) -> Context {
    match version {
        Version::Old => {
            let mut context = plain();
            context.schemes.push(Scheme::new(Action::PageOut));
            context.schemes[1].filters = vec![Filter::only(FilterKind::Memcg("/a".into()))];
            context.schemes[1].quota.goals = vec![Goal::UserInput { target: 10, current: 1 }];
            context
        }
        Version::New => everything(),
    }
}

#[rstest]
#[case(Version::Old)]
#[case(Version::New)]
fn started_with_the_whole_description_and_torn_down_to_nothing(#[case] version: Version) {
    let kernel = Kernel::new(version);
    let admin = kernel.admin();
    let reservation = admin.reserve(NonZeroU32::MIN).unwrap();
    let creation = reservation.record().unwrap();
    assert!(kernel.state().writes.is_empty(), "a reservation writes nothing");
    let mut owned = reservation.claim().unwrap().pop().unwrap().probe().unwrap();
    assert_eq!(kernel.read("0/contexts/0/schemes/nr_schemes"), "0", "the probe leaves nothing behind");
    owned.start(&rich(version)).unwrap();
    assert_eq!(kernel.running().len(), 1);
    assert_eq!(owned.thread().map(|thread| thread.pid), Some(kernel.running()[0].1));
    assert_eq!(kernel.read("0/contexts/0/schemes/1/access_pattern/age/max"), "4294967295");
    assert_eq!(owned.cpu_time().unwrap(), Duration::from_micros(5));
    owned.teardown().unwrap();
    assert_eq!(admin.kdamonds().unwrap()[0].state, KdamondState::Vacant);
    crate::recover::teardown_with(&admin, &[creation])[0].as_ref().unwrap();
    assert_eq!(kernel.read("nr_kdamonds"), "0");
}

#[rstest]
#[case(Version::Old)]
#[case(Version::New)]
fn retuned_without_making_anything_anew(#[case] version: Version) {
    let kernel = Kernel::new(version);
    let mut owned = claim(&kernel.admin());
    let mut context = rich(version);
    owned.start(&context).unwrap();
    let thread = owned.thread();
    kernel.state().writes.clear();
    context.monitoring.intervals.aggregation = Duration::from_millis(200);
    context.schemes[1].quota.bytes = Bytes::mib(7);
    owned.commit(&context).unwrap();
    let writes = std::mem::take(&mut kernel.state().writes);
    let makes = |path: &str| path.rsplit('/').next().is_some_and(|name| NUMBERS.contains(&name));
    let made: Vec<_> = writes.iter().filter(|(path, _)| makes(path)).collect();
    assert!(made.is_empty(), "{made:?}");
    assert_eq!(writes.last().unwrap(), &("0/state".to_owned(), "commit".to_owned()));
    assert_eq!(kernel.read("0/contexts/0/monitoring_attrs/intervals/aggr_us"), "200000");
    assert_eq!(kernel.read("0/contexts/0/schemes/1/quotas/bytes"), "7340032");
    assert_eq!(owned.thread(), thread);
}

#[test]
fn another_number_makes_only_its_own_directories_anew_and_fills_them() {
    let kernel = Kernel::new(Version::New);
    let mut owned = claim(&kernel.admin());
    let mut context = everything();
    owned.start(&context).unwrap();
    kernel.state().writes.clear();
    context.schemes[0].filters.push(Filter::only(FilterKind::Anonymous));
    owned.commit(&context).unwrap();
    let counts = |(path, value): &(String, String)| {
        path.ends_with("nr_filters").then(|| (path.clone(), value.clone()))
    };
    let made: Vec<_> = kernel.state().writes.iter().filter_map(counts).collect();
    assert_eq!(made, [("0/contexts/0/schemes/0/ops_filters/nr_filters".to_owned(), "5".to_owned())]);
    assert_eq!(kernel.read("0/contexts/0/schemes/0/ops_filters/0/memcg_path"), "/a");
    assert_eq!(kernel.read("0/contexts/0/schemes/0/ops_filters/4/type"), "anon");
}

#[test]
fn quota_goals_alone() {
    let kernel = Kernel::new(Version::Old);
    let mut owned = claim(&kernel.admin());
    let mut context = rich(Version::Old);
    owned.start(&context).unwrap();
    kernel.state().writes.clear();
    context.schemes[1].quota.goals = vec![Goal::UserInput { target: 10, current: 9 }];
    context.schemes[1].quota.bytes = Bytes::mib(1);
    owned.commit_quota_goals(&context).unwrap();
    assert_eq!(kernel.read("0/contexts/0/schemes/1/quotas/goals/0/current_value"), "9");
    assert_eq!(kernel.read("0/contexts/0/schemes/1/quotas/bytes"), "0");
    assert_eq!(kernel.state().writes.last().unwrap().1, "commit_schemes_quota_goals");
}

#[test]
fn stopped_twice_and_started_again() {
    for version in [Version::Old, Version::New] {
        let kernel = Kernel::new(version);
        let mut owned = claim(&kernel.admin());
        owned.stop().unwrap();
        owned.start(&plain()).unwrap();
        owned.stop().unwrap();
        owned.stop().unwrap();
        assert!(!owned.is_running().unwrap());
        assert!(kernel.running().is_empty());
        owned.start(&plain()).unwrap();
        assert!(owned.is_running().unwrap());
    }
}

#[test]
fn results_are_asked_for_before_they_are_read() {
    let kernel = Kernel::new(Version::New);
    let mut owned = claim(&kernel.admin());
    owned.start(&plain()).unwrap();
    kernel.state().writes.clear();
    assert_eq!(owned.stats().unwrap().len(), 1);
    assert_eq!(owned.tried_bytes().unwrap(), [Bytes::ZERO]);
    assert_eq!(owned.effective_quotas().unwrap(), [Bytes::ZERO]);
    assert_eq!(owned.tuned_intervals().unwrap(), (Duration::from_millis(5), Duration::from_millis(100)));
    let snapshot = owned.snapshot().unwrap();
    assert_eq!((snapshot.samples, snapshot.schemes.len()), (20, 1));
    assert!(snapshot.monitored.is_some());
    let commands: Vec<_> = kernel.state().writes.iter().map(|(_, command)| command.clone()).collect();
    let expected = [
        "update_schemes_stats",
        "update_schemes_tried_bytes",
        "update_schemes_effective_quotas",
        "update_tuned_intervals",
        "update_schemes_tried_regions",
    ];
    assert_eq!(commands, expected);
}
