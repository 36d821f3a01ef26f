use std::fs;

use procfs_core::FromBufRead;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

const MEMINFO: &str = "MemTotal:       24684084 kB\nMemFree:        24433016 kB\nMemAvailable:   24395804 kB\n\
    Buffers:            1832 kB\nCached:            90104 kB\nZswap:               100 kB\nZswapped:            300 kB\n\
    HugePages_Total:       0\nHugepagesize:       2048 kB\n";

const VMSTAT: &str = "nr_free_pages 6108254\npgsteal_kswapd 9\npgsteal_direct 5\npgsteal_direct_throttle 0\n\
    pgscan_direct 7\npgscan_direct_throttle 3\nallocstall_dma 0\nallocstall_normal 4\nallocstall_movable 2\n";

const ZONEINFO: &str = "Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 31
      workingset_low 777
  pages free     2816
        boost    0
        min      1
        low      5
        high     9
        promo    13
        spanned  4095
        present  3998
        managed  3840
        cma      0
        protection: (0, 2960, 24089)
      nr_free_pages 2816
  pagesets
    cpu: 0
              count:    0
              high:     60
              batch:    1
              high_min: 60
              high_max: 60
  node_unreclaimable:  0
  start_pfn:           1
Node 0, zone   Normal
  pages free     5343541
        min      100
        low      200
        high     300
        managed  5409129
Node 0, zone  Movable
  pages free     0
        min      32
        low      32
        high     32
        managed  0
Node 1, zone   Normal
  pages free     10
        min      8
        low      10
        managed  50
";

#[test]
fn meminfo() {
    let meminfo = Meminfo::parse(MEMINFO).unwrap();
    assert_eq!((meminfo.total, meminfo.free), (Bytes::kib(24_684_084), Bytes::kib(24_433_016)));
    assert_eq!(meminfo.available, Some(Bytes::kib(24_395_804)));
    assert_eq!((meminfo.zswap, meminfo.zswapped), (Some(Bytes::kib(100)), Some(Bytes::kib(300))));
    let old = Meminfo::parse("MemFree: 1 kB\nMemTotal: 2 kB\n").unwrap();
    assert_eq!((old.total, old.available, old.zswap), (Bytes::kib(2), None, None));
}

#[rstest]
#[case::empty("")]
#[case::garbage("\u{0}\u{1}: x\n")]
#[case::no_free("MemTotal: 1 kB\n")]
#[case::no_total("MemFree: 1 kB\n")]
#[case::truncated("MemTotal: 1 kB\nMemFree:    1")]
#[case::no_unit("MemTotal: 1\nMemFree: 1 kB\n")]
#[case::max("MemTotal: max kB\nMemFree: 1 kB\n")]
#[case::overflow("MemTotal: 18446744073709551616 kB\nMemFree: 1 kB\n")]
fn bad_meminfo(#[case] text: &str) {
    assert!(Meminfo::parse(text).is_err());
}

#[test]
fn more_kibibytes_than_bytes_fit_saturates() {
    let text = "MemTotal: 18446744073709551615 kB\nMemFree: 1 kB\n";
    assert_eq!(Meminfo::parse(text).unwrap().total, Bytes::MAX);
}

#[test]
fn vmstat() {
    let vmstat = Vmstat::parse(VMSTAT).unwrap();
    assert_eq!(vmstat.direct_reclaim, Some(Bytes::pages(5)));
    assert_eq!(vmstat.direct_scan, Some(Bytes::pages(7)));
    assert_eq!(vmstat.allocation_stalls, Some(6));
    assert_eq!(Vmstat::parse("").unwrap(), Vmstat::default());
    assert_eq!(Vmstat::parse("garbage\n\u{0}\n").unwrap(), Vmstat::default());
    for text in [
        "pgsteal_direct\n",
        "pgsteal_direct max\n",
        "pgscan_direct -1\n",
        "allocstall_dma 99999999999999999999",
    ] {
        assert!(Vmstat::parse(text).is_err(), "{text}");
    }
}

#[test]
fn low_watermarks_of_zones_that_manage_pages() {
    assert_eq!(low_watermark(ZONEINFO), Ok(Bytes::pages(5 + 200 + 10)));
}

#[rstest]
#[case::empty("")]
#[case::garbage("\u{0}\n\u{1}\n")]
#[case::no_zone_manages_pages("Node 0, zone Movable\n low 32\n managed 0\n")]
#[case::truncated("Node 0, zone Normal\n low 32\n")]
#[case::truncated_value("Node 0, zone Normal\n low\n managed 1\n")]
#[case::max("Node 0, zone Normal\n low max\n managed 1\n")]
#[case::overflow("Node 0, zone Normal\n low 18446744073709551616\n managed 1\n")]
fn bad_zoneinfo(#[case] text: &str) {
    assert!(low_watermark(text).is_err());
}

