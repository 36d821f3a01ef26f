use super::*;
use crate::{Generation, Support, support::ENABLED};
use lowtide_core::ByType;
use lowtide_kernfs::{Error as FileError, Operation, Root};
use rstest::rstest;
use std::{fs, path::Path};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);
const TARGET: Target = Target { memcg: MemcgId(3), node: 1, seq: 7 };

/// Memcg 3 has generations 6 to 9 on node 1.
fn tree() -> (TempDir, LruGen) {
    let generations = "  6 9 1 1\n  7 8 1 1\n  8 7 1 1\n  9 6 1 1\n";
    let text = format!("memcg 3 /web\n node 0\n  1 9 1 1\n  2 9 1 1\n node 1\n{generations}");
    let tree = tempfile::tempdir().unwrap();
    for (name, text) in [(ENABLED, "0x0007\n"), (LRU_GEN, &text)] {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = Root::open(tree.path()).unwrap();
    (tree, LruGen::new(root))
}

fn written(tree: &TempDir) -> String {
    fs::read_to_string(tree.path().join(LRU_GEN)).unwrap()
}

#[test]
fn a_walk_is_of_both_types_and_of_every_page_table() {
    let (tree, lru_gen) = tree();
    let walk = lru_gen.age(TARGET).unwrap();
    assert_eq!(written(&tree), "+ 3 1 7 100 1");
    assert_eq!(walk.target, TARGET);
    assert!(walk.cpu > Duration::ZERO && walk.begun.elapsed() >= walk.cpu);
}

#[test]
fn an_eviction_is_in_pages() {
    let (tree, lru_gen) = tree();
    let eviction = lru_gen.evict(TARGET, 60, Bytes::mib(2) + Bytes::new(4095)).unwrap();
    assert_eq!(written(&tree), "- 3 1 7 60 512");
    assert!(eviction.cpu > Duration::ZERO && eviction.wall > Duration::ZERO);
}

#[test]
fn each_node_is_walked_and_nothing_that_has_no_number() {
    let reading = tree().1.read().unwrap();
    let mut memcg = reading.memcgs[0].clone();
    let targets = [Target { node: 0, seq: 2, ..TARGET }, Target { seq: 9, ..TARGET }];
    assert_eq!(memcg.walks().collect::<Vec<_>>(), targets);
    memcg.id = MemcgId::NONE;
    assert_eq!(memcg.walks().count(), 0);
}

#[rstest]
#[case::nobody_there(Errno::EINVAL, 4, 1, 7, 7, Error::Gone { memcg: MemcgId(4), node: 1 })]
#[case::no_such_node(Errno::EINVAL, 3, 2, 7, 7, Error::Gone { memcg: MemcgId(3), node: 2 })]
#[case::takes_no_commands(Errno::EINVAL, 3, 1, 9, 9, Error::Gone { memcg: MemcgId(3), node: 1 })]
#[case::future(Errno::EINVAL, 3, 1, 10, 10, Error::Future { memcg: MemcgId(3), node: 1, asked: 10, youngest: 9 })]
#[case::young(Errno::EINVAL, 3, 1, 8, 10, Error::TooYoung { memcg: MemcgId(3), node: 1, asked: 8, youngest: 9 })]
#[case::future_young(Errno::EINVAL, 3, 1, 10, 12, Error::Future { memcg: MemcgId(3), node: 1, asked: 10, youngest: 9 })]
#[case::busy(Errno::EEXIST, 3, 1, 9, 9, Error::Busy { memcg: MemcgId(3), node: 1 })]
#[case::unmounted(Errno::ENOENT, 3, 1, 9, 9, Error::Unavailable(Support::NoDebugfs))]
#[case::denied(Errno::EACCES, 3, 1, 9, 9, Error::Unavailable(Support::Denied { errno: Errno::EACCES }))]
fn what_an_error_means(
    #[case] errno: Errno,
    #[case] memcg: u64,
    #[case] node: u32,
    #[case] seq: u64,
    #[case] needed: u64,
    #[case] expected: Error,
) {
    let error = FileError::System { operation: Operation::Write, path: Path::new("/x").into(), errno };
    let target = Target { memcg: MemcgId(memcg), node, seq };
    let (_tree, lru_gen) = tree();
    assert_eq!(lru_gen.refused(error, target, needed), expected);
    assert_eq!(expected.is_gone(), matches!(expected, Error::Gone { .. }));
}

#[test]
fn any_other_error_is_told_as_it_is() {
    let (_tree, lru_gen) = tree();
    let error =
        FileError::System { operation: Operation::Write, path: Path::new("/x").into(), errno: Errno::ENOMEM };
    assert_eq!(lru_gen.refused(error.clone(), TARGET, 7), Error::File(error));
}

#[test]
fn a_kernel_that_was_switched_off_meanwhile() {
    let (tree, lru_gen) = tree();
    fs::write(tree.path().join(ENABLED), "0x0000\n").unwrap();
    let error =
        FileError::System { operation: Operation::Write, path: Path::new("/x").into(), errno: Errno::EINVAL };
    let error = lru_gen.refused(error, TARGET, 7);
    assert!(matches!(error, Error::Unavailable(Support::Off { .. })), "{error}");
}

#[rstest]
#[case::walked(8, 100, true)]
#[case::and_then_the_kernel_too(9, 0, true)]
#[case::born_a_tick_before_it_seems(8, 1005, true)]
#[case::the_kernel_was_faster_and_the_command_ignored(8, 5000, false)]
#[case::nothing_was_done(7, 5000, false)]
#[case::nothing_was_done_to_a_new_one(7, 10, false)]
fn confirmed(#[case] seq: u64, #[case] age_millis: u64, #[case] walked: bool) {
    let begun = Instant::now();
    let walk = Walk { target: TARGET, begun, cpu: Duration::ZERO };
    let born = |seq, millis| Generation { seq, age: Duration::from_millis(millis), size: ByType::default() };
    let node = Node { id: 1, generations: vec![born(seq - 1, 9000), born(seq, age_millis)] };
    let stale = Error::Stale { memcg: MemcgId(3), node: 1, asked: 7 };
    let expected = if walked { Ok(()) } else { Err(stale) };
    assert_eq!(walk.confirm(Some(&node), begun + SECOND), expected);
    let gone = Error::Gone { memcg: MemcgId(3), node: 1 };
    assert_eq!(walk.confirm(None, begun + SECOND), Err(gone));
}
