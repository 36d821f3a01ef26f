use crate::tree::{Tree, expect, healthy};

fn without_psi() -> Tree {
    let mut tree = healthy().remove("proc/pressure");
    for file in ["memory.pressure", "io.pressure", "cpu.pressure", "cgroup.pressure"] {
        tree = tree.remove_all(file);
    }
    tree
}

#[test]
fn psi_off_at_boot() {
    let off = without_psi().write("proc/cmdline", "quiet psi=0\n");
    let expected = [
        ("psi", "no", "/proc/cmdline: psi=0", "psi=1"),
        ("psi_cgroup", "no", "/sys/fs/cgroup/cgroup.pressure: not there", "psi=1"),
    ];
    expect(&off, true, &expected);
}

#[test]
fn psi_built_out() {
    let out = without_psi().built("# CONFIG_PSI is not set\n");
    expect(&out, true, &[("psi", "no", "CONFIG_PSI is not set", "CONFIG_PSI=y")]);
}

#[test]
fn pressure_of_one_cgroup_switched_off() {
    let off = healthy()
        .remove("sys/fs/cgroup/web/api/memory.pressure")
        .write("sys/fs/cgroup/web/api/cgroup.pressure", "0\n");
    let enable = "echo 1 > /sys/fs/cgroup/web/api/cgroup.pressure";
    expect(&off, true, &[("psi_cgroup", "partly", "in 4 of 5 cgroups", enable), ("psi", "yes", "some", "")]);
}

#[test]
fn cgroup_pressure_disabled_at_boot() {
    let off = healthy().remove_all("memory.pressure").write("proc/cmdline", "cgroup_disable=pressure\n");
    expect(
        &off,
        true,
        &[("psi_cgroup", "no", "cgroup_disable=pressure", "cgroup_disable="), ("psi", "yes", "", "")],
    );
}

#[test]
fn only_cgroup_v1() {
    let line = "35 30 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";
    let v1 = healthy().remove("sys/fs/cgroup").write("proc/self/mountinfo", line);
    let boot = "systemd.unified_cgroup_hierarchy=1";
    let expected = [
        ("cgroup2", "no", "cgroup v1 at /sys/fs/cgroup/memory", boot),
        ("memory_controller", "no", "of cgroup v1 at /sys/fs/cgroup/memory", boot),
        ("memory_reclaim", "no", "not there", "5.19"),
    ];
    expect(&v1, false, &expected);
}

#[test]
fn memory_controller_disabled_at_boot() {
    let off = healthy()
        .write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io\n")
        .write("proc/cmdline", "cgroup_disable=memory\n")
        .remove("sys/fs/cgroup/memory.reclaim");
    let expected = [("memory_controller", "no", "cgroup_disable=memory", "cgroup_disable=")];
    expect(&off, false, &expected);
}

#[test]
fn memory_controller_handed_to_nobody() {
    let off = healthy().write("sys/fs/cgroup/cgroup.subtree_control", "cpu\n");
    let enable = "echo +memory > /sys/fs/cgroup/cgroup.subtree_control";
    expect(&off, true, &[("memory_controller", "partly", "subtree_control: cpu", enable)]);
}

#[test]
fn without_memory_reclaim_nothing_runs() {
    let old = healthy().remove("sys/fs/cgroup/memory.reclaim");
    expect(&old, false, &[("memory_reclaim", "no", "not there", "5.19")]);
}

#[test]
fn swap_is_not_accounted() {
    let off = healthy().remove_all("memory.swap.current").write("proc/cmdline", "swapaccount=0\n");
    expect(&off, true, &[("swap_accounting", "no", "swapaccount=0", "without swapaccount=0")]);
    let alone = healthy().remove_all("memory.current");
    expect(&alone, true, &[("swap_accounting", "unknown", "no cgroup below", "ask again")]);
}

#[test]
fn a_counter_is_missing() {
    let stat = "sys/fs/cgroup/memory.stat";
    let partly = healthy().drop_lines(stat, "workingset_activate_file");
    expect(
        &partly,
        true,
        &[("workingset_counters", "partly", "no workingset_activate_file", "CONFIG_MEMCG")],
    );
    let missing = healthy().remove(stat);
    expect(&missing, true, &[("workingset_counters", "no", "memory.stat: not there", "")]);
}

/// A path may hold anything but a slash and NUL.
#[test]
fn nothing_of_a_cgroups_name_reaches_the_terminal_as_a_command() {
    let named = healthy()
        .write("sys/fs/cgroup/\u{1b}[2J/cgroup.pressure", "0\n")
        .write("sys/fs/cgroup/\u{1b}[2J/cgroup.controllers", "memory\n");
    let shown = r"/sys/fs/cgroup/\u{1b}[2J/cgroup.pressure";
    expect(&named, true, &[("psi_cgroup", "partly", shown, r"cgroup/\u{1b}[2J/")]);
}
