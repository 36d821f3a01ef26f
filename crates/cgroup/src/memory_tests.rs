use std::fs;

use lowtide_core::{Bytes, Limit};
use lowtide_kernfs::Root;
use proptest::prelude::*;
use rstest::rstest;
use tempfile::TempDir;

use super::parse_stat;
use crate::{Cgroup, Error, Mount};

const STAT: &str = "anon 1000\nfile 2000\nkernel 300\nshmem 20\nzswap 77\nzswapped 4096\nfile_dirty 5\n\
    swapcached 12\ninactive_anon 400\nactive_anon 600\ninactive_file 1500\nactive_file 480\nunevictable 9\n\
    slab_reclaimable 1\nslab_unreclaimable 2\nworkingset_refault_anon 3\nworkingset_refault_file 4\n\
    workingset_activate_anon 5\nworkingset_activate_file 6\nworkingset_nodereclaim 0\npgscan 7\npgsteal 8\n\
    pgscan_direct 70\nzswpin 9\nzswpout 10\nzswpwb 11\npswpin 12\npswpout 13\nsomething_new 99999999999999999999\n";

#[test]
fn sizes_are_bytes_and_counters_are_pages() {
    let (stat, zswap) = parse_stat(STAT).unwrap();
    assert_eq!(zswap, Some(Bytes::new(77)));
    assert_eq!((stat.anon, stat.file, stat.shmem), (Bytes::new(1000), Bytes::new(2000), Bytes::new(20)));
    assert_eq!(stat.kernel, Some(Bytes::new(300)));
    assert_eq!((stat.inactive_anon, stat.active_anon), (Bytes::new(400), Bytes::new(600)));
    assert_eq!((stat.inactive_file, stat.active_file), (Bytes::new(1500), Bytes::new(480)));
    assert_eq!((stat.unevictable, stat.file_dirty), (Bytes::new(9), Bytes::new(5)));
    assert_eq!(stat.slab_unreclaimable, Bytes::new(2));
    assert_eq!((stat.swap_cached, stat.zswapped), (Some(Bytes::new(12)), Some(Bytes::new(4096))));
    let counters = [
        (stat.refault_anon, 3),
        (stat.refault_file, 4),
        (stat.activate_anon, 5),
        (stat.activate_file, 6),
        (stat.scanned, 7),
        (stat.stolen, 8),
        (stat.zswap_in, 9),
        (stat.zswap_out, 10),
        (stat.zswap_writeback, 11),
        (stat.swap_in, 12),
        (stat.swap_out, 13),
    ];
    for (counter, pages) in counters {
        assert_eq!(counter, Some(Bytes::pages(pages)));
    }
}

#[test]
fn what_a_kernel_lacks_is_none() {
    let (stat, zswap) =
        parse_stat("file 1\nanon 2\nactive_file 3\ninactive_file 4\nactive_anon 5\ninactive_anon 6\n")
            .unwrap();
    assert_eq!((stat.anon, zswap, stat.kernel, stat.zswapped), (Bytes::new(2), None, None, None));
    assert_eq!((stat.refault_anon, stat.swap_in, stat.stolen), (None, None, None));
}

#[rstest]
#[case::empty("")]
#[case::garbage("\u{0}\u{1}\n\u{2}")]
#[case::only_some_lines("anon 1\nfile 2\n")]
#[case::truncated_key(&STAT[..STAT.find("active_file").unwrap() + 6])]
#[case::truncated_value("anon\nfile 2\n")]
#[case::max("anon max\n")]
#[case::negative("anon -4096\n")]
#[case::huge("anon 18446744073709551616\n")]
fn bad_stat(#[case] text: &str) {
    assert!(parse_stat(text).is_err());
}

