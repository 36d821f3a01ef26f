//! A host with a slower node: what is demoted, what goes on to swap, and what neither touches.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lowtide_core::{
    Action, ByType, Bytes, CgroupId, Cohort, Decision, Effect, Mode, NodeId, PastZswap, Ratio, Reading,
    Reason, Scope, Tier, TierKind, savings,
};

use crate::bench::{Bench, INTERVAL, asked, walked};

const HOUR: Duration = Duration::from_hours(1);

fn anon(size: Bytes) -> ByType {
    ByType { anon: size, file: Bytes::ZERO }
}

/// So much that has been idle for so long in DRAM, and on the node.
fn idle(bench: &mut Bench, dram: (Duration, u64), node: (Duration, u64)) {
    let cohort = |(youngest, mib): (Duration, u64)| {
        let oldest = youngest.is_zero().then_some(INTERVAL);
        Cohort { youngest, oldest, size: anon(Bytes::mib(mib)) }
    };
    let slow: Arc<[Cohort]> = Arc::new([cohort(node)]);
    let reading = Reading { slow: Some(slow), ..walked(bench.now, cohort(dram)) };
    bench.cgroup().reading = Some(Arc::new(reading));
    bench.memory().slow = BTreeMap::from([(NodeId(1), anon(Bytes::mib(node.1)))]);
}

fn scope(decision: &Decision) -> Option<Scope> {
    match decision.action {
        Action::Reclaim { scope, .. } => Some(scope),
        Action::Hold => None,
    }
}

fn decided(dram: (Duration, u64), node: (Duration, u64), depart: fn(&mut Bench)) -> Decision {
    let mut bench = Bench::warm();
    bench.slow_node(Bytes::mib(2_000));
    idle(&mut bench, dram, node);
    depart(&mut bench);
    bench.decide()
}

#[test]
fn what_is_cold_in_dram_is_demoted() {
    let decision = decided((HOUR, 300), (HOUR, 100), |_| {});
    assert_eq!(scope(&decision), Some(Scope::Demote));
    assert_eq!(decision.action.name(), "demote");
    assert_eq!(decision.figures.idle, Some(Bytes::mib(300)));
    assert_eq!(decision.figures.current, Bytes::mib(900), "what is on the node is not in DRAM");
    assert_eq!(decision.figures.offloaded, Bytes::mib(100));
}

#[test]
fn no_swap_is_needed_for_it() {
    let decision = decided((HOUR, 300), (HOUR, 100), |bench| drop(bench.seen.host.tiers.remove(0)));
    assert_eq!(scope(&decision), Some(Scope::Demote));
}

/// More than four fifths of the node are taken, but there is room above the reserve of a tenth.
fn short(bench: &mut Bench) {
    bench.seen.host.tiers[1].used = Bytes::mib(1_700);
}

#[test]
fn what_is_idle_on_a_node_that_is_nearly_full_makes_room() {
    // cold_after is 4 s.
    let young = decided((Duration::ZERO, 300), (Duration::from_secs(15), 100), short);
    assert_ne!(scope(&young), Some(Scope::Sink));
    assert_eq!(young.figures.sinkable, Some(Bytes::ZERO));
    let old = decided((Duration::ZERO, 300), (Duration::from_secs(16), 100), short);
    assert_eq!(scope(&old), Some(Scope::Sink));
    assert_eq!(old.action.name(), "sink");
    assert_eq!(old.figures.sinkable, Some(Bytes::mib(100)));
}

#[test]
fn on_a_node_with_room_it_stays_until_swap_is_worth_more() {
    let slow = |bench: &mut Bench| bench.policy().slo.memory_pressure = Ratio::percent(0.01);
    let dear = decided((Duration::ZERO, 300), (HOUR, 100), slow);
    assert_eq!(dear.figures.sinkable, Some(Bytes::ZERO));
    // Swap on another node, nearly: 20 us, and a tenant that may stall for a tenth of its time.
    let mut bench = Bench::eager();
    bench.slow_node(Bytes::mib(2_000));
    bench.swap().kind = TierKind::Zram;
    bench.policy().slo.memory_pressure = Ratio::percent(10.0);
    idle(&mut bench, (Duration::ZERO, 300), (HOUR, 100));
    bench.decide();
    let ladder = bench.state.ladder(CgroupId(1)).unwrap();
    let from = |device: &str| ladder.rung(&device.into()).unwrap().from;
    assert!(from("node1") < from("/dev/vdb"), "{ladder:?}");
    assert_eq!(scope(&bench.decide()), Some(Scope::Sink));
}

#[test]
fn a_full_node_takes_no_more_until_something_went_on_from_it() {
    let full = |bench: &mut Bench| bench.seen.host.tiers[1].used = Bytes::mib(1_800);
    let stuck = decided((HOUR, 300), (Duration::ZERO, 100), full);
    assert_eq!((scope(&stuck), stuck.file_only), (Some(Scope::File), Some(Reason::NodeReserve)));
    assert_eq!(scope(&decided((HOUR, 300), (HOUR, 100), full)), Some(Scope::Sink));
}

