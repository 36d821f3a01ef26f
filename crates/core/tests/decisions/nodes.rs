//! A host with a slower node: what is demoted, what goes on to swap, and what neither touches.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lowtide_core::{
    Action, Bytes, Cohort, Decision, Effect, Mode, Reading, Reason, Scope,
    idle::{ByType, Source},
    savings,
};

use crate::bench::{Bench, INTERVAL, asked};

const HOUR: Duration = Duration::from_hours(1);

fn anon(size: Bytes) -> ByType {
    ByType { anon: size, file: Bytes::ZERO }
}

/// So much that has been idle for so long in DRAM, and on the node.
fn idle(bench: &mut Bench, dram: (Duration, u64), node: (Duration, u64)) {
    let cohorts = |(youngest, mib): (Duration, u64)| -> Arc<[Cohort]> {
        Arc::new([Cohort { youngest, oldest: None, size: anon(Bytes::mib(mib)) }])
    };
    let (at, every) = (bench.now, Duration::from_mins(1));
    let reading = Reading { source: Source::Mglru, at, every, cohorts: cohorts(dram), slow: cohorts(node) };
    bench.cgroup().reading = Some(Arc::new(reading));
    bench.memory().slow = BTreeMap::from([("node1".into(), anon(Bytes::mib(node.1)))]);
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

#[test]
fn what_is_on_the_node_waits_for_the_second_boundary() {
    // cold_after is 4 s.
    let young = decided((Duration::ZERO, 300), (Duration::from_secs(15), 100), |_| {});
    assert_ne!(scope(&young), Some(Scope::Sink));
    assert_eq!(young.figures.sinkable, Some(Bytes::ZERO));
    let old = decided((Duration::ZERO, 300), (Duration::from_secs(16), 100), |_| {});
    assert_eq!(scope(&old), Some(Scope::Sink));
    assert_eq!(old.action.name(), "sink");
    assert_eq!(old.figures.sinkable, Some(Bytes::mib(100)));
}

#[test]
fn a_full_node_takes_no_more_until_something_went_on_from_it() {
    let full = |bench: &mut Bench| bench.seen.host.tiers[1].used = Bytes::mib(1_800);
    let stuck = decided((HOUR, 300), (Duration::ZERO, 100), full);
    assert_eq!((scope(&stuck), stuck.file_only), (Some(Scope::File), Some(Reason::NodeReserve)));
    assert_eq!(scope(&decided((HOUR, 300), (HOUR, 100), full)), Some(Scope::Sink));
}

#[test]
fn a_node_that_nothing_is_demoted_to_changes_nothing() {
    let decision = decided((HOUR, 300), (HOUR, 100), |bench| bench.seen.host.demotes = false);
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
    let placed = savings::placement(bench.memory(), &tiers);
    let names: Vec<_> = placed.iter().map(|part| (part.name(), part.bytes)).collect();
    assert_eq!(names, [("node node1".into(), Bytes::mib(100)), ("disk /dev/vdb".into(), Bytes::ZERO)]);
    assert_eq!(savings::net(&placed), Bytes::mib(100));
}
