//! The trees that were captured on real kernels (tests/fixtures/capture.sh), read by this crate.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::path::Path;

use lowtide_core::{Bytes, LeftOut, Tier, TierId, TierKind};
use lowtide_kernfs::Root;
use lowtide_tiers::{Zram, Zswap};
use rstest::rstest;

fn root(kernel: &str) -> Root {
    Root::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel)).unwrap()
}

/// The first three fields of mm_stat, bd_stat, and KiB of slots taken.
#[rstest]
#[case("6.1", [17_014_784, 6_291_970, 7_278_592], [1104, 1012, 2059], 16_900)]
#[case("6.12", [12_959_744, 4_221_655, 4_972_544], [1118, 1005, 2069], 12_828)]
#[case("6.18", [12_931_072, 4_349_652, 5_124_096], [1050, 1010, 2060], 12_624)]
#[case("7.3", [12_746_752, 4_272_067, 5_017_600], [1041, 1011, 2052], 12_444)]
fn zram(#[case] kernel: &str, #[case] mm: [u64; 3], #[case] bd: [u64; 3], #[case] used: u64) {
    let [original, compressed, resident] = mm.map(Bytes::new);
    let [backing, backing_read, backing_written] = bd.map(Bytes::pages);
    let zram = Zram {
        disk_size: Bytes::mib(256),
        original,
        compressed,
        resident,
        resident_limit: Some(Bytes::mib(64)),
        incompressible: Some(Bytes::ZERO),
        backing,
        backing_read,
        backing_written,
    };
    // Through the link in /sys/block.
    assert_eq!(Zram::read(&root(kernel), "zram0").unwrap(), Some(zram));

    let tiers = lowtide_tiers::read(&root(kernel), &mut LeftOut::default()).unwrap();
    let tier = Tier {
        kind: TierKind::Zram,
        device: "/dev/zram0".into(),
        priority: Some(100),
        capacity: Bytes::kib(262_140),
        used: Bytes::kib(used),
        stored: original - backing,
        resident,
        resident_limit: Some(Bytes::mib(64)),
        above: None,
    };
    assert_eq!(tiers[1], tier);
}

/// kB of zswap's pool and of what it stores, and of the disk's slots taken, all of which are for pages in
/// zswap.
#[rstest]
#[case("6.1", 466_112, [14_824, 15_152], 15_196)]
#[case("6.12", 473_124, [7200, 12_532], 12_600)]
#[case("6.18", 468_584, [7240, 12_348], 12_348)]
#[case("7.3", 466_596, [7136, 12_372], 12_372)]
fn zswap_and_disk(#[case] kernel: &str, #[case] total: u64, #[case] pool: [u64; 2], #[case] used: u64) {
    let [resident, stored] = pool.map(Bytes::kib);
    // It was switched off and still holds pages.
    let zswap = Zswap { enabled: false, pool_limit: Bytes::new(total * 1024 / 5), resident, stored };
    assert_eq!(Zswap::read(&root(kernel)).unwrap(), Some(zswap));

    let tiers = lowtide_tiers::read(&root(kernel), &mut LeftOut::default()).unwrap();
    assert_eq!(tiers.len(), 3);
    assert_eq!((tiers[0].kind, &tiers[0].device, tiers[0].priority), (TierKind::Zswap, &TierId::Zswap, None));
    assert_eq!((tiers[0].used, tiers[0].stored, tiers[0].resident), (resident, stored, resident));
    assert_eq!(
        (tiers[2].kind, tiers[2].device.path(), tiers[2].priority),
        (TierKind::Disk, Some("/dev/vda"), Some(5))
    );
    assert_eq!((tiers[2].capacity, tiers[2].used), (Bytes::kib(262_140), Bytes::kib(used)));
    // Up to 6.14 each processor keeps up to 64 free slots that count as taken, on zram too.
    assert!(tiers[2].stored < Bytes::mib(1), "{}", tiers[2].stored);
}