/// It may stall so much that swap is worth it.
fn stalls_much(bench: &mut Bench) {
    bench.policy().slo.memory_pressure = Ratio::percent(10.0);
}

#[test]
fn a_node_that_nothing_is_demoted_to_changes_nothing() {
    let decision = decided((HOUR, 300), (HOUR, 100), |bench| {
        bench.seen.host.demotes = false;
        stalls_much(bench);
    });
    assert_eq!(scope(&decision), Some(Scope::Anon));
    assert_eq!(decision.figures.sinkable, None);
}

#[test]
fn page_cache_and_observe_mode_stay_what_they_are() {
    let file = decided((HOUR, 300), (HOUR, 100), |bench| bench.policy().mode = Mode::File);
    assert!(!matches!(scope(&file), Some(Scope::Demote | Scope::Sink)));
    let observed = decided((HOUR, 300), (HOUR, 100), |bench| bench.policy().mode = Mode::Observe);
    assert_eq!((scope(&observed), observed.reason), (None, Reason::ObserveMode));
}

#[test]
fn what_was_demoted_is_not_asked_for_again_and_costs_no_swap() {
    let mut bench = Bench::eager();
    bench.slow_node(Bytes::mib(2_000));
    idle(&mut bench, (HOUR, 300), (HOUR, 0));
    let decision = bench.decide();
    let demoted = asked(&decision);
    assert_eq!(scope(&decision), Some(Scope::Demote));
    let effect = Effect { scope: Scope::Demote, requested: demoted, demoted, ..Effect::default() };
    assert_eq!(effect.taken(), anon(demoted));
    bench.cgroup().effects = vec![effect];
    assert_eq!(bench.decide().figures.idle, Some(Bytes::mib(300) - demoted));
}

#[test]
fn what_went_on_to_swap_is_taken_off_until_a_reading_shows_it() {
    let mut bench = Bench::eager();
    bench.slow_node(Bytes::mib(2_000));
    short(&mut bench);
    idle(&mut bench, (Duration::ZERO, 300), (HOUR, 100));
    let decision = bench.decide();
    let offloaded = asked(&decision);
    assert_eq!(scope(&decision), Some(Scope::Sink));
    let effect = Effect { scope: Scope::Sink, requested: offloaded, offloaded, ..Effect::default() };
    bench.cgroup().effects = vec![effect];
    assert_eq!(bench.decide().figures.sinkable, Some(Bytes::mib(100) - offloaded));
    bench.now += INTERVAL;
    idle(&mut bench, (Duration::ZERO, 300), (HOUR, 60));
    assert_eq!(bench.decide().figures.sinkable, Some(Bytes::mib(60)));
}

#[test]
fn a_demotion_that_moved_nothing_is_fruitless() {
    let mut bench = Bench::eager();
    bench.slow_node(Bytes::mib(2_000));
    idle(&mut bench, (HOUR, 300), (HOUR, 0));
    let requested = asked(&bench.decide());
    let nothing =
        Effect { scope: Scope::Demote, requested, freed: requested, partial: true, ..Effect::default() };
    bench.cgroup().effects = vec![nothing];
    assert_eq!(bench.decide().reason, Reason::Ineffective, "memory.current fell for another cause");
}

#[test]
fn what_is_on_a_node_frees_as_much_dram() {
    let mut bench = Bench::warm();
    bench.slow_node(Bytes::mib(2_000));
    idle(&mut bench, (HOUR, 300), (HOUR, 100));
    let tiers = bench.seen.host.tiers.clone();
    let (id, memory) = (bench.cgroup().id, bench.memory().clone());
    let placed = bench.state.placement(id, &memory, &tiers);
    let names: Vec<_> = placed.iter().map(|part| (part.name(), part.bytes)).collect();
    assert_eq!(names, [("disk /dev/vdb".into(), Bytes::ZERO), ("node node1".into(), Bytes::mib(100))]);
    assert_eq!(savings::net(&placed), Bytes::mib(100));
}

#[test]
fn what_is_wanted_now_and_then_goes_to_the_node_all_the_same_but_not_on_to_swap() {
    let mut bench = Bench::eager();
    bench.slow_node(Bytes::mib(2_000));
    let looks = |bench: &mut Bench| {
        let policy = bench.policies[0].clone();
        (bench.state.look_every(CgroupId(1), &policy), bench.state.look_at_slow_every(CgroupId(1), &policy))
    };
    idle(&mut bench, (HOUR, 300), (Duration::from_mins(7), 100));
    let before = bench.decide();
    let every = looks(&mut bench);
    assert_eq!(every, (Duration::from_secs(2), Duration::from_secs(16)));
    // All of it was touched, in DRAM and on the node.
    idle(&mut bench, (Duration::ZERO, 300), (Duration::ZERO, 100));
    let after = bench.decide();
    assert_eq!(before.figures.cut, after.figures.cut, "it leaves DRAM as early as before");
    let later = looks(&mut bench);
    assert_eq!(later.0, every.0);
    assert_eq!(later.1, Duration::from_mins(20), "at the cut: beyond twice the 7 minutes");
}

