//! tiers, and what `setup` makes of them.

use lowtide_core::LeftOut;
use lowtide_kernfs::Root;
use lowtide_tiers::{
    Backing, Writeback, Zram, Zswap, added_latency, content, demotes, demotion_nodes, parse_stat, reads,
    slow_nodes, stored, swap_header, swaps, traffic, zram_devices,
};

use crate::{
    Corpus, Driver, Parser,
    driver::{bytes, text},
    tree::tree,
};

pub(super) const PARSERS: &[Parser] = &[
    Parser {
        name: "tiers/swaps",
        start: |corpus| {
            tree(corpus, &[("proc/swaps", &[SWAPS])], |root| {
                swaps(root, &mut LeftOut::default()).is_ok_and(|found| !found.is_empty())
            })
        },
    },
    Parser {
        name: "tiers/zram",
        start: |corpus| tree(corpus, ZRAM, |root| matches!(Zram::read(root, "zram0"), Ok(Some(_)))),
    },
    Parser {
        name: "tiers/zram-device",
        start: |corpus| tree(corpus, ZRAM, |root| zram_devices(root).is_ok_and(|found| !found.is_empty())),
    },
    Parser { name: "tiers/writeback", start: |corpus| tree(corpus, ZRAM, writeback) },
    Parser {
        name: "tiers/zswap",
        start: |corpus| tree(corpus, ZSWAP, |root| matches!(Zswap::read(root), Ok(Some(_)))),
    },
    Parser { name: "tiers/block", start: |corpus| Ok(text("stat", block(corpus), parse_stat)) },
    Parser { name: "tiers/traffic", start: |corpus| tree(corpus, BLOCK, traffic_of) },
    Parser { name: "tiers/nodes", start: |corpus| tree(corpus, NODES, nodes) },
    Parser { name: "tiers/content", start: |_| Ok(contents()) },
    Parser {
        name: "tiers/inventory",
        start: |corpus| tree(corpus, &[ZRAM, ZSWAP, &[("proc/swaps", &[SWAPS])]].concat(), inventory),
    },
];

const SWAPS: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
    /dev/zram0                              partition\t1048572\t\t1024\t\t100\n\
    /swap\\040file                          file\t\t524284\t\t0\t\t-2\n\
    /old\\040(deleted)                      file\t\t1020\t\t8\t\t-3\n";
const STAT: &str = "    1024        0     8192       12        7        0       56        3        0       15       15        0        0\n";
const ZRAM: &[(&str, &[&str])] = &[
    ("sys/block/zram0/mm_stat", &["16384 5000 8192 0 8192 0 0 1 1\n"]),
    ("sys/block/zram0/bd_stat", &["2 0 3\n"]),
    ("sys/block/zram0/initstate", &["1\n"]),
    ("sys/block/zram0/disksize", &["1073741824\n"]),
    ("sys/block/zram0/backing_dev", &["/dev/nullb0\n", "none\n"]),
    ("sys/block/zram0/comp_algorithm", &["lzo-rle lzo [lz4] zstd\n"]),
    ("sys/block/zram0/diskseq", &["9\n"]),
    ("sys/block/zram0/writeback_limit", &["4096\n"]),
    ("sys/block/zram0/writeback_limit_enable", &["1\n"]),
    ("sys/class/block/nullb0/size", &["524288\n"]),
];
const ZSWAP: &[(&str, &[&str])] = &[
    ("sys/module/zswap/parameters/enabled", &["Y\n", "N\n"]),
    ("sys/module/zswap/parameters/max_pool_percent", &["20\n"]),
    ("proc/meminfo", &[]),
];
const BLOCK: &[(&str, &[&str])] =
    &[("sys/class/block/sda/stat", &[STAT]), ("sys/class/block/dm-0/dm/name", &["vg-swap\n"])];
const NODES: &[(&str, &[&str])] = &[
    ("sys/devices/virtual/memory_tiering/memory_tier4/nodelist", &["0-1\n"]),
    ("sys/devices/virtual/memory_tiering/memory_tier22/nodelist", &["2\n"]),
    ("sys/devices/system/node/has_cpu", &["0-1\n"]),
    ("sys/devices/system/node/has_memory", &["0-2\n"]),
    (
        "sys/devices/system/node/node2/meminfo",
        &["Node 2 MemTotal:  4194304 kB\nNode 2 MemFree:  1048576 kB\n"],
    ),
    ("sys/devices/system/node/node2/distance", &["24 17 10\n"]),
    ("sys/devices/system/node/node2/access0/initiators/read_latency", &["250\n"]),
    ("sys/devices/system/node/node0/access0/initiators/read_latency", &["80\n"]),
    ("sys/kernel/mm/numa/demotion_enabled", &["true\n", "false\n"]),
];

fn block(corpus: &Corpus) -> Vec<Vec<u8>> {
    crate::driver::seeds(corpus, "/block/zram0/stat", &[STAT])
}

fn traffic_of(root: &Root) -> bool {
    let (all, reads) = (traffic(root, "/dev/sda"), reads(root, "/dev/mapper/vg-swap"));
    matches!(all, Ok(Some(_))) && reads.is_ok()
}

fn nodes(root: &Root) -> bool {
    let mut left_out = LeftOut::default();
    let slow = slow_nodes(root, &mut left_out);
    let below = demotion_nodes(root, &mut left_out);
    let latency = added_latency(root, 2);
    slow.is_ok() && below.is_ok() && latency.is_ok() && demotes(root).is_ok()
}

fn writeback(root: &Root) -> bool {
    let device = Writeback::of(root, "zram0");
    let (limit, is_limited) = (device.limit(), device.is_limited());
    let backing = Backing::read(root, "zram0");
    limit.is_ok() && is_limited.is_ok() && backing.is_ok()
}

fn inventory(root: &Root) -> bool {
    let mut left_out = LeftOut::default();
    let tiers = lowtide_tiers::read(root, &mut left_out);
    tiers.is_ok_and(|tiers| !tiers.is_empty()) && stored(root).is_ok()
}

/// The start of a device.
fn contents() -> Driver {
    let marked = [lowtide_tiers::MARK, &[0; 512]].concat();
    let seeds = vec![swap_header(4096, 256), vec![0; 600], marked, b"LUKS\xba\xbe".to_vec()];
    bytes("start of a device", seeds, |input| {
        let (start, end) = input.split_at(input.len() / 2);
        content(start, end, 4096) != content(input, &[], input.len())
    })
}
