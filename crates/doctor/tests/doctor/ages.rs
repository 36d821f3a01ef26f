use crate::tree::{Tree, expect, finding, healthy};

const DAMON: &str = "sys/kernel/mm/damon/admin/kdamonds";

#[test]
fn mglru_off_or_built_out() {
    let enabled = "sys/kernel/mm/lru_gen/enabled";
    let off = healthy().write(enabled, "0x0000\n");
    expect(&off, true, &[("mglru", "partly", "enabled: 0x0000", "echo y > /sys/kernel/mm/lru_gen/enabled")]);
    let out = healthy().remove(enabled).built("CONFIG_PSI=y\n");
    expect(&out, true, &[("mglru", "no", "CONFIG_LRU_GEN is not set", "CONFIG_LRU_GEN=y")]);
    let garbage = healthy().write(enabled, "maybe\n");
    expect(&garbage, true, &[("mglru", "unknown", "`maybe` is not", "")]);
}

fn without_debugfs(tree: Tree) -> Tree {
    tree.drop_lines("proc/self/mountinfo", "debugfs").remove("sys/kernel/debug")
}

#[test]
fn debugfs_not_mounted() {
    let mount = "mount -t debugfs";
    let expected = [
        ("debugfs", "no", "no debugfs at /sys/kernel/debug", mount),
        ("mglru", "partly", "/sys/kernel/debug/lru_gen: not there", mount),
        ("zram_idle_ages", "unknown", "", "CONFIG_ZRAM_MEMORY_TRACKING"),
    ];
    expect(&without_debugfs(healthy()), true, &expected);
}

#[test]
fn debugfs_off_at_boot_or_built_out() {
    let off = without_debugfs(healthy())
        .drop_lines("proc/filesystems", "debugfs")
        .write("proc/cmdline", "debugfs=off\n");
    expect(&off, true, &[("debugfs", "no", "debugfs=off", "without debugfs=off")]);
    let out = without_debugfs(healthy()).drop_lines("proc/filesystems", "debugfs").built("CONFIG_PSI=y\n");
    expect(&out, true, &[("debugfs", "no", "CONFIG_DEBUG_FS is not set", "CONFIG_DEBUG_FS=y")]);
}

#[test]
fn locked_down() {
    let locked = healthy().write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    expect(&locked, true, &[("debugfs", "partly", "[integrity]", "Secure Boot")]);
}

/// The loop works by pressure alone then, and every way out is named.
#[test]
fn no_source_of_idle_ages_at_all() {
    let report = without_debugfs(Tree::of("6.1")).built("# CONFIG_DAMON is not set\n").examine();
    assert!(report.can_run && report.source.source == "none", "{report}");
    let enable = |name: &str| finding(&report, name).verdict.enable().unwrap();
    assert_eq!(enable("mglru"), "echo y > /sys/kernel/mm/lru_gen/enabled");
    assert_eq!(enable("debugfs"), "mount -t debugfs debugfs /sys/kernel/debug");
    assert!(enable("damon").contains("CONFIG_DAMON_SYSFS=y"));
    let text = report.to_string();
    assert!(text.contains("`hotness.source: auto` takes none, the loop works by pressure alone: "), "{text}");
    assert!(text.contains("CONFIG_DAMON_SYSFS is not set"), "{text}");
}

#[test]
fn damon_where_mglru_is_off() {
    let report = healthy().write("sys/kernel/mm/lru_gen/enabled", "0x0000\n").examine();
    assert_eq!(report.source.source, "damon");
    let text = report.to_string();
    assert!(text.contains("`hotness.source: auto` takes damon: "), "{text}");
    assert!(text.contains("MGLRU is off; echo y > /sys/kernel/mm/lru_gen/enabled"), "{text}");
}

#[test]
fn damon_held_by_another_user_in_the_kernel() {
    let switch = |user: &str| format!("sys/module/damon_{user}/parameters/enabled");
    let held = healthy().write(&switch("stat"), "Y\n").write(&switch("reclaim"), "Y\n");
    let enable = "echo N > /sys/module/damon_stat/parameters/enabled; echo N > /sys/module/damon_reclaim/";
    expect(&held, true, &[("damon_free", "no", "damon_stat/parameters/enabled: Y", enable)]);
}

/// Nobody has made a kdamond, so nothing shows what DAMON can do but how the kernel was built.
fn untouched() -> Tree {
    healthy().remove("sys/kernel/mm/damon").write(&format!("{DAMON}/nr_kdamonds"), "0\n")
}

#[test]
fn damon_that_nobody_has_touched() {
    let expected = [
        ("damon", "yes", "nr_kdamonds: 0", ""),
        ("damon_paddr", "yes", "built on this", ""),
        ("damon_vaddr", "unknown", "making one is a write", "CONFIG_DAMON_VADDR=y"),
        ("damon_passed_bytes", "unknown", "making one is a write", "6.14"),
    ];
    expect(&untouched(), true, &expected);
    let built = untouched().built("CONFIG_DAMON_VADDR=y\n# CONFIG_DAMON_PADDR is not set\n");
    let expected = [
        ("damon_vaddr", "yes", "CONFIG_DAMON_VADDR=y", ""),
        ("damon_paddr", "no", "CONFIG_DAMON_PADDR is not set", "CONFIG_DAMON_PADDR=y"),
    ];
    expect(&built, true, &expected);
}

#[test]
fn damon_as_a_kdamond_shows_it() {
    let made = untouched()
        .write(&format!("{DAMON}/nr_kdamonds"), "1\n")
        .write(&format!("{DAMON}/0/state"), "off\n")
        .write(&format!("{DAMON}/0/contexts/nr_contexts"), "1\n")
        .write(&format!("{DAMON}/0/contexts/0/avail_operations"), "vaddr\nfvaddr\n")
        .write(&format!("{DAMON}/0/contexts/0/targets/nr_targets"), "0\n")
        .write(&format!("{DAMON}/0/contexts/0/schemes/nr_schemes"), "1\n")
        .write(&format!("{DAMON}/0/contexts/0/schemes/0/stats/sz_tried"), "0\n");
    let expected = [
        ("damon", "yes", "nr_kdamonds: 1, of which 0 running", ""),
        ("damon_vaddr", "yes", "avail_operations: vaddr fvaddr", ""),
        ("damon_paddr", "no", "avail_operations: vaddr fvaddr", "CONFIG_DAMON_PADDR=y"),
        ("damon_passed_bytes", "no", "stats/sz_ops_filter_passed: not there", "6.14"),
    ];
    expect(&made, true, &expected);
}

/// Another user sees no frames, and a kernel without page tables to read has none to show.
#[test]
fn sampled_pages_take_capabilities() {
    let seen = |bits: &str| {
        healthy()
            .write("proc/self/pagemap", "")
            .write("proc/self/status", &format!("Name:\tlowtide\nCapEff:\t{bits}\n"))
    };
    expect(&seen("000001ffffffffff"), true, &[("sampled_pages", "yes", "pagemap: there", "")]);
    let packaged = [("sampled_pages", "unknown", "takes CAP_SYS_PTRACE and CAP_SYS_ADMIN", "drop-in")];
    expect(&seen("0000000001000002"), true, &packaged);
    // The fixtures have none.
    expect(&healthy(), true, &[("sampled_pages", "no", "no /proc/PID/pagemap", "CONFIG_PROC_PAGE_MONITOR")]);
    let garbage = seen("x");
    expect(&garbage, true, &[("sampled_pages", "unknown", "", "run as root")]);
}
