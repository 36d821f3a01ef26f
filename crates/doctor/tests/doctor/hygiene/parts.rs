use super::{expect, found, taken};
use crate::tree::{Tree, healthy};

fn meminfo(key: &str, kibibytes: u64) -> Tree {
    let text = std::fs::read_to_string(healthy().path().join("proc/meminfo")).unwrap();
    let line = |line: &str| match line.split_once(':') {
        Some((name, _)) if name == key => format!("{key}: {kibibytes} kB\n"),
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
    let tree = || meminfo("MemFree", 265_812);
    expect(&tree(), "unowned_memory", "MemTotal 462.0MiB", Some(100));
    // Much was freed a moment ago.
    let zoneinfo = std::fs::read_to_string(tree().path().join("proc/zoneinfo")).unwrap();
    let freed = zoneinfo.replace("count: 632", "count: 20632");
    assert_ne!(freed, zoneinfo);
    assert_eq!(found(&tree().write("proc/zoneinfo", &freed)), []);
}
