use super::{expect, found, taken};
use crate::tree::healthy;

#[test]
fn zswap_in_front_of_zram() {
    let tree = healthy().write("sys/module/zswap/parameters/enabled", "Y\n");
    expect(&tree, "zswap_over_zram", "/dev/zram0", None);
    let disk_first = "Filename Type Size Used Priority\n/dev/zram0 partition 262140 0 5\n/dev/vda partition 262140 0 100\n";
    assert_eq!(found(&tree.write("proc/swaps", disk_first)), []);
}

#[test]
fn a_disk_that_is_filled_before_zram_or_in_turn_with_it() {
    let swaps = |disk: i32, zram: i32| {
        let text = format!(
            "Filename Type Size Used Priority\n/dev/vda partition 262140 0 {disk}\n/dev/zram0 partition 262140 0 {zram}\n\
             /dev/vdc partition 262140 0 -3\n"
        );
        healthy().write("proc/swaps", &text)
    };
    expect(&swaps(100, 5), "swap_priorities", "/dev/vda is filled before /dev/zram0", None);
    expect(&swaps(100, 5), "swap_priorities", "/proc/swaps: /dev/vda, priority 100", None);
    expect(&swaps(-1, -1), "swap_priorities", "/dev/zram0 and /dev/vda are filled in turn", None);
    assert_eq!(found(&swaps(5, 100)), []);
    let zswap = swaps(100, 5).write("sys/module/zswap/parameters/enabled", "Y\n");
    assert_eq!(found(&zswap), [], "zswap is in front of the disk");
}

#[test]
fn zram_that_nothing_bounds() {
    let device = "sys/devices/virtual/block/zram0";
    let zram = |limit: u64, size: u64| {
        let stat = format!("12959744 4221655 4972544 {limit} 5079040 0 0 0 0\n");
        healthy()
            .write(&format!("{device}/mm_stat"), &stat)
            .write(&format!("{device}/disksize"), &format!("{size}\n"))
            .write(&format!("{device}/backing_dev"), "none\n")
    };
    expect(&zram(0, 536_870_912), "zram_without_limit", "fill 462.0MiB of 462.0MiB", None);
    let evidence = "/sys/block/zram0/mm_stat: mem_limit 0, disksize 1GiB, takes 4.7MiB";
    expect(&zram(0, 1 << 30), "zram_without_limit", evidence, None);
    assert_eq!(found(&zram(1, 1 << 30)), []);
    assert_eq!(found(&zram(0, 268_435_456)), [], "as distributions have it");
    let backed = zram(0, 1 << 30).write("sys/block/zram0/backing_dev", "/dev/sdb1\n");
    assert_eq!(found(&backed), [], "its slots are for what is on the disk, too");
}

#[test]
fn files_in_memory_without_swap() {
    let shared = |kibibytes: u64, swap: u64| {
        let tree = taken("Shmem", kibibytes);
        let text = std::fs::read_to_string(tree.path().join("proc/meminfo")).unwrap();
        let text = text.replace("SwapTotal:        524280 kB", &format!("SwapTotal: {swap} kB"));
        // They are page cache too.
        let text = text.replace("Cached:            23884 kB", &format!("Cached: {} kB", 23_884 + kibibytes));
        tree.write("proc/meminfo", &text)
    };
    expect(&shared(51_200, 0), "tmpfs_without_swap", "Shmem 50MiB, SwapTotal 0B", Some(50));
    assert_eq!(found(&shared(51_200, 4)), []);
    assert_eq!(found(&shared(40_960, 0)), []);
}
