use super::*;
use proptest::prelude::*;

fn memcgs(list: &[(u64, &str)]) -> Vec<Memcg> {
    let memcg = |(id, path): &(u64, &str)| Memcg { id: MemcgId(*id), path: (*path).into(), nodes: vec![] };
    list.iter().map(memcg).collect()
}

fn places(list: &[(&str, u64)]) -> Vec<Place> {
    list.iter().map(|(path, inode)| ((*path).into(), CgroupId(*inode))).collect()
}

/// Inode and the numbers of its memcgs.
fn found(memcgs: &[Memcg], before: &[(&str, u64)], after: &[(&str, u64)]) -> Vec<(u64, Vec<u64>)> {
    let found = identify(memcgs, &places(before), &places(after));
    let mut found: Vec<_> = found
        .into_iter()
        .map(|(id, memcgs)| (id.0, memcgs.iter().map(|memcg| memcg.id.0).collect()))
        .collect();
    found.sort_unstable();
    found
}

fn same(memcgs: &[Memcg], places: &[(&str, u64)]) -> Vec<(u64, Vec<u64>)> {
    found(memcgs, places, places)
}

#[test]
fn a_cgroup_and_all_below_it() {
    let memcgs =
        memcgs(&[(1, "/"), (2, "/web"), (3, "/web/api"), (4, "/web/api/x y"), (5, "/web-2"), (6, "/webs")]);
    let targets = [("/", 1), ("/web", 20), ("/web/api", 30), ("/web-2", 50), ("/no/memory", 60)];
    let expected = [(1, vec![1, 2, 3, 4, 5, 6]), (20, vec![2, 3, 4]), (30, vec![3, 4]), (50, vec![5])];
    assert_eq!(same(&memcgs, &targets), expected);
}

#[test]
fn only_who_was_there_before_and_after() {
    let memcgs = memcgs(&[(1, "/"), (2, "/stayed"), (3, "/replaced"), (4, "/came"), (5, "/went")]);
    let before = [("/stayed", 20), ("/replaced", 30), ("/went", 50)];
    let after = [("/replaced", 31), ("/stayed", 20), ("/came", 40)];
    assert_eq!(found(&memcgs, &before, &after), [(20, vec![2])]);
}

/// As the lab's 6.12 shows a cgroup that was removed and made again: the old one without a number, or, as
/// long as it has pages in swap, with its own.
#[test]
fn of_two_with_one_path_the_later_one_lives() {
    for old in [0, 3] {
        let memcgs = memcgs(&[
            (1, "/"),
            (old, "/web"),
            (old, "/web/api"),
            (5, "/other"),
            (6, "/web"),
            (7, "/web/api"),
        ]);
        let expected = [(20, vec![6, 7]), (30, vec![7])];
        assert_eq!(same(&memcgs, &[("/web", 20), ("/web/api", 30)]), expected);
    }
}

#[test]
fn what_is_left_of_children_belongs_to_their_parent() {
    let memcgs =
        memcgs(&[(1, "/"), (2, "/web"), (0, "/web/job"), (0, "/web/job"), (0, "/web/job/x"), (3, "/b")]);
    assert_eq!(same(&memcgs, &[("/web", 20)]), [(20, vec![2, 0, 0, 0])]);
}

/// The memory controller was taken from a living cgroup: what the file has of it are remains.
#[test]
fn a_cgroup_of_which_only_remains_are_there_is_left_out() {
    let memcgs = memcgs(&[(1, "/"), (4, "/web"), (0, "/web"), (0, "/web/api")]);
    assert_eq!(same(&memcgs, &[("/web", 20), ("/web/api", 30)]), []);
    assert_eq!(same(&[], &[("/web", 20)]), []);
}

#[test]
fn paths_are_compared_by_their_parts() {
    for (path, top, below) in [
        ("/web/api", "/web", true),
        ("/web", "/", true),
        ("/web", "/web", false),
        ("/web2", "/web", false),
        ("/web/", "/web", false),
        ("/", "/", false),
        ("/a/web/x", "/web", false),
        ("", "", false),
        ("/x", "", true),
    ] {
        assert_eq!(is_below(path, top), below, "{path} below {top}");
    }
}

proptest! {
    /// Whatever the file holds, nobody gets a memcg with another path, nor one memcg twice without being an
    /// ancestor.
    #[test]
    fn everybody_gets_their_own(
        list in prop::collection::vec((0_u64..5, "(/[ab]){0,3}"), 0..20),
        targets in prop::collection::btree_map("(/[ab]){1,3}", 1_u64..100, 0..6),
    ) {
        let list: Vec<(u64, &str)> = list.iter().map(|(id, path)| (*id, &**path)).collect();
        let places: Vec<Place> = targets.iter().map(|(path, id)| (path.as_str().into(), CgroupId(*id))).collect();
        let memcgs = memcgs(&list);
        for (id, found) in identify(&memcgs, &places, &places) {
            let paths: Vec<&str> = places.iter().filter(|place| place.1 == id).map(|place| &*place.0).collect();
            prop_assert!(paths.contains(&&*found[0].path));
            prop_assert!(found[0].id != MemcgId::NONE);
            prop_assert!(found[1..].iter().all(|memcg| is_below(&memcg.path, &found[0].path)));
        }
    }
}
