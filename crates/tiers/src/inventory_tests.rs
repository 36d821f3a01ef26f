use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;

fn read(root: &Root) -> Result<Vec<Tier>> {
    let mut left_out = LeftOut::default();
    let tiers = super::read(root, &mut left_out);
    assert_eq!(left_out, LeftOut::default());
    tiers
}

const HEADING: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

fn put(tree: &Path, name: &str, text: &str) {
    let path = tree.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn host(swaps: &str) -> (TempDir, Root) {
    let tree = tempfile::tempdir().unwrap();
    put(tree.path(), "proc/swaps", &format!("{HEADING}{swaps}"));
    put(tree.path(), "sys/block/zram0/initstate", "1\n");
    put(tree.path(), "sys/block/zram0/disksize", "1048576\n");
    put(tree.path(), "sys/block/zram0/mm_stat", "409600 2000 8192 65536 8192 0 0 0 0\n");
    put(tree.path(), "sys/block/zram0/bd_stat", "25 0 25\n");
    let root = Root::open(tree.path()).unwrap();
    (tree, root)
}

fn zswap(tree: &TempDir, enabled: &str) {
    put(tree.path(), "sys/module/zswap/parameters/enabled", enabled);
    put(tree.path(), "sys/module/zswap/parameters/max_pool_percent", "20\n");
    put(tree.path(), "proc/meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\nZswap: 10 kB\nZswapped: 30 kB\n");
}

#[test]
fn what_lies_below_zram_is_a_tier_without_slots() {
    let (tree, root) = host("/dev/zram0 partition 1020 500 100\n/dev/sda2 partition 2000 300 -2\n");
    put(tree.path(), "sys/block/zram0/backing_dev", "/dev/sdb\n");
    put(tree.path(), "sys/class/block/sdb/size", "2000\n");
    let tiers = read(&root).unwrap();
    let names: Vec<_> = tiers.iter().map(|tier| (tier.device.path().unwrap(), tier.has_slots())).collect();
    assert_eq!(names, [("/dev/zram0", true), ("/dev/sdb", false), ("/dev/sda2", true)]);
    assert_eq!((tiers[1].stored, tiers[1].room()), (Bytes::kib(100), Bytes::kib(900)));
    assert_eq!(tiers[1].above, Some("/dev/zram0".into()));
}

#[test]
fn zram_before_disk_by_priority() {
    let (_tree, root) = host("/dev/sda2 partition 2000 300 -2\n/dev/zram0 partition 1020 500 100\n");
    let tiers = read(&root).unwrap();
    let zram = Tier {
        kind: TierKind::Zram,
        device: "/dev/zram0".into(),
        priority: Some(100),
        capacity: Bytes::kib(1020),
        used: Bytes::kib(500),
        stored: Bytes::kib(300),
        resident: Bytes::kib(8),
        resident_limit: Some(Bytes::kib(64)),
        above: None,
    };
    let disk = Tier {
        kind: TierKind::Disk,
        device: "/dev/sda2".into(),
        priority: Some(-2),
        capacity: Bytes::kib(2000),
        used: Bytes::kib(300),
        stored: Bytes::kib(300),
        resident: Bytes::ZERO,
        resident_limit: None,
        above: None,
    };
    assert_eq!(tiers, [zram, disk]);
}

#[test]
fn zswap_in_front_of_the_only_disk() {
    let (tree, root) = host("/dev/sda2 partition 2000 300 -2\n");
    zswap(&tree, "Y\n");
    let tiers = read(&root).unwrap();
    assert_eq!(tiers[0].kind, TierKind::Zswap);
    assert_eq!((tiers[0].capacity, tiers[0].used), (Bytes::kib(200), Bytes::kib(10)));
    assert_eq!((tiers[0].stored, tiers[0].resident), (Bytes::kib(30), Bytes::kib(10)));
    assert_eq!((tiers[1].used, tiers[1].stored), (Bytes::kib(300), Bytes::kib(270)));

    zswap(&tree, "N\n");
    assert_eq!(read(&root).unwrap().len(), 2, "off, and still holding pages");
}

#[test]
fn zswap_in_front_of_zram_and_one_disk() {
    // 500 KiB of slots and 400 KiB of data: at most 100 KiB of zram's pages are in zswap, so the disk's are
    // not.
    let (tree, root) = host("/dev/sda2 partition 2000 300 -2\n/dev/zram0 partition 1020 500 100\n");
    zswap(&tree, "Y\n");
    let stored = |root: &Root| read(root).unwrap().iter().map(|tier| tier.stored).collect::<Vec<_>>();
    assert_eq!(stored(&root), [Bytes::kib(30), Bytes::kib(300), Bytes::kib(300)]);

    // 10 KiB of slots without data: 20 of the 30 KiB in zswap are the disk's.
    let (tree, root) = host("/dev/sda2 partition 2000 300 -2\n/dev/zram0 partition 1020 410 100\n");
    zswap(&tree, "Y\n");
    assert_eq!(stored(&root), [Bytes::kib(30), Bytes::kib(300), Bytes::kib(280)]);
}

#[test]
fn with_two_disks_nobody_knows_whose_pages_zswap_holds() {
    let (tree, root) = host("/dev/sda2 partition 2000 300 -2\n/dev/sdb2 partition 2000 200 -3\n");
    zswap(&tree, "Y\n");
    let stored: Vec<_> = read(&root).unwrap().iter().map(|tier| tier.stored).collect();
    assert_eq!(stored, [Bytes::kib(30), Bytes::kib(300), Bytes::kib(200)]);
}

#[test]
fn a_device_that_goes_away_is_left_out() {
    let (tree, root) = host("/dev/zram0 partition 1020 500 100\n/dev/zram1 partition 1020 500 99\n");
    assert_eq!(read(&root).unwrap().len(), 1);
    fs::remove_file(tree.path().join("sys/block/zram0/mm_stat")).unwrap();
    assert_eq!(read(&root).unwrap(), []);
}

#[test]
fn no_swap_no_tiers() {
    let (_tree, root) = host("");
    assert_eq!(read(&root).unwrap(), []);
}

/// Kind 4. The policy that forbids zram still sees it, and nothing more is sent there.
#[test]
fn a_device_that_cannot_be_read_is_told_and_the_others_are_there() {
    for (file, text) in
        [("mm_stat", "409600 many\n"), ("disksize", "\n"), ("initstate", "x\n"), ("bd_stat", "1\n")]
    {
        let (tree, root) = host("/dev/zram0 partition 1020 500 100\n/dev/sda2 partition 2000 300 -2\n");
        put(tree.path(), &format!("sys/block/zram0/{file}"), text);
        let mut left_out = LeftOut::default();
        let tiers = super::read(&root, &mut left_out).unwrap();
        let seen: Vec<_> =
            tiers.iter().map(|tier| (tier.kind, tier.device.path().unwrap(), tier.room())).collect();
        let expected =
            [(TierKind::Zram, "/dev/zram0", Bytes::ZERO), (TierKind::Disk, "/dev/sda2", Bytes::kib(1700))];
        assert_eq!(seen, expected, "{file}");
        assert!(left_out.named()[0].why.contains(file), "{left_out:?}");
    }
}

/// Kind 4, siblings.
#[test]
fn what_is_not_understood_of_zswap_or_a_backing_device_is_told_too() {
    let (tree, root) = host("/dev/zram0 partition 1020 500 100\n/dev/sda2 partition 2000 300 -2\n");
    zswap(&tree, "perhaps\n");
    put(tree.path(), "sys/block/zram0/backing_dev", "/dev/sdb\n");
    put(tree.path(), "sys/class/block/sdb/size", "much\n");
    let mut left_out = LeftOut::default();
    let tiers = super::read(&root, &mut left_out).unwrap();
    assert_eq!(
        tiers.iter().map(|tier| tier.device.path().unwrap()).collect::<Vec<_>>(),
        ["/dev/zram0", "/dev/sda2"]
    );
    assert_eq!(left_out.count(Kind::Device), 2);
}

/// Kind 7.
#[test]
fn what_was_removed_while_in_use_takes_no_more() {
    let (_tree, root) = host("/gone\\040(deleted) file 2000 300 -2\n/zram0 file 1000 0 -3\n");
    let tiers = read(&root).unwrap();
    let seen: Vec<_> =
        tiers.iter().map(|tier| (tier.kind, tier.device.path().unwrap(), tier.room())).collect();
    let expected =
        [(TierKind::Disk, "/gone (deleted)", Bytes::ZERO), (TierKind::Disk, "/zram0", Bytes::kib(1000))];
    assert_eq!(seen, expected);
    assert_eq!(tiers[0].stored, Bytes::kib(300));
}
