mod pages;
mod parts;
mod secrets;
mod swap;

use lowtide_doctor::Waste;

use crate::tree::{Tree, fixture, healthy};

fn found(tree: &Tree) -> Vec<Waste> {
    tree.examine().hygiene
}

/// One finding, with a word of its evidence and its MiB.
fn expect(tree: &Tree, name: &str, evidence: &str, mib: Option<u64>) {
    let report = tree.examine();
    assert_eq!(report.hygiene.len(), 1, "{report}");
    let waste = &report.hygiene[0];
    assert_eq!((waste.name, waste.bytes.map(|bytes| bytes.get() >> 20)), (name, mib), "{waste}");
    assert!(waste.to_string().contains(evidence), "{waste}");
    assert!(report.to_string().contains("\nmemory that is lost here\n"));
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

/// Of each captured kernel: what it keeps by itself is right, less and much more are not.
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

        // Twice the memory, and all that came is for movable pages alone: the kernel's own default stays.
        let more =
            format!("{zoneinfo}Node 0, zone  Movable\n  pages free     5000\n        managed  400000\n");
        let meminfo = std::fs::read_to_string(fixture(kernel).join("proc/meminfo")).unwrap();
        let grown = |line: &str| match line.strip_prefix("MemTotal:").or(line.strip_prefix("MemFree:")) {
            Some(rest) => {
                let kib: u64 = rest.trim().trim_end_matches(" kB").parse().unwrap();
                format!("{}: {} kB\n", line.split(':').next().unwrap(), kib + 1_600_000)
            }
            None => format!("{line}\n"),
        };
        let grown: String = meminfo.lines().map(grown).collect();
        let tree = with(own).write("proc/zoneinfo", &more).write("proc/meminfo", &grown);
        assert_eq!(found(&tree), [], "{kernel}: hot-plugged");
    }
}
