//! The trees that were captured on real kernels (tests/fixtures/capture.sh), read by this crate and by procfs-core.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::path::Path;

use lowtide_core::Bytes;
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
    assert_eq!(theirs.z_swap, host.meminfo.zswap.map(Bytes::get));
    assert_eq!(theirs.z_swapped, host.meminfo.zswapped.map(Bytes::get));
}
