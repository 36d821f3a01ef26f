use super::*;
use crate::Generation;
use lowtide_core::ByType;
use rstest::rstest;
use std::time::Duration;

/// MiB of anonymous memory in each generation, the oldest first.
fn node(id: u32, sizes: &[u64]) -> Node {
    let generation = |(seq, mib): (usize, &u64)| Generation {
        seq: seq as u64,
        age: Duration::from_secs(1),
        size: ByType { anon: Bytes::mib(*mib), file: Bytes::mib(100) },
    };
    Node { id, generations: sizes.iter().enumerate().map(generation).collect() }
}

#[rstest]
#[case::as_6_12_and_7_3_do(&[30, 1, 0, 0], &[30, 1, 8, 0], Some(true))]
#[case::as_6_18_does(&[30, 1, 0, 0], &[31, 8, 0, 0], Some(false))]
#[case::a_little_was_touched_besides(&[30, 1, 0, 0], &[28, 8, 3, 0], Some(false))]
#[case::a_little_was_taken(&[30, 1, 0, 0], &[29, 1, 7, 0], Some(true))]
#[case::locked(&[30, 1, 0, 0], &[30, 1, 0, 0], None)]
#[case::reclaimed_meanwhile(&[30, 1, 0, 0], &[0, 1, 8, 0], None)]
#[case::one_generation_of_garbage(&[30], &[40], Some(false))]
fn verdicts(#[case] before: &[u64], #[case] after: &[u64], #[case] expected: Option<bool>) {
    assert_eq!(judge(&[node(0, before)], &[node(0, after)]), expected);
}

#[test]
fn memory_may_be_on_any_node() {
    let before = [node(0, &[30, 0, 0]), node(1, &[5, 0, 0])];
    assert_eq!(judge(&before, &[node(0, &[30, 0, 4]), node(1, &[5, 8, 0])]), Some(true));
    assert_eq!(judge(&before, &[node(0, &[30, 4, 0]), node(1, &[5, 4, 0])]), Some(true));
    assert_eq!(judge(&before, &[node(0, &[34, 0, 0]), node(1, &[9, 0, 0])]), Some(false));
}