#[test]
fn counters_that_are_huge_saturate() {
    let text = STAT.replace("pgscan 7", "pgscan 18446744073709551615");
    assert_eq!(parse_stat(&text).unwrap().0.scanned, Some(Bytes::MAX));
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse_stat(&text);
    }

    #[test]
    fn no_damage_to_a_real_file_panics(at in 0..STAT.len(), with in any::<char>()) {
        let mut text = STAT.to_owned();
        text.replace_range(at..=at, &with.to_string());
        let _ = (parse_stat(&text), parse_stat(&STAT[..at]));
    }
}

/// A cgroup `/web` with these files.
fn web(files: &[(&str, &str)]) -> (TempDir, Cgroup) {
    let tree = tempfile::tempdir().unwrap();
    let dir = tree.path().join("sys/fs/cgroup/web");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("cgroup.controllers"), "memory\n").unwrap();
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
    let mount = Mount::find_unchecked(&Root::open(tree.path()).unwrap()).unwrap();
    let cgroup = mount.open("/web").unwrap().unwrap();
    (tree, cgroup)
}

#[test]
fn all_files_of_a_cgroup() {
    let (_tree, web) = web(&[
        ("memory.current", "123456\n"),
        ("memory.stat", STAT),
        ("memory.swap.current", "8192\n"),
        ("memory.min", "4096\n"),
        ("memory.low", "max\n"),
        ("memory.swap.max", "max\n"),
    ]);
    let memory = web.memory().unwrap();
    assert_eq!(memory.current, Bytes::new(123_456));
    assert_eq!(memory.swap_current, Some(Bytes::new(8192)));
    assert_eq!((memory.min, memory.low), (Bytes::new(4096), Bytes::MAX));
    assert_eq!((memory.swap_max, memory.zswap_current), (Some(Limit::Max), Some(Bytes::new(77))));
}

#[test]
fn who_does_not_ask_what_is_set_reads_none_of_it() {
    let (_tree, web) = web(&[
        ("memory.current", "1\n"),
        ("memory.stat", STAT),
        ("memory.swap.current", "8192\n"),
        ("memory.min", "much\n"),
    ]);
    let usage = web.usage().unwrap();
    assert_eq!((usage.current, usage.swap_current), (Bytes::new(1), Some(Bytes::new(8192))));
    assert!(web.memory().unwrap_err().to_string().contains("web/memory.min:1: "));
}

#[test]
fn a_kernel_without_swap_lacks_its_files() {
    let (_tree, web) = web(&[("memory.current", "1\n"), ("memory.stat", STAT)]);
    let memory = web.memory().unwrap();
    assert_eq!((memory.swap_current, memory.swap_max), (None, None));
    assert_eq!((memory.min, memory.low), (Bytes::ZERO, Bytes::ZERO));
}

#[test]
fn no_controller_is_told_from_gone() {
    let (tree, web) = web(&[]);
    assert!(matches!(web.memory(), Err(Error::NoMemoryController { .. })));
    fs::remove_dir_all(tree.path().join("sys/fs/cgroup/web")).unwrap();
    let error = web.memory().unwrap_err();
    assert!(error.is_gone(), "{error}");
    assert!(error.to_string().contains("web/memory.current"), "{error}");
    assert_eq!(web.populated(), Ok(None));
    assert_eq!(web.exists(), Ok(false));
    assert_eq!(web.pressure(lowtide_psi::Resource::Memory), Ok(None));
}

#[rstest]
#[case("memory.current", "max\n")]
#[case("memory.current", "")]
#[case("memory.swap.current", "12x\n")]
#[case("memory.min", "\n")]
#[case("memory.low", "-1\n")]
#[case("memory.swap.max", "99999999999999999999\n")]
#[case("memory.stat", "garbage\n")]
fn a_malformed_file_is_named(#[case] name: &str, #[case] text: &str) {
    let (_tree, web) = web(&[("memory.current", "1\n"), ("memory.stat", STAT), (name, text)]);
    let error = web.memory().unwrap_err().to_string();
    assert!(error.contains(&format!("web/{name}:1: ")), "{error}");
}
