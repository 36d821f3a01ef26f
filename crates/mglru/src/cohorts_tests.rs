use super::*;
use crate::MemcgId;
use lowtide_core::{ByType, Bytes};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

/// Age in seconds, and MiB of anonymous memory and of page cache; the oldest first.
fn node(generations: &[(u64, u64, u64)]) -> Node {
    let generation = |(seq, (age, anon, file)): (usize, &(u64, u64, u64))| Generation {
        seq: seq as u64,
        age: SECOND * u32::try_from(*age).unwrap(),
        size: ByType { anon: Bytes::mib(*anon), file: Bytes::mib(*file) },
    };
    Node { id: 0, generations: generations.iter().enumerate().map(generation).collect() }
}

fn memcg(nodes: Vec<Node>) -> Memcg {
    Memcg { id: MemcgId(2), path: "/a".into(), nodes }
}

fn cohort(youngest: u64, oldest: Option<u64>, anon: u64, file: u64) -> Cohort {
    let seconds = |count: u64| SECOND * u32::try_from(count).unwrap();
    let size = ByType { anon: Bytes::mib(anon), file: Bytes::mib(file) };
    Cohort { youngest: seconds(youngest), oldest: oldest.map(seconds), size }
}

/// The experiment of tests/kernel.rs: walks every 8 s, read right after the last one.
#[test]
fn after_walks() {
    let memcg = memcg(vec![node(&[(24, 130, 1), (16, 26, 0), (8, 44, 0), (0, 0, 0)])]);
    let expected = [cohort(16, None, 130, 1), cohort(8, Some(16), 26, 0), cohort(0, Some(8), 44, 0)];
    assert_eq!(cohorts([&memcg]), expected);
}

/// A new memcg has four generations of the same age; on 6.18 and 7.3 faults go to the second youngest.
#[test]
fn before_the_first_walk() {
    let memcg = memcg(vec![node(&[(10, 0, 4), (10, 0, 0), (10, 70, 0), (10, 20, 0)])]);
    let expected = [cohort(10, None, 0, 4), cohort(0, Some(10), 70, 0), cohort(0, Some(10), 20, 0)];
    assert_eq!(cohorts([&memcg]), expected);
}

#[test]
fn with_two_generations_the_older_may_be_of_any_age() {
    let expected = [cohort(0, None, 5, 0), cohort(0, Some(1), 6, 0)];
    assert_eq!(cohorts([&memcg(vec![node(&[(9, 5, 0), (1, 6, 0)])])]), expected);
    let expected = [cohort(9, None, 4, 0), cohort(0, Some(9), 5, 0)];
    assert_eq!(cohorts([&memcg(vec![node(&[(20, 4, 0), (9, 5, 0), (1, 0, 0)])])]), expected);
}

#[test]
fn nodes_and_memcgs_one_after_the_other() {
    let nodes = vec![node(&[(9, 1, 0), (1, 2, 0)]), node(&[(7, 3, 0), (5, 0, 0)])];
    let memcgs = [memcg(nodes), memcg(vec![node(&[(7, 0, 4), (0, 0, 0)])])];
    let expected =
        [cohort(0, None, 1, 0), cohort(0, Some(1), 2, 0), cohort(0, None, 3, 0), cohort(0, None, 0, 4)];
    assert_eq!(cohorts(&memcgs), expected);
}

/// 49.7 days after its birth a generation seems to be new.
#[test]
fn a_clock_that_began_again() {
    let memcg = memcg(vec![node(&[(3, 1, 0), (500, 2, 0), (400, 0, 0), (7, 0, 0)])]);
    assert_eq!(cohorts([&memcg]), [cohort(500, None, 1, 0), cohort(400, Some(500), 2, 0)]);
}

proptest! {
    #[test]
    fn nothing_is_lost_and_no_span_is_turned(
        generations in prop::collection::vec((0_u64..5_000_000, 0_u64..1000, 0_u64..1000), 0..6),
    ) {
        let memcg = memcg(vec![node(&generations)]);
        let cohorts = cohorts([&memcg]);
        let total: ByType = cohorts.iter().map(|cohort| cohort.size).sum();
        prop_assert_eq!(total, memcg.nodes[0].size());
        prop_assert!(cohorts.iter().all(|cohort| cohort.oldest.is_none_or(|oldest| oldest >= cohort.youngest)));
        prop_assert!(cohorts.iter().filter(|cohort| cohort.oldest.is_none()).count() <= 1);
    }
}

#[test]
fn only_some_nodes() {
    let mut slow = node(&[(24, 7, 0), (16, 0, 0), (8, 0, 0)]);
    slow.id = 1;
    let memcg = memcg(vec![node(&[(24, 130, 0), (16, 26, 0), (8, 44, 0)]), slow]);
    assert_eq!(cohorts_on([&memcg], |node| node == 1), [cohort(16, None, 7, 0)]);
    assert_eq!(cohorts_on([&memcg], |node| node == 0).len(), 3);
}

#[test]
fn what_was_demoted_may_have_come_one_walk_later() {
    let memcg = memcg(vec![node(&[(27, 130, 1), (19, 26, 0), (11, 44, 0), (3, 0, 0)])]);
    let shown = demoted_to([&memcg], |_| true);
    assert_eq!(shown[0], cohort(11, None, 130, 1));
    assert!(shown[1..].iter().all(|cohort| cohort.youngest.is_zero()), "{shown:?}");
    let few = Memcg { nodes: vec![node(&[(19, 26, 0), (11, 44, 0), (3, 0, 0)])], ..memcg };
    assert!(demoted_to([&few], |_| true).iter().all(|cohort| cohort.youngest.is_zero()));
}

/// As of the last walk, 3 s ago: what was touched since is not known.
#[test]
fn what_may_be_evicted_is_old_enough_and_none_of_the_two_youngest() {
    let node = node(&[(27, 130, 1), (19, 26, 0), (11, 44, 0), (3, 0, 0)]);
    let size = |anon, file| ByType { anon: Bytes::mib(anon), file: Bytes::mib(file) };
    assert_eq!(node.idle_for(SECOND * 17), None);
    assert_eq!(node.idle_for(SECOND * 16), Some((0, size(130, 1))));
    assert_eq!(node.idle_for(SECOND * 8), Some((1, size(156, 1))));
    assert_eq!(node.idle_for(Duration::ZERO), Some((1, size(156, 1))));
    assert_eq!(Node::default().idle_for(Duration::ZERO), None);
    assert_eq!(node.demoted_for(SECOND * 9), None);
    assert_eq!(node.demoted_for(SECOND * 8), Some((0, size(130, 1))));
    assert_eq!(Node::default().demoted_for(Duration::ZERO), None);
}
