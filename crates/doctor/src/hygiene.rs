//! Memory that this host loses to what no tenant owns, and settings that lose it.

use std::fmt;

use lowtide_core::{Bytes, LeftOut, Ratio};
use lowtide_kernfs::parse::{Keyed, keyed};
use lowtide_tiers::{Zram, Zswap, swaps, zram_names};

use crate::{
    finding::Evidence,
    sight::{Look, Sight},
};

/// Something that costs memory or time, and that somebody can mend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Waste {
    /// Its name, which does not change from version to version.
    pub name: &'static str,
    /// What it takes; `None` where no file says it.
    pub bytes: Option<Bytes>,
    /// What it costs here.
    pub why: String,
    /// What to do.
    pub remedy: &'static str,
    /// By which files.
    pub evidence: Vec<Evidence>,
}

impl fmt::Display for Waste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.map_or_else(String::new, |bytes| format!(": {bytes}"));
        writeln!(f, "  {}{bytes}", self.name)?;
        self.evidence.iter().try_for_each(|evidence| writeln!(f, "    {evidence}"))?;
        writeln!(f, "    costs:    {}", self.why)?;
        writeln!(f, "    remedy:   {}", self.remedy)
    }
}

const MEMINFO: &str = "proc/meminfo";
/// Less is not worth anybody's time.
const LEAST: Ratio = Ratio::percent(1.0);
/// Page tables of a healthy host have 0.2 % of what they map in small pages (8 bytes for 4096), and the host is mapped a few times over.
const TABLES: Ratio = Ratio::percent(5.0);
/// What drivers and the network take for themselves on a healthy host.
const UNOWNED: Ratio = Ratio::percent(10.0);
/// So many dying cgroups are a leak and no delay: the kernel frees them one by one as their last pages go.
const DYING: u64 = 1000;
/// `struct dentry` on 64 bits (include/linux/dcache.h, beside `DNAME_INLINE_LEN`: "192 bytes").
const DENTRY: u64 = 192;

/// What is found here; nothing on a healthy host, and nothing of files that cannot be read.
pub(crate) fn wastes(sight: &Sight) -> Vec<Waste> {
    [negative_dentries, dying_cgroups, page_tables, unowned, zswap_over_zram]
        .into_iter()
        .filter_map(|look| look(sight))
        .collect()
}

/// Names that were looked up and are not there. Each is kept until somebody wants its memory, on a host with room for ever.
fn negative_dentries(sight: &Sight) -> Option<Waste> {
    let look = sight.look("proc/sys/fs/dentry-state");
    let negative: u64 = look.text()?.split_ascii_whitespace().nth(4)?.parse().ok()?;
    let bytes = Bytes::new(negative.saturating_mul(DENTRY));
    (bytes >= total(sight)?.scale(LEAST)).then(|| Waste {
        name: "negative_dentries",
        bytes: Some(bytes),
        why: format!(
            "{negative} names of files that do not exist are remembered, and each look-up walks past them"
        ),
        remedy: "find who asks for files that are not there (`perf trace -e openat`); in a calm moment \
                 `echo 2 > /proc/sys/vm/drop_caches` frees them, with the inodes that nobody uses",
        evidence: vec![look.evidence()],
    })
}

/// Cgroups that were removed and still own pages. Their counters are kept for each processor, and reclaim walks over them.
fn dying_cgroups(sight: &Sight) -> Option<Waste> {
    let look = sight.look(sight.cgroup_file("cgroup.stat"));
    let count = |key| line(&look, key)?.number().ok();
    let (dying, living) = (count("nr_dying_descendants")?, count("nr_descendants")?);
    let percpu = sight.look(MEMINFO);
    (dying >= DYING && dying > living).then(|| Waste {
        name: "dying_cgroups",
        bytes: None,
        why: format!(
            "{dying} removed cgroups beside {living} living ones keep their counters for each processor, most of Percpu, and reclaim \
             walks over all of them"
        ),
        remedy: "what pins them is mostly page cache of files that others read too: in a calm moment `echo 256M > \
                 /sys/fs/cgroup/memory.reclaim`, again and again, until they are gone",
        evidence: vec![
            look.says(format!("nr_dying_descendants {dying}, nr_descendants {living}")),
            percpu.says(format!("Percpu {}", of(&percpu, "Percpu").unwrap_or_default())),
        ],
    })
}

