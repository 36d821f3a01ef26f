//! cgroup, psi and mglru.

use anyhow::Result;
use lowtide_cgroup::{
    Mount, mount_point, parse_census, parse_cpu_stat, parse_io_stat, parse_numa_stat, parse_own_path,
    parse_stat,
};
use lowtide_core::LeftOut;
use lowtide_kernfs::Root;
use lowtide_mglru::{LruGen, Switches};

use crate::{
    Corpus, Driver, Parser,
    driver::{seeds, text},
    tree::tree,
};

pub(super) const PARSERS: &[Parser] = &[
    Parser {
        name: "cgroup/memory.stat",
        start: |corpus| Ok(text("memory.stat", corpus.ending("/memory.stat"), parse_stat)),
    },
    Parser {
        name: "cgroup/cpu.stat",
        start: |corpus| Ok(text("cpu.stat", seeds(corpus, "/cpu.stat", CPU), parse_cpu_stat)),
    },
    Parser {
        name: "cgroup/cgroup.stat",
        start: |corpus| Ok(text("cgroup.stat", corpus.ending("/cgroup.stat"), parse_census)),
    },
    Parser {
        name: "cgroup/io.stat",
        start: |corpus| Ok(text("io.stat", seeds(corpus, "/io.stat", IO), parse_io_stat)),
    },
    Parser {
        name: "cgroup/numa_stat",
        start: |corpus| {
            Ok(text("memory.numa_stat", seeds(corpus, "/memory.numa_stat", NUMA), parse_numa_stat))
        },
    },
    Parser { name: "cgroup/own", start: |corpus| Ok(own(corpus)) },
    Parser {
        name: "cgroup/events",
        start: |corpus| tree(corpus, &[("sys/fs/cgroup/web/api/cgroup.events", &[])], populated),
    },
    Parser {
        name: "cgroup/mountinfo",
        start: |corpus| tree(corpus, &[("proc/self/mountinfo", MOUNTS)], mounts),
    },
    Parser { name: "cgroup/memory", start: |corpus| tree(corpus, MEMORY, memory) },
    Parser {
        name: "psi/pressure",
        start: |corpus| Ok(text("memory.pressure", corpus.ending("/memory.pressure"), lowtide_psi::parse)),
    },
    Parser {
        name: "mglru/lru_gen",
        start: |corpus| Ok(text("lru_gen", seeds(corpus, "/lru_gen", LRU_GEN), lowtide_mglru::parse)),
    },
    Parser { name: "mglru/lru_gen-pieces", start: pieces },
    Parser {
        name: "mglru/enabled",
        start: |corpus| Ok(text("enabled", corpus.ending("/lru_gen/enabled"), Switches::parse)),
    },
];

const CPU: &[&str] = &["usage_usec 1459200\nuser_usec 1000000\nsystem_usec 459200\nnr_periods 0\n"];
const IO: &[&str] = &[
    "8:16 rbytes=1459200 wbytes=0 rios=192 wios=0 dbytes=0 dios=0\n259:0 rbytes=4096 rios=1 cost.usage=7\n8:0\n",
];
const NUMA: &[&str] = &[
    "anon N0=8192 N1=0\ninactive_anon N0=4096 N1=0\nactive_anon N0=4096 N1=0\ninactive_file N0=0 N1=12288\n",
];
const MOUNTS: &[&str] = &[
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n",
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n41 31 0:38 /a\\040b /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
];
const LRU_GEN: &[&str] = &[
    "memcg     1 /\n node     0\n          0       9000        100         20\n          1         10          0          0\nmemcg     3 /a b\n node     0\n          4       8120       1024          0\n node     2\n          4       8120       1024          0\n",
];
/// All that a cgroup is decided by, and one above it.
const MEMORY: &[(&str, &[&str])] = &[
    ("sys/fs/cgroup/web/api/memory.current", &[]),
    ("sys/fs/cgroup/web/api/memory.stat", &[]),
    ("sys/fs/cgroup/web/api/memory.swap.current", &[]),
    ("sys/fs/cgroup/web/api/memory.swap.max", &[]),
    ("sys/fs/cgroup/web/api/memory.swap.high", &["max\n"]),
    ("sys/fs/cgroup/web/api/memory.min", &[]),
    ("sys/fs/cgroup/web/api/memory.low", &[]),
    ("sys/fs/cgroup/web/api/memory.zswap.max", &["max\n"]),
    ("sys/fs/cgroup/web/api/memory.zswap.current", &["0\n"]),
    ("sys/fs/cgroup/web/api/memory.zswap.writeback", &["1\n"]),
];

fn own(corpus: &Corpus) -> Driver {
    let seeds = seeds(
        corpus,
        "/proc/self/cgroup",
        &["9:name=systemd:/\n0::/system.slice/lowtide.service (deleted)\n"],
    );
    text("cgroup", seeds, |text| parse_own_path(text).map(drop).ok_or(()))
}

fn populated(root: &Root) -> bool {
    let Ok(mount) = Mount::find_unchecked(root) else { return false };
    let cgroup = mount.open("/web/api").ok().flatten();
    cgroup.is_some_and(|cgroup| cgroup.populated().is_ok())
}

fn mounts(root: &Root) -> bool {
    mount_point(root, &mut LeftOut::default()).is_ok_and(|found| found.is_some())
}

fn memory(root: &Root) -> bool {
    let Ok(mount) = Mount::find_unchecked(root) else { return false };
    let Ok(Some(cgroup)) = mount.open("/web/api") else { return false };
    // Each of the two, whatever the other says.
    let (memory, settings) =
        (cgroup.memory(), cgroup.limits(true).and_then(|limits| cgroup.settings(limits)));
    memory.is_ok() && settings.is_ok()
}

/// The same text, read as the daemon does.
fn pieces(corpus: &Corpus) -> Result<Driver> {
    let files: &[(&str, &[&str])] =
        &[("sys/kernel/debug/lru_gen", LRU_GEN), ("sys/kernel/mm/lru_gen/enabled", &["0x0007\n"])];
    tree(corpus, files, |root| LruGen::new(root.clone()).read().is_ok())
}
