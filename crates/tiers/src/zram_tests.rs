use std::fs;

use rstest::rstest;
use tempfile::TempDir;

use super::*;

const MM_STAT: &str = " 41943040   300000  1048576 67108864  2097152       12        0        3        1\n";
const BD_STAT: &str = "    1024        7     2048\n";

fn tree(files: &[(&str, &str)]) -> (TempDir, Root) {
    let tree = tempfile::tempdir().unwrap();
    let dir = tree.path().join("sys/block/zram0");
    fs::create_dir_all(&dir).unwrap();
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
    let root = Root::open(tree.path()).unwrap();
    (tree, root)
}

#[test]
fn all_files() {
    let (_tree, root) = tree(&[
        ("initstate", "1\n"),
        ("disksize", "1073741824\n"),
        ("mm_stat", MM_STAT),
        ("bd_stat", BD_STAT),
    ]);
    let zram = Zram::read(&root, "zram0").unwrap().unwrap();
    let expected = Zram {
        disk_size: Bytes::mib(1024),
        original: Bytes::mib(40),
        compressed: Bytes::new(300_000),
        resident: Bytes::mib(1),
        resident_limit: Some(Bytes::mib(64)),
        incompressible: Some(Bytes::pages(3)),
        backing: Bytes::mib(4),
        backing_read: Bytes::kib(28),
        backing_written: Bytes::mib(8),
    };
    assert_eq!(zram, expected);
    assert_eq!(zram.stored(), Bytes::mib(36));
}

#[test]
fn without_a_limit_and_without_writeback() {
    let (_tree, root) =
        tree(&[("initstate", "1\n"), ("disksize", "4096\n"), ("mm_stat", "8192 64 4096 0 4096 0 0 0 0\n")]);
    let zram = Zram::read(&root, "zram0").unwrap().unwrap();
    assert_eq!((zram.resident_limit, zram.backing, zram.stored()), (None, Bytes::ZERO, Bytes::new(8192)));
    assert_eq!(zram.incompressible, Some(Bytes::ZERO));
}

#[rstest]
#[case::no_device(&[])]
#[case::not_set_up(&[("initstate", "0\n"), ("disksize", "0\n"), ("mm_stat", MM_STAT)])]
#[case::gone_after_the_first(&[("initstate", "1\n")])]
#[case::gone_after_the_second(&[("initstate", "1\n"), ("disksize", "4096\n")])]
fn not_there(#[case] files: &[(&str, &str)]) {
    let (_tree, root) = tree(files);
    assert_eq!(Zram::read(&root, "zram0"), Ok(None));
    assert_eq!(Zram::read(&root, "zram7"), Ok(None));
}

#[rstest]
#[case("initstate", "perhaps\n")]
#[case("initstate", "")]
#[case("disksize", "max\n")]
#[case("disksize", "18446744073709551616\n")]
#[case("mm_stat", "1 2 3\n")]
#[case("mm_stat", "garbage\n")]
#[case("mm_stat", "")]
#[case("bd_stat", "1 2\n")]
#[case("bd_stat", "1 2 -3\n")]
fn malformed(#[case] name: &str, #[case] text: &str) {
    let (_tree, root) = tree(&[
        ("initstate", "1\n"),
        ("disksize", "4096\n"),
        ("mm_stat", MM_STAT),
        ("bd_stat", BD_STAT),
        (name, text),
    ]);
    let error = Zram::read(&root, "zram0").unwrap_err().to_string();
    assert!(error.contains(&format!("sys/block/zram0/{name}:1: ")), "{error}");
}

#[test]
fn huge_counts_saturate() {
    let (_tree, root) = tree(&[
        ("initstate", "1\n"),
        ("disksize", "4096\n"),
        ("mm_stat", "1 1 1 0\n"),
        ("bd_stat", "18446744073709551615 0 0\n"),
    ]);
    let zram = Zram::read(&root, "zram0").unwrap().unwrap();
    assert_eq!((zram.backing, zram.stored()), (Bytes::MAX, Bytes::ZERO));
}