fn page_tables(sight: &Sight) -> Option<Waste> {
    let look = sight.look(MEMINFO);
    let bytes = of(&look, "PageTables")?;
    (bytes >= total(sight)?.scale(TABLES)).then(|| Waste {
        name: "page_tables",
        bytes: Some(bytes),
        why: "page tables are not swapped, and count for no working set: sparse or shared mappings of many processes".to_owned(),
        remedy: "find the processes with most (`grep VmPTE /proc/[0-9]*/status | sort -nk2`); huge pages, fewer \
                 processes, or hugetlbfs for what they share",
        evidence: vec![look.says(format!("PageTables {bytes}"))],
    })
}

/// Memory that none of /proc/meminfo's parts has: drivers' and the network's pages, or a leak of the kernel's.
fn unowned(sight: &Sight) -> Option<Waste> {
    const PARTS: [&str; 13] = [
        "MemFree",
        "Buffers",
        "Cached",
        "SwapCached",
        "AnonPages",
        "Slab",
        "PageTables",
        "SecPageTables",
        "Percpu",
        "VmallocUsed",
        "Zswap",
        "Hugetlb",
        "Balloon",
    ];
    let look = sight.look(MEMINFO);
    let parts: Bytes = PARTS.iter().filter_map(|part| of(&look, part)).sum();
    let resident = |name: &String| Some(Zram::read(&sight.root, name).ok()??.resident);
    let zram: Bytes = zram_names(&sight.root).ok()?.iter().filter_map(resident).sum();
    let total = total(sight)?;
    let bytes = total - parts - zram;
    (bytes >= total.scale(UNOWNED)).then(|| Waste {
        name: "unowned_memory",
        bytes: Some(bytes),
        why: "no part of /proc/meminfo and no zram device has it: pages of drivers and of the network, or a leak of the kernel's"
            .to_owned(),
        remedy: "watch whether it grows over days; a driver that was loaded or a balloon that was blown up explains it, \
                 else `page_owner=on` at boot names who took the pages",
        evidence: vec![look.says(format!("MemTotal {total}, all of its parts {parts}, zram {zram}"))],
    })
}

/// A page that zswap writes back to zram is decompressed and compressed anew, and was in DRAM both times.
fn zswap_over_zram(sight: &Sight) -> Option<Waste> {
    let devices = swaps(&sight.root, &mut LeftOut::default()).ok()?;
    let first = devices.iter().max_by_key(|device| device.priority)?;
    let enabled = Zswap::read(&sight.root).ok()??.enabled;
    let device = first.shown();
    (enabled && first.zram().is_some()).then(|| Waste {
        name: "zswap_over_zram",
        bytes: None,
        why: format!(
            "zswap stands in front of {device}: what it writes back is compressed twice and leaves no DRAM"
        ),
        remedy: "echo N > /sys/module/zswap/parameters/enabled, or give swap on a disk the higher priority",
        evidence: vec![
            sight.look("sys/module/zswap/parameters/enabled").evidence(),
            Evidence::new("proc/swaps", format!("{device}, priority {}", first.priority)),
        ],
    })
}

pub(crate) fn total(sight: &Sight) -> Option<Bytes> {
    of(&sight.look(MEMINFO), "MemTotal")
}

fn of(meminfo: &Look, key: &str) -> Option<Bytes> {
    line(meminfo, key)?.kib().ok()
}

fn line<'a>(look: &'a Look, key: &str) -> Option<Keyed<'a>> {
    keyed(look.text()?).find(|line| line.key == key)
}
