//! The trees that were captured on real kernels (tests/fixtures/capture.sh), read by this crate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking that it failed")]

use std::path::Path;

use lowtide_cgroup::{Cgroup, Descend, Error, Mount, Walked, own_path};
use lowtide_core::{Bytes, Limit};
use lowtide_kernfs::{Files, Root, parse};
use lowtide_psi::Resource;
use rstest::rstest;

fn root(kernel: &str) -> Root {
    Root::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel)).unwrap()
}

fn open(kernel: &str, path: &str) -> Cgroup {
    Mount::find_unchecked(&root(kernel)).unwrap().open(path).unwrap().unwrap()
}

#[rstest]
fn all_cgroups_are_visited(#[values("6.1", "6.12", "6.18", "7.3")] kernel: &str) {
    let root = root(kernel);
    let mount = Mount::find_unchecked(&root).unwrap();
    assert!(matches!(Mount::find(&root), Err(Error::NotCgroup2 { .. })));
    let mut seen = vec![];
    let walked = mount.walk(|cgroup| {
        seen.push((cgroup.path().to_string(), cgroup.populated().unwrap()));
        Descend::Yes
    });
    let expected = [
        ("/", Some(true)),
        ("/batch", Some(true)),
        (r"/idle\x2dslice", Some(false)),
        ("/web", Some(true)),
        ("/web/api", Some(true)),
    ];
    assert_eq!(seen, expected.map(|(path, populated)| (path.to_owned(), populated)));
    assert_eq!(walked.unwrap(), Walked { visited: 5, ..Walked::default() });
    assert_eq!(own_path(&root).unwrap().as_deref(), Some("/"));
}

/// Bytes of anonymous memory, of swap and of page cache, and pages refaulted, scanned and reclaimed, in
/// /web/api.
#[rstest]
#[case("6.1", [17_154_048, 17_051_648, 9_527_296], [1016, 13_426, 5122])]
#[case("6.12", [21_168_128, 13_021_184, 9_531_392], [1013, 4160, 4138])]
#[case("6.18", [21_041_152, 12_926_976, 23_162_880], [1012, 4174, 4168])]
#[case("7.3", [21_229_568, 12_742_656, 23_158_784], [1013, 4127, 4124])]
fn a_cgroup_in_zram(#[case] kernel: &str, #[case] sizes: [u64; 3], #[case] counts: [u64; 3]) {
    let memory = open(kernel, "/web/api").memory().unwrap();
    let [anon, swap, file] = sizes.map(Bytes::new);
    assert_eq!((memory.stat.anon, memory.swap_current, memory.stat.file), (anon, Some(swap), file));
    assert_eq!((memory.min, memory.low, memory.swap_max), (Bytes::mib(2), Bytes::ZERO, Some(Limit::Max)));
    let [refault, scanned, stolen] = counts.map(|count| Some(Bytes::pages(count)));
    assert_eq!(
        (memory.stat.refault_anon, memory.stat.scanned, memory.stat.stolen),
        (refault, scanned, stolen)
    );
    assert_eq!(memory.zswap_current, Some(Bytes::ZERO));
    assert_eq!(memory.offloaded(), swap);
    assert!(anon + file < memory.current && memory.current < anon + file + Bytes::mib(1));
}

/// Bytes compressed and uncompressed in zswap, and pages stored there, of /batch.
#[rstest]
#[case("6.1", 8_000_799, 15_515_648, 3789)]
#[case("6.12", 6_612_651, 12_832_768, 3134)]
#[case("6.18", 6_515_758, 12_644_352, 3088)]
#[case("7.3", 6_529_374, 12_668_928, 3094)]
fn a_cgroup_in_zswap(#[case] kernel: &str, #[case] compressed: u64, #[case] stored: u64, #[case] out: u64) {
    let batch = open(kernel, "/batch");
    let memory = batch.memory().unwrap();
    assert_eq!(memory.zswap_current, Some(Bytes::new(compressed)));
    assert_eq!(memory.stat.zswapped, Some(Bytes::new(stored)));
    assert_eq!(memory.stat.zswap_out, Some(Bytes::pages(out)));
    assert_eq!(memory.stat.zswap_in, Some(Bytes::pages(1)));
    assert_eq!(memory.swap_max, Some(Limit::At(Bytes::mib(100))));
    // memory.stat has the same figure, which is why the file is not read.
    let file = batch.dir().parse_record("memory.zswap.current", parse::bytes).unwrap();
    assert_eq!(file, memory.zswap_current);
}

