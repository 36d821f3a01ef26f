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

#[test]
fn page_tables_of_200_mib() {
    // What was free is page tables now.
    let tree = meminfo("MemFree", 365_812 - 204_800);
    let text = std::fs::read_to_string(tree.path().join("proc/meminfo")).unwrap();
    let tree = tree.write("proc/meminfo", &text.replace("PageTables:          380", "PageTables: 205180"));
    expect(&tree, "page_tables", "PageTables 200.4MiB", Some(200));
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