#[test]
fn huge_watermarks_saturate() {
    let zone = "Node 0, zone Normal\n low 18446744073709551615\n managed 1\n";
    assert_eq!(low_watermark(&zone.repeat(2)), Ok(Bytes::MAX));
}

#[test]
fn a_host_without_vmstat_and_zoneinfo_is_still_a_host() {
    let tree = tempfile::tempdir().unwrap();
    let root = Root::open(tree.path()).unwrap();
    assert!(read(&root).unwrap_err().is_missing());
    fs::create_dir(tree.path().join("proc")).unwrap();
    fs::write(tree.path().join("proc/meminfo"), MEMINFO).unwrap();
    let host = read(&root).unwrap();
    assert_eq!((host.low_watermark, host.vmstat.direct_reclaim), (None, None));

    fs::write(tree.path().join("proc/vmstat"), VMSTAT).unwrap();
    fs::write(tree.path().join("proc/zoneinfo"), ZONEINFO).unwrap();
    let observed = read(&root).unwrap().observation(vec![], HashMap::new(), true);
    assert_eq!(observed.total, Bytes::kib(24_684_084));
    assert_eq!(observed.free, Bytes::kib(24_433_016));
    assert_eq!(observed.low_watermark, Some(Bytes::pages(215)));
    assert_eq!(observed.direct_reclaim, Some(Bytes::pages(5)));
    assert!(observed.reclaim_takes_swappiness);
}

#[test]
fn this_machine_agrees_with_procfs() {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let ours = Meminfo::parse(&text).unwrap();
    let theirs = procfs_core::Meminfo::from_buf_read(text.as_bytes()).unwrap();
    assert_eq!(ours.total.get(), theirs.mem_total);
    assert_eq!(ours.free.get(), theirs.mem_free);
    assert_eq!(ours.available.map(Bytes::get), theirs.mem_available);
    let host = read(&Root::open("/").unwrap()).unwrap();
    assert!(host.low_watermark.unwrap() < host.meminfo.total);
}

/// Why /proc/meminfo is not read by procfs-core: remove this crate's own parser once it no longer panics.
#[test]
fn procfs_panics_on_a_malformed_line() {
    let parse = || procfs_core::Meminfo::from_buf_read("MemTotalä 1 kB\n".as_bytes()).is_ok();
    assert!(std::panic::catch_unwind(parse).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = (Meminfo::parse(&text), Vmstat::parse(&text), low_watermark(&text));
    }

    #[test]
    fn no_damage_to_a_real_file_panics(at in 0..1200_usize, with in any::<char>()) {
        for real in [MEMINFO, VMSTAT, ZONEINFO] {
            let at = at % real.len();
            let mut text = real.to_owned();
            text.replace_range(at..=at, &with.to_string());
            for text in [text.as_str(), &real[..at]] {
                let _ = (Meminfo::parse(text), Vmstat::parse(text), low_watermark(text));
            }
        }
    }
}

/// What scan pressure is seen by: each captured kernel counts it, and has a zone that matters.
#[rstest]
fn each_kernel_tells_of_zones_and_kswapd(#[values("6.1", "6.12", "6.18", "7.3")] kernel: &str) {
    let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel);
    let host = read(&Root::open(place).unwrap()).unwrap();
    let free = host.vmstat.free.unwrap();
    let observed = host.observation(Vec::new(), HashMap::new(), false);
    assert!(observed.kswapd.is_some());
    assert!(observed.zones.iter().all(|zone| zone.low < zone.high && zone.free > zone.high));
    // Read one after the other.
    let sum: Bytes = observed.zones.iter().map(|zone| zone.free).sum();
    assert!(sum.get().abs_diff(free.get()) < Bytes::mib(4).get(), "{sum} and {free}");
}

#[test]
fn zones_of_slower_nodes_are_left_out_and_a_boost_is_taken_off() {
    let zone = |node| Zone {
        node,
        managed: Bytes::mib(100),
        free: Some(Bytes::mib(9)),
        boost: Some(Bytes::mib(1)),
        low: Some(Bytes::mib(3)),
        high: Some(Bytes::mib(4)),
        ..Zone::default()
    };
    let nameless = Zone { managed: Bytes::ZERO, ..zone(0) };
    let host = Host { zones: vec![zone(0), zone(1), nameless], ..Host::default() };
    let slower = Tier {
        kind: lowtide_core::TierKind::Node,
        device: TierId::Node(NodeId(1)),
        priority: None,
        capacity: Bytes::mib(100),
        used: Bytes::ZERO,
        stored: Bytes::ZERO,
        resident: Bytes::ZERO,
        resident_limit: None,
        above: None,
    };
    let observed = host.observation(vec![slower], HashMap::new(), false);
    let expected = scan_pressure::Zone {
        node: 0,
        managed: Bytes::mib(100),
        free: Bytes::mib(9),
        low: Bytes::mib(2),
        high: Bytes::mib(3),
    };
    assert_eq!(observed.zones, [expected]);
}