#[rstest]
#[case("6.1", false, false)]
#[case("6.12", true, false)]
#[case("6.18", true, true)]
#[case("7.3", true, true)]
fn what_a_kernel_has(#[case] kernel: &str, #[case] zswap_writeback: bool, #[case] swap_counters: bool) {
    let memory = open(kernel, "/web").memory().unwrap();
    assert_eq!(memory.low, Bytes::mib(4));
    assert_eq!(memory.stat.zswap_writeback.is_some(), zswap_writeback);
    assert_eq!(memory.stat.swap_in.is_some(), swap_counters);
    assert_eq!(memory.stat.swap_out.is_some(), swap_counters);
    let every =
        [memory.stat.kernel, memory.stat.swap_cached, memory.stat.activate_anon, memory.stat.activate_file];
    assert!(every.iter().all(Option::is_some), "{every:?}");
}

#[rstest]
#[case("6.1", 0, 0)]
#[case("6.12", 382_172, 382_172)]
#[case("6.18", 0, 0)]
#[case("7.3", 17_933, 17_933)]
fn pressure(#[case] kernel: &str, #[case] some: u128, #[case] full: u128) {
    let api = open(kernel, "/web/api");
    let stall = api.pressure(Resource::Memory).unwrap().unwrap();
    assert_eq!((stall.some.as_micros(), stall.full.unwrap().as_micros()), (some, full));
    assert!(api.pressure(Resource::Io).unwrap().is_some());
    assert!(api.pressure(Resource::Cpu).unwrap().unwrap().full.is_some());
    // Debian does not account interrupt time.
    assert_eq!(api.pressure(Resource::Irq), Ok(None));
}

/// Bytes of anonymous memory and page cache of the root's memory.stat; SReclaimable, Zswap and used swap of
/// /proc/meminfo, in kB.
#[rstest]
#[case("6.1", [28_725_248, 34_836_480], [9676, 14_824, 32_096])]
#[case("6.12", [35_426_304, 34_426_880], [1384, 7200, 25_428])]
#[case("6.18", [35_467_264, 48_283_648], [1352, 7240, 24_972])]
#[case("7.3", [35_672_064, 48_566_272], [1436, 7136, 24_816])]
fn the_root_is_the_whole_host(#[case] kernel: &str, #[case] stat: [u64; 2], #[case] meminfo: [u64; 3]) {
    let root = open(kernel, "/");
    let memory = root.memory().unwrap();
    let ([anon, file], [slab, zswap, swap]) = (stat.map(Bytes::new), meminfo.map(Bytes::kib));
    assert_eq!((memory.stat.anon, memory.stat.file), (anon, file));
    assert_eq!(memory.current, anon + file + slab + zswap);
    assert_eq!((memory.zswap_current, memory.swap_current), (Some(zswap), Some(swap)));
    assert_eq!((memory.min, memory.low, memory.swap_max), (Bytes::ZERO, Bytes::ZERO, None));
    let below = open(kernel, "/web").usage().unwrap();
    assert!(below.stat.anon < anon && below.offloaded() < memory.offloaded());
    assert!(root.pressure(Resource::Memory).unwrap().is_some());
    assert!(root.pressure(Resource::Io).unwrap().is_some());
}

/// The root's own files alone say nothing of swap.
#[rstest]
fn a_root_without_a_host_has_no_memory_files(#[values("6.1", "6.12", "6.18", "7.3")] kernel: &str) {
    let dir = root(kernel).dir("sys/fs/cgroup").unwrap();
    assert!(matches!(Mount::at(dir).root().unwrap().memory(), Err(Error::NoMemoryController { .. })));
}
