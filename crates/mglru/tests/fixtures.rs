//! The trees that were captured on real kernels (tests/fixtures/capture.sh), read by this crate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking that it failed")]

use std::{path::Path, time::Duration};

use lowtide_core::{Bytes, CgroupId};
use lowtide_kernfs::{Files, Root};
use lowtide_mglru::{Error, LruGen, Memcg, Place, Reading, Support, cohorts, identify, parse};
use rstest::rstest;

fn root(tree: &str) -> Root {
    Root::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(tree)).unwrap()
}

fn read(tree: &str) -> Reading {
    LruGen::new(root(tree)).read().unwrap()
}

/// The memcgs of a cgroup that is there before and after.
fn of<'a>(reading: &'a Reading, path: &str) -> Vec<&'a Memcg> {
    let place: [Place; 1] = [(path.into(), CgroupId(1))];
    let found = identify(&reading.memcgs, &place, &place).remove(&CgroupId(1));
    found.unwrap_or_default().iter().collect()
}

#[rstest]
#[case("6.1", "/sys/kernel/mm/lru_gen/enabled is 0x0000: MGLRU is off")]
#[case(
    "6.1/mglru-on",
    "/sys/kernel/debug/lru_gen can be read and written, /sys/kernel/mm/lru_gen/enabled is 0x0007"
)]
#[case("6.12", "/sys/kernel/debug/lru_gen can be read and written, /sys/kernel/mm/lru_gen/enabled is 0x0007")]
#[case("6.18", "/sys/kernel/debug/lru_gen can be read and written, /sys/kernel/mm/lru_gen/enabled is 0x0007")]
#[case("7.3", "/sys/kernel/debug/lru_gen can be read and written, /sys/kernel/mm/lru_gen/enabled is 0x0007")]
fn support(#[case] tree: &str, #[case] evidence: &str) {
    let support = Support::probe(&root(tree)).unwrap();
    assert_eq!(support.to_string(), evidence);
    assert_eq!(support.is_available(), tree != "6.1");
}

/// Walks are "done" there, and nothing is in the generations that they make.
#[test]
fn switched_off_the_file_is_there_and_empty() {
    let error = LruGen::new(root("6.1")).read().unwrap_err();
    assert!(matches!(error, Error::Unavailable(Support::Off { .. })), "{error}");
    let memcgs = root("6.1").parse("sys/kernel/debug/lru_gen", parse).unwrap();
    assert_eq!(memcgs.len(), 6);
    let nodes = || memcgs.iter().flat_map(|memcg| &memcg.nodes);
    assert!(nodes().all(|node| node.size().total().is_zero()));
    assert_eq!(nodes().filter_map(|node| node.youngest()).map(|youngest| youngest.seq).max(), Some(7));
}

/// Numbers are small up to 6.18, inodes on 7.3, where nothing is left of a removed cgroup: its pages went to
/// its parent.
#[rstest]
#[case("6.1/mglru-on", &[1, 2, 3, 5, 0, 4])]
#[case("6.12", &[1, 2, 3, 5, 0, 4])]
#[case("6.18", &[1, 2, 3, 5, 0, 4])]
#[case("7.3", &[1, 28, 67, 106, 125])]
fn all_memcgs(#[case] tree: &str, #[case] ids: &[u64]) {
    let reading = read(tree);
    assert_eq!((reading.torn, reading.unreadable), (0, 0));
    assert!(reading.memcgs.iter().map(|memcg| memcg.id.0).eq(ids.iter().copied()));
    let mut paths = vec!["/", "/batch", "/web", "/web/api", "/web/gone by", r"/idle\x2dslice"];
    if tree == "7.3" {
        paths.remove(4);
    }
    assert!(reading.memcgs.iter().map(|memcg| &*memcg.path).eq(paths));
    assert!(reading.memcgs.iter().all(|memcg| memcg.nodes.len() == 1 && memcg.nodes[0].id == 0));
}

/// Pages of /web/api idle since before the first walk, and those that were touched before the last one: 1000
/// and some of the program's own, of about 8290. 6.18 does not notice the touch.
#[rstest]
#[case("6.1/mglru-on", 7277, 1017, 7756)]
#[case("6.12", 7270, 1024, 5908)]
#[case("6.18", 8293, 1, 6380)]
#[case("7.3", 7273, 1021, 5932)]
fn ages(#[case] tree: &str, #[case] idle: u64, #[case] touched: u64, #[case] since_millis: u64) {
    let reading = read(tree);
    let cohorts = cohorts(of(&reading, "/web/api"));
    let sizes: Vec<_> = cohorts.iter().map(|cohort| cohort.size.anon).collect();
    assert_eq!(sizes, [Bytes::pages(idle), Bytes::pages(touched)]);
    assert_eq!((cohorts[0].youngest, cohorts[0].oldest), (Duration::from_millis(since_millis), None));
    assert_eq!(cohorts[1].youngest, Duration::ZERO);
    assert!(cohorts.iter().all(|cohort| cohort.size.file.is_zero()));
}

/// /web has no pages of its own up to 6.18; what is below it counts, with the 3 MiB that a removed child
/// left.
#[rstest]
#[case("6.1/mglru-on", 3)]
#[case("6.12", 3)]
#[case("6.18", 3)]
#[case("7.3", 2)]
fn a_subtree(#[case] tree: &str, #[case] memcgs: usize) {
    let reading = read(tree);
    let (web, api) = (of(&reading, "/web"), of(&reading, "/web/api"));
    assert_eq!((web.len(), api.len()), (memcgs, 1));
    let total = |memcgs: &[&Memcg]| -> Bytes {
        cohorts(memcgs.iter().copied()).iter().map(|cohort| cohort.size.anon).sum()
    };
    assert_eq!(total(&web), total(&api) + Bytes::mib(3));
    assert_eq!(of(&reading, "/").len(), reading.memcgs.len());
    assert!(of(&reading, "/web/gone by").is_empty());
}
