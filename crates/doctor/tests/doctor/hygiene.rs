use lowtide_doctor::Waste;

use crate::tree::{Tree, fixture, healthy};

fn found(tree: &Tree) -> Vec<Waste> {
    tree.examine().hygiene
}

/// One finding, with a word of its evidence and its MiB.
fn expect(tree: &Tree, name: &str, evidence: &str, mib: Option<u64>) {
    let found = found(tree);
    assert_eq!(found.len(), 1, "{found:?}");
    let waste = &found[0];
    assert_eq!((waste.name, waste.bytes.map(|bytes| bytes.get() >> 20)), (name, mib), "{waste}");
    assert!(waste.to_string().contains(evidence), "{waste}");
    assert!(tree.examine().to_string().contains("\nmemory that is lost here\n"));
}

fn meminfo(key: &str, kibibytes: u64) -> Tree {
    let text = std::fs::read_to_string(healthy().path().join("proc/meminfo")).unwrap();
    let line = |line: &str| match line.split_once(':') {
        Some((name, _)) if name == key => format!("{key}: {kibibytes} kB\n"),
        _ => format!("{line}\n"),
    };
    healthy().write("proc/meminfo", &text.lines().map(line).collect::<String>())
}

#[test]
fn nothing_is_lost_on_a_healthy_host() {
    for kernel in ["6.1", "6.12", "6.18", "7.3"] {
        assert_eq!(lowtide_doctor::examine(&fixture(kernel), None).unwrap().hygiene, [], "{kernel}");
    }
}

#[test]
fn a_million_negative_dentries() {
    let state = |negative: u64| {
        healthy().write("proc/sys/fs/dentry-state", &format!("1100000\t1050000\t45\t0\t{negative}\t0\n"))
    };
    expect(&state(1_000_000), "negative_dentries", "1000000 names", Some(183));
    assert_eq!(found(&state(20_000)), []);
}

#[test]
fn a_thousand_dying_cgroups() {
    let stat = |dying: u64, living: u64| {
        let text = format!("nr_descendants {living}\nnr_dying_descendants {dying}\n");
        healthy().write("sys/fs/cgroup/cgroup.stat", &text)
    };
    expect(&stat(1000, 40), "dying_cgroups", "nr_dying_descendants 1000, nr_descendants 40", None);
    assert_eq!(found(&stat(999, 40)), []);
    assert_eq!(found(&stat(1000, 5000)), [], "a host that makes and removes many has some on their way");
}

/// `kibibytes` of what was free are this part's now.
fn taken(key: &str, kibibytes: u64) -> Tree {
    let text = std::fs::read_to_string(healthy().path().join("proc/meminfo")).unwrap();
    let line = |line: &str| match line.split_once(':').unwrap() {
        ("MemFree", _) => format!("MemFree: {} kB\n", 365_812 - kibibytes),
        // The one is the sum of the two others.
        ("Slab", _) if key == "SUnreclaim" => format!("Slab: {} kB\n", 1384 + kibibytes),
        (name, _) if name == key => format!("{key}: {kibibytes} kB\n"),
        _ => format!("{line}\n"),
    };
    healthy().write("proc/meminfo", &text.lines().map(line).collect::<String>())
}

#[test]
fn page_tables_of_200_mib() {
    let process = |tree: Tree, pid: u32, tables: u32| {
        let status = format!("Name:\tpostgres\nVmRSS:\t    8192 kB\nVmPTE:\t{tables} kB\nThreads:\t1\n");
        tree.write(&format!("proc/{pid}/status"), &status)
    };
    let tree = [(7, 20), (8, 4096), (9, 102_400), (10, 51_200), (11, 1024)]
        .into_iter()
        .fold(taken("PageTables", 204_800), |tree, (pid, tables)| process(tree, pid, tables))
        .write("proc/12/status", "Name:\tkthreadd\nThreads:\t1\n");
    expect(&tree, "page_tables", "PageTables 200MiB\n", Some(200));
    let said: Vec<_> = found(&tree)[0].evidence.iter().skip(1).map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "/proc/9/status: postgres: VmPTE 100MiB beside VmRSS 8MiB",
            "/proc/10/status: postgres: VmPTE 50MiB beside VmRSS 8MiB",
            "/proc/8/status: postgres: VmPTE 4MiB beside VmRSS 8MiB",
        ]
    );
    assert_eq!(found(&taken("PageTables", 20_480)), []);
}

#[test]
fn no_more_than_4096_processes_are_looked_at() {
    let tree = taken("PageTables", 204_800);
    for pid in 1..=4100 {
        std::fs::create_dir(tree.path().join(format!("proc/{pid}"))).or_else(exists).unwrap();
    }
    expect(&tree, "page_tables", "/proc: 4096 of 4100 processes were looked at", Some(200));
}