#[test]
fn a_look_that_leaves_out_the_node_changes_nothing_there() {
    let mut bench = Bench::eager();
    bench.slow_node(Bytes::mib(2_000));
    short(&mut bench);
    idle(&mut bench, (Duration::ZERO, 300), (HOUR, 100));
    assert_eq!(bench.decide().figures.sinkable, Some(Bytes::mib(100)));
    idle(&mut bench, (Duration::ZERO, 300), (Duration::ZERO, 0));
    let reading = bench.cgroup().reading.as_deref().cloned().unwrap();
    bench.cgroup().reading = Some(Arc::new(Reading { slow: None, ..reading }));
    assert_eq!(bench.decide().figures.sinkable, Some(Bytes::mib(100)));
}

/// A tenant that may stall much has memory on a node, with zswap over a disk below.
fn over_zswap(stored: Bytes) -> Bench {
    let mut bench = Bench::eager();
    bench.slow_node(Bytes::mib(2_000));
    bench.seen.host.ways.zswap = true;
    let disk = bench.swap().clone();
    let zswap = Tier { kind: TierKind::Zswap, device: "zswap".into(), stored: Bytes::ZERO, ..disk };
    bench.seen.host.tiers.insert(0, zswap);
    bench.policy().slo.memory_pressure = Ratio::percent(100.0);
    bench.memory().stat.zswapped = Some(stored);
    idle(&mut bench, (Duration::ZERO, 300), (HOUR * 10, 100));
    bench.decide();
    bench
}

#[test]
fn what_belongs_on_the_disk_behind_zswap_goes_there_at_once() {
    let mut bench = over_zswap(Bytes::ZERO);
    assert_ne!(scope(&bench.decide()), Some(Scope::Sink), "zswap would take it");
    assert!(bench.state.wants_past_zswap(CgroupId(1)));
    bench.cgroup().confined.past_zswap = PastZswap::Set;
    assert_eq!(scope(&bench.decide()), Some(Scope::Sink));
    bench.cgroup().confined.past_zswap = PastZswap::Refused;
    assert_eq!(scope(&bench.decide()), Some(Scope::Sink), "to zswap then");
    assert!(!bench.state.wants_past_zswap(CgroupId(1)));
}

#[test]
fn zswap_is_not_passed_under_pressure() {
    let mut bench = over_zswap(Bytes::ZERO);
    bench.decide();
    assert!(bench.state.wants_past_zswap(CgroupId(1)));
    bench.cgroup().alarm = true;
    bench.decide();
    assert!(!bench.state.wants_past_zswap(CgroupId(1)));
}

#[test]
fn zswap_is_not_passed_where_it_would_be_emptied() {
    let mut bench = over_zswap(Bytes::mib(100));
    assert_eq!(scope(&bench.decide()), Some(Scope::Sink));
    assert!(!bench.state.wants_past_zswap(CgroupId(1)));
}

#[test]
fn what_was_old_is_not_believed_to_be_in_a_lump_that_is_younger_by_itself() {
    let mut bench = over_zswap(Bytes::ZERO);
    idle(&mut bench, (Duration::ZERO, 300), (Duration::from_secs(15), 100));
    bench.decide();
    assert!(!bench.state.wants_past_zswap(CgroupId(1)));
}

#[test]
fn where_the_kernel_swaps_out_what_it_was_to_demote_the_cut_holds_again() {
    let mut bench = Bench::eager().without_page_cache();
    bench.slow_node(Bytes::mib(2_000));
    bench.policy().limits.per_minute = Ratio::percent(20.0);
    stalls_much(&mut bench);
    idle(&mut bench, (HOUR, 300), (HOUR, 0));
    let decision = bench.decide();
    // It was stopped half-way.
    let requested = asked(&decision).scale(Ratio::percent(50.0));
    assert_eq!(scope(&decision), Some(Scope::Demote));
    bench.cgroup().effects =
        vec![Effect { scope: Scope::Demote, requested, offloaded: requested, ..Effect::default() }];
    assert_eq!(scope(&bench.decide()), Some(Scope::Anon));
}

#[test]
fn short_is_what_has_little_more_free_than_the_budgets_leave() {
    let reserve = |bench: &mut Bench| {
        bench.budgets.swap_reserve = Ratio::percent(40.0);
        bench.seen.host.tiers[1].used = Bytes::mib(1_195);
    };
    assert_eq!(decided((Duration::ZERO, 300), (HOUR, 100), reserve).figures.sinkable, Some(Bytes::mib(100)));
}
