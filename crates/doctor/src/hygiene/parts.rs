//! The parts of the kernel's own memory in /proc/meminfo, and what is in none of them.

use lowtide_core::{Bytes, Ratio};
use lowtide_tiers::{Zram, zram_names};

use super::{MEMINFO, Waste, of, total};
use crate::sight::Sight;

/// Page tables of a healthy host have 0.2 % of what they map in small pages (8 bytes for 4096), and the host is mapped a few times over.
const TABLES: Ratio = Ratio::percent(5.0);
/// What drivers and the network take for themselves on a healthy host.
const UNOWNED: Ratio = Ratio::percent(10.0);

pub(super) fn page_tables(sight: &Sight) -> Option<Waste> {
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
pub(super) fn unowned(sight: &Sight) -> Option<Waste> {
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
