use std::fs;

use rstest::rstest;
use tempfile::TempDir;

use super::*;

fn tree(files: &[(&str, &str)]) -> (TempDir, Root) {
    let tree = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = Root::open(tree.path()).unwrap();
    (tree, root)
}

const MEMINFO: (&str, &str) =
    ("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\nZswap: 10 kB\nZswapped: 30 kB\n");

#[test]
fn on() {
    let (_tree, root) = tree(&[(ENABLED, "Y\n"), (MAX_POOL_PERCENT, "20\n"), MEMINFO]);
    let expected = Zswap {
        enabled: true,
        pool_limit: Bytes::kib(200),
        resident: Bytes::kib(10),
        stored: Bytes::kib(30),
    };
    assert_eq!(Zswap::read(&root), Ok(Some(expected)));
    assert!(expected.is_in_use());
}

#[rstest]
#[case::off_and_empty("N\n", "", false)]
#[case::off_and_not_empty("N\n", "Zswapped: 4 kB\n", true)]
#[case::on_and_empty("Y\n", "", true)]
fn in_use(#[case] enabled: &str, #[case] meminfo: &str, #[case] expected: bool) {
    let (_tree, root) = tree(&[(ENABLED, enabled), ("proc/meminfo", meminfo)]);
    assert_eq!(Zswap::read(&root).unwrap().unwrap().is_in_use(), expected);
}

#[test]
fn a_kernel_without_it() {
    let (_tree, root) = tree(&[MEMINFO]);
    assert_eq!(Zswap::read(&root), Ok(None));
}

#[rstest]
#[case(ENABLED, "")]
#[case(ENABLED, "max\n")]
#[case(MAX_POOL_PERCENT, "many\n")]
#[case(MAX_POOL_PERCENT, "18446744073709551616\n")]
#[case("proc/meminfo", "Zswap: 1\n")]
#[case("proc/meminfo", "Zswapped: x kB\n")]
fn malformed(#[case] name: &str, #[case] text: &str) {
    let (_tree, root) = tree(&[(ENABLED, "Y\n"), (MAX_POOL_PERCENT, "20\n"), MEMINFO, (name, text)]);
    let error = Zswap::read(&root).unwrap_err().to_string();
    assert!(error.contains(&format!("{name}:1: ")), "{error}");
}
