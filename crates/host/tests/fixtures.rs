//! The trees that were captured on real kernels (tests/fixtures/capture.sh), read by this crate and by
//! procfs-core.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::path::Path;

use lowtide_core::Bytes;
use lowtide_host::{Counter, Counters};
use lowtide_kernfs::{Files, Root};
use procfs_core::FromBufRead;
use rstest::rstest;

/// kB in total, free and available, pages of the DMA and DMA32 zones' low watermarks.
#[rstest]
#[case("6.1", [466_112, 351_856, 379_288], [27, 820])]
#[case("6.12", [473_124, 365_812, 386_912], [27, 826])]
#[case("6.18", [468_584, 331_604, 366_132], [27, 822])]
#[case("7.3", [466_596, 326_240, 360_896], [27, 821])]
fn host(#[case] kernel: &str, #[case] sizes: [u64; 3], #[case] low: [u64; 2]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel);
    let root = Root::open(path).unwrap();
    let host = lowtide_host::read(&root).unwrap();
    let [total, free, available] = sizes.map(Bytes::kib);
    assert_eq!((host.meminfo.total, host.meminfo.free), (total, free));
    assert_eq!(host.meminfo.available, Some(available));
    // The Movable zone has a watermark from 6.12 on, and no pages.
    assert_eq!(host.low_watermark, Some(Bytes::pages(low.iter().sum())));
    // memory.reclaim of 28 MiB had gone before.
    assert_eq!(host.vmstat.direct_reclaim, Some(Bytes::ZERO));
    assert_eq!(host.vmstat.direct_scan, Some(Bytes::ZERO));
    assert_eq!(host.vmstat.allocation_stalls, Some(0));

    let text = root.read("proc/meminfo").unwrap();
    let theirs = procfs_core::Meminfo::from_buf_read(text.as_bytes()).unwrap();
    assert_eq!((theirs.mem_total, theirs.mem_free), (total.get(), free.get()));
    assert_eq!(theirs.mem_available, Some(available.get()));
    let lists = [
        theirs.active_anon,
        theirs.inactive_anon,
        theirs.active_file,
        theirs.inactive_file,
        theirs.unevictable,
    ];
    let meminfo = host.meminfo;
    let ours = [
        meminfo.active_anon,
        meminfo.inactive_anon,
        meminfo.active_file,
        meminfo.inactive_file,
        meminfo.unevictable,
    ];
    assert_eq!(lists, ours.map(|size| size.map(Bytes::get)));
    assert_eq!(theirs.s_reclaimable, meminfo.slab_reclaimable.map(Bytes::get));
    assert_eq!(theirs.s_unreclaim, meminfo.slab_unreclaimable.map(Bytes::get));
    assert_eq!(Some(theirs.swap_free), meminfo.swap_free.map(Bytes::get));
    assert_eq!(theirs.z_swap, host.meminfo.zswap.map(Bytes::get));
    assert_eq!(theirs.z_swapped, host.meminfo.zswapped.map(Bytes::get));
}

/// Of each kernel: what /proc/vmstat has for people, and the zones that manage pages.
#[rstest]
#[case("6.1", false)]
#[case("6.12", false)]
#[case("6.18", true)]
#[case("7.3", true)]
fn counters_and_zones(#[case] kernel: &str, #[case] counts_proactive: bool) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel);
    let root = Root::open(path).unwrap();
    let counters = root.parse("proc/vmstat", Counters::parse).unwrap();
    let missing: Vec<_> =
        Counter::ALL.into_iter().filter(|counter| counters.get(*counter).is_none()).collect();
    let proactive = [Counter::ScanProactive, Counter::StealProactive];
    let mut expected = if counts_proactive { vec![] } else { proactive.to_vec() };
    // 6.1 has no counter of zswap's writeback in /proc/vmstat.
    expected.extend((kernel == "6.1").then_some(Counter::ZswapWriteback));
    expected.sort_by_key(|counter| *counter as usize);
    assert_eq!(missing, expected);

    let zones = root.parse("proc/zoneinfo", lowtide_host::zones).unwrap();
    let in_use = zones.iter().filter(|zone| !zone.managed.is_zero());
    assert_eq!(in_use.clone().map(|zone| &*zone.name).collect::<Vec<_>>(), ["DMA", "DMA32"]);
    for zone in in_use {
        assert!(zone.min < zone.low && zone.low < zone.high && zone.high < zone.free, "{zone:?}");
    }
}
