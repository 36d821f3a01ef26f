use super::{expect, found};
use crate::tree::{Tree, healthy};

#[test]
fn tasks_that_compact_memory_themselves() {
    let stalled = |stalls: u64, uptime: &str, defrag: &str| {
        let vmstat = std::fs::read_to_string(healthy().path().join("proc/vmstat")).unwrap();
        let changed = vmstat
            .replace("compact_stall 0\n", &format!("compact_stall {stalls}\n"))
            .replace("compact_fail 0\n", &format!("compact_fail {}\n", stalls / 2));
        assert_ne!(changed, vmstat);
        let buddies = "Node 0, zone      DMA      1      0      0      0      2      1      1      0      1      1      3\n\
            Node 0, zone    DMA32  25600      0      0      0      0      0      0      0      0      0      0\n";
        healthy()
            .write("proc/vmstat", &changed)
            .write("proc/uptime", uptime)
            .write("proc/buddyinfo", buddies)
            .write("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n")
            .write("sys/kernel/mm/transparent_hugepage/defrag", defrag)
    };
    let always = "[always] defer defer+madvise madvise never\n";
    let tree = stalled(2000, "1000.00 900.00\n", always);
    expect(&tree, "compaction_stalls", "2.0 times a second", None);
    expect(&tree, "compaction_stalls", "defrag: [always] defer", None);
    // 4 KiB, 2 × 64, 128, 256 KiB, 1 and 2 MiB, 3 × 4 MiB; and 100 MiB in single pages.
    expect(&tree, "compaction_stalls", "115.5MiB free, 14MiB of it in pieces of 2MiB and more", None);
    assert!(found(&tree)[0].remedy.starts_with("echo defer+madvise"));
    let madvise = "always defer defer+madvise [madvise] never\n";
    let tree = stalled(2000, "1000.00 900.00\n", madvise);
    assert!(found(&tree)[0].remedy.starts_with("sysctl -w vm.compaction_proactiveness"));
    assert_eq!(found(&stalled(2000, "3000.00 900.00\n", always)), []);
    assert_eq!(found(&stalled(90, "10.00 9.00\n", always)), [], "just after boot");
}

#[test]
fn ksm_that_finds_nothing_equal() {
    let ksm = |files: &[(&str, &str)]| {
        let usual =
            [("run", "1\n"), ("full_scans", "7\n"), ("pages_sharing", "0\n"), ("pages_to_scan", "100\n")];
        let tree = usual.iter().chain(files);
        tree.fold(healthy(), |tree, (file, text)| tree.write(&format!("sys/kernel/mm/ksm/{file}"), text))
    };
    let few = [("pages_sharing", "40\n"), ("general_profit", "-5242880\n"), ("sleep_millisecs", "20\n")];
    expect(&ksm(&few), "ksm_without_profit", "100 pages every 20 ms", Some(5));
    expect(&ksm(&few), "ksm_without_profit", "/sys/kernel/mm/ksm/general_profit: -5242880", Some(5));
    let advised = [("general_profit", "-4096\n"), ("advisor_mode", "none [scan-time]\n")];
    expect(&ksm(&advised), "ksm_without_profit", "advisor_mode: none [scan-time]", Some(0));
    // Before 6.4.
    expect(&ksm(&[("pages_unshared", "9\n")]), "ksm_without_profit", "pages_sharing: 0", None);
    for fine in [
        // All that was offered is gone.
        ("general_profit", "0\n"),
        ("pages_unshared", "0\n"),
        ("pages_sharing", "1000\n"),
        ("general_profit", "4096\n"),
        ("run", "0\n"),
        ("run", "2\n"),
        ("full_scans", "1\n"),
        ("general_profit", "9223372036854775807\n"),
    ] {
        assert_eq!(found(&ksm(&[fine])), [], "{fine:?}");
    }
}

/// Pools of huge pages, each with its size in kB, and its pages: all, free, and promised.
fn pools(pools: &[(u32, [u32; 3])]) -> Tree {
    let mut tree = healthy();
    for (size, numbers) in pools {
        for (file, number) in ["nr_hugepages", "free_hugepages", "resv_hugepages"].iter().zip(numbers) {
            let path = format!("sys/kernel/mm/hugepages/hugepages-{size}kB/{file}");
            tree = tree.write(&path, &format!("{number}\n"));
        }
    }
    tree
}

#[test]
fn huge_pages_that_nobody_maps() {
    let tree = pools(&[(2048, [40, 30, 4]), (1_048_576, [0, 0, 0])]);
    let said =
        "/sys/kernel/mm/hugepages/hugepages-2048kB: nr_hugepages 40, free_hugepages 30, resv_hugepages 4";
    expect(&tree, "unused_huge_pages", said, Some(52));
    assert_eq!(found(&pools(&[(2048, [40, 30, 28])])), [], "4 MiB of 462");
    assert_eq!(found(&pools(&[(2048, [40, 0, 0])])), []);
}