/// The captured tree has a process of its own.
fn exists(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

/// Without the files that only root may read it is found all the same.
#[test]
fn slab_that_no_reclaim_frees() {
    let tree = taken("SUnreclaim", 51_200);
    expect(&tree, "unreclaimable_slab", "SUnreclaim 50MiB", Some(50));
    let slabs = "slabinfo - version: 2.1\n\
        # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n\
        dentry            600000 600000    192   21    1 : tunables    0    0    0 : slabdata  28572  28572      0\n\
        sock_inode_cache    4000   4160    832   39    8 : tunables    0    0    0 : slabdata    100    128      0\n\
        kmalloc-4k          9600   9600   4096    8    8 : tunables    0    0    0 : slabdata   1200   1200      0\n";
    let tree = tree.write("proc/slabinfo", slabs).write("sys/kernel/slab/dentry/reclaim_account", "1\n");
    let said: Vec<_> = found(&tree)[0].evidence.iter().skip(1).map(ToString::to_string).collect();
    assert_eq!(said, ["/proc/slabinfo: kmalloc-4k 37.5MiB", "/proc/slabinfo: sock_inode_cache 4MiB"]);
    assert_eq!(found(&taken("SUnreclaim", 40_960)), []);
}

#[test]
fn pages_that_the_kernel_mapped_for_itself() {
    let tree = taken("VmallocUsed", 30_720);
    expect(&tree, "vmalloc", "VmallocUsed 30MiB", Some(30));
    let areas = "0x000000001d-0x000000002e    20480 bpf_map_area_alloc+0x5a/0x80 pages=4096 vmalloc vpages N0=4096\n\
        0x000000003d-0x000000004e    20480 bpf_map_area_alloc+0x5a/0x80 pages=1024 vmalloc N0=1024\n\
        0x000000005d-0x000000006e     8192 acpi_os_map_iomem+0x1c9/0x1e0 phys=0x000000007ffe1000 ioremap\n\
        0x000000007d-0x000000008e  2101248 ring_alloc+0x16/0x30 [netdriver] pages=512 vmalloc N0=512\n\
        0x000000009d-0x00000000ae    65536 unpurged vm_area\n";
    let said: Vec<_> = found(&tree.write("proc/vmallocinfo", areas))[0]
        .evidence
        .iter()
        .skip(1)
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        ["/proc/vmallocinfo: bpf_map_area_alloc 20MiB", "/proc/vmallocinfo: ring_alloc [netdriver] 2MiB"]
    );
    assert_eq!(found(&taken("VmallocUsed", 20_480)), []);
}

#[test]
fn counters_of_each_processor() {
    let tree = taken("Percpu", 40_960).write("sys/devices/system/cpu/possible", "0-255\n");
    let tree = tree.write("sys/devices/system/cpu/present", "0-1\n");
    expect(&tree, "percpu", "possible: 256 processors\n", Some(40));
    expect(&tree, "percpu", "cgroup.stat: nr_descendants ", Some(40));
    assert_eq!(found(&taken("Percpu", 20_480)), []);
}

#[test]
fn stacks_of_threads() {
    let tree = taken("KernelStack", 16_384).write("proc/loadavg", "0.20 0.18 0.12 1/1024 11206\n");
    expect(&tree, "kernel_stacks", "/proc/loadavg: 1024 threads", Some(16));
    assert_eq!(found(&taken("KernelStack", 8192)), []);
}

#[test]
fn memory_that_nobody_has() {
    expect(&meminfo("MemFree", 265_812), "unowned_memory", "MemTotal 462.0MiB", Some(104));
}

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
    };
    expect(&zram(0, 268_435_456), "zram_without_limit", "fill 256MiB of 462.0MiB", None);
    let evidence = "/sys/block/zram0/mm_stat: mem_limit 0, disksize 1GiB, takes 4.7MiB";
    expect(&zram(0, 1 << 30), "zram_without_limit", evidence, None);
    assert_eq!(found(&zram(1, 1 << 30)), []);
    assert_eq!(found(&zram(0, 134_217_728)), []);
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
    let advised = [("general_profit", "0\n"), ("advisor_mode", "none [scan-time]\n")];
    expect(&ksm(&advised), "ksm_without_profit", "advisor_mode: none [scan-time]", Some(0));
    // Before 6.4.
    expect(&ksm(&[]), "ksm_without_profit", "pages_sharing: 0", None);
    for fine in [
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

#[test]
fn records_of_huge_pages() {
    let switched = |text: &str, pages: u32| {
        pools(&[(2048, [pages, 0, 0])]).write("proc/sys/vm/hugetlb_optimize_vmemmap", text)
    };
    // 28 KiB each.
    expect(&switched("0\n", 74), "huge_page_records", "hugepages: 148MiB in all sizes", Some(2));
    assert_eq!(found(&switched("0\n", 16)), [], "448 KiB of 462 MiB");
    assert_eq!(found(&switched("1\n", 74)), []);
    assert_eq!(found(&pools(&[(2048, [74, 0, 0])])), [], "the kernel cannot do it");
}

/// Of each captured kernel: what it keeps by itself is right, less and much more are not, and fast networks need more.
#[test]
fn a_reserve_that_is_too_small_or_too_large() {
    for kernel in ["6.1", "6.12", "6.18", "7.3"] {
        let zoneinfo = std::fs::read_to_string(fixture(kernel).join("proc/zoneinfo")).unwrap();
        let zones = zoneinfo.split("Node ").filter(|zone| !zone.contains("managed  0"));
        let min = |zone: &str| -> Option<u64> {
            zone.lines().find_map(|line| line.trim().strip_prefix("min ")?.trim().parse().ok())
        };
        // Pages; the kernel divides it among the zones.
        let own = zones.filter_map(min).sum::<u64>() * 4;
        let with = |kib: u64| Tree::of(kernel).write("proc/sys/vm/min_free_kbytes", &format!("{kib}\n"));
        assert_eq!(found(&with(own)), [], "{kernel}: {own}");
        expect(&with(own / 2), "min_free_kbytes", "it was lowered", None);
        assert_eq!(found(&with(own * 4)), [], "{kernel}: as khugepaged raises it");
        expect(&with(32 << 10), "min_free_kbytes", "may be used by nobody who can wait", Some(32));

        let linked = |speed: &str| {
            with(own).write("sys/class/net/eth0/speed", speed).write("sys/class/net/lo/mtu", "65536\n")
        };
        for none in ["-1\n", "1000\n"] {
            assert_eq!(found(&linked(none)), [], "{kernel}: {none}");
        }
        expect(&linked("100000\n"), "min_free_kbytes", "eth0 brings 23.8MiB in the 2 ms", None);
    }
}
