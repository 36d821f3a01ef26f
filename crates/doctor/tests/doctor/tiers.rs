use crate::tree::{expect, healthy};

#[test]
fn swap_and_zram() {
    const HEAD: &str = "Filename Type Size Used Priority\n";
    let none = healthy().write("proc/swaps", HEAD);
    let expected = [
        ("swap", "no", "no device", "quick start"),
        ("zram", "no", "zram-control: not there", "modprobe zram"),
        ("zram_writeback", "unknown", "", "CONFIG_ZRAM_WRITEBACK=y"),
    ];
    expect(&none, true, &expected);
    let loaded = healthy().write("proc/swaps", HEAD).write("sys/class/zram-control/hot_add", "");
    expect(&loaded, true, &[("zram", "partly", "zram-control: there", "swapon")]);
    let out = healthy().write("proc/swaps", HEAD).built("# CONFIG_ZRAM is not set\n");
    expect(&out, true, &[("zram", "no", "CONFIG_ZRAM is not set", "CONFIG_ZRAM=m")]);
    let diskless = healthy().write("sys/block/zram0/backing_dev", "none\n");
    expect(&diskless, true, &[("zram_writeback", "partly", "backing_dev: none", "before swapon")]);
    let plain = healthy().remove("sys/block/zram0/backing_dev");
    expect(&plain, true, &[("zram_writeback", "no", "backing_dev: not there", "CONFIG_ZRAM_WRITEBACK=y")]);
    let untracked = healthy().remove("sys/kernel/debug/zram").built("CONFIG_ZRAM_TRACK_ENTRY_ACTIME=y\n");
    expect(&untracked, true, &[("zram_idle_ages", "yes", "CONFIG_ZRAM_TRACK_ENTRY_ACTIME=y", "")]);
}

#[test]
fn zswap_on_and_built_out() {
    let on = healthy().write("sys/module/zswap/parameters/enabled", "Y\n");
    expect(&on, true, &[("zswap", "yes", "compressor: lzo", "")]);
    let out = healthy().remove("sys/module/zswap");
    expect(&out, true, &[("zswap", "no", "enabled: not there", "CONFIG_ZSWAP=y")]);
}

#[test]
fn slower_memory() {
    let slow = healthy()
        .write("sys/devices/virtual/memory_tiering/memory_tier54/nodelist", "1\n")
        .write("sys/devices/system/node/has_memory", "0-1\n")
        .write("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 2048 kB\nNode 1 MemFree: 1024 kB\n")
        .write("sys/kernel/mm/numa/demotion_enabled", "true\n");
    let expected = [
        ("slow_memory", "yes", "node1: in tier 54, 2MiB, 1MiB of it in use", ""),
        ("numa_demotion", "yes", "true", ""),
    ];
    expect(&slow, true, &expected);
    let same = healthy()
        .write("sys/devices/virtual/memory_tiering/memory_tier4/nodelist", "0-1\n")
        .write("sys/devices/system/node/has_memory", "0-1\n")
        .remove("sys/kernel/mm/numa");
    let expected = [
        ("slow_memory", "partly", "has_memory: 0-1", "HMAT"),
        ("numa_demotion", "no", "demotion_enabled: not there", "CONFIG_NUMA=y"),
    ];
    expect(&same, true, &expected);
}
