//! The parts of the kernel's own memory in /proc/meminfo, and what is in none of them.

use lowtide_core::{Bytes, Ratio};
use lowtide_tiers::{Zram, zram_names};

use super::{MEMINFO, Waste, holders, of, total, zones};
use crate::{finding::Evidence, sight::Sight};

/// A line of /proc/meminfo that is small on a healthy host.
struct Part {
    name: &'static str,
    /// Its key there (fs/proc/meminfo.c, `meminfo_proc_show`, all of them in 6.1 to 7.3).
    key: &'static str,
    /// As much of memory is too much.
    much: Ratio,
    why: &'static str,
    remedy: &'static str,
    /// Who has it, as far as files tell.
    holders: fn(&Sight) -> Vec<Evidence>,
}

const PARTS: [Part; 5] = [
    Part {
        name: "page_tables",
        key: "PageTables",
        // A healthy host has 0.2 % of what it maps in small pages (8 bytes for 4096), and memory is mapped a
        // few times over.
        much: Ratio::percent(5.0),
        why: "page tables are not swapped, and count for no working set: sparse or shared mappings of many processes",
        remedy: "find the processes with most (`grep VmPTE /proc/[0-9]*/status | sort -nk2`); huge pages, fewer \
                 processes, or hugetlbfs for what they share",
        holders: holders::processes,
    },
    Part {
        name: "unreclaimable_slab",
        key: "SUnreclaim",
        much: Ratio::percent(10.0),
        why: "objects of the kernel that no reclaim frees: something that programs hold open (sockets, files, namespaces, cgroups), \
              or a leak",
        remedy: "watch which cache grows (`slabtop -s c`), and stop what makes its objects; of a cache of one driver alone \
                 look for a fixed kernel",
        holders: holders::caches,
    },
    Part {
        name: "vmalloc",
        key: "VmallocUsed",
        much: Ratio::percent(5.0),
        why: "pages that the kernel mapped for itself, kernel stacks among them: none is reclaimed or swapped",
        remedy: "the function that asked for them says whose they are: unload the module, remove BPF maps (`bpftool map`) or \
                 firewall sets, or give the driver smaller rings",
        holders: holders::callers,
    },
    Part {
        name: "percpu",
        key: "Percpu",
        much: Ratio::percent(5.0),
        why: "counters that are kept once for each possible processor, mostly of cgroups, network devices and BPF maps",
        remedy: "remove cgroups, network namespaces and mounts that nobody uses; where more processors are possible than there are, \
                 boot with possible_cpus=N",
        holders: holders::copies,
    },
    Part {
        name: "kernel_stacks",
        key: "KernelStack",
        much: Ratio::percent(2.0),
        why: "each thread has a stack in the kernel that is never swapped, however long the thread sleeps",
        remedy: "find the processes with most threads (`grep Threads /proc/[0-9]*/status | sort -nk2`), and give them smaller pools",
        holders: holders::threads,
    },
];

/// Those of which there is too much.
pub(super) fn parts(sight: &Sight) -> Vec<Waste> {
    PARTS.iter().filter_map(|part| part.waste(sight)).collect()
}

impl Part {
    fn waste(&self, sight: &Sight) -> Option<Waste> {
        let look = sight.look(MEMINFO);
        let bytes = of(&look, self.key)?;
        (bytes >= total(sight)?.scale(self.much)).then(|| {
            let own = look.says(format!("{} {bytes}", self.key));
            let evidence = std::iter::once(own).chain((self.holders)(sight)).collect();
            Waste {
                name: self.name,
                bytes: Some(bytes),
                why: self.why.to_owned(),
                remedy: self.remedy,
                evidence,
            }
        })
    }
}

/// What drivers and the network take for themselves on a healthy host.
const UNOWNED: Ratio = Ratio::percent(10.0);

/// Memory that none of /proc/meminfo's parts has: drivers' and the network's pages, or a leak of the
/// kernel's.
pub(super) fn unowned(sight: &Sight) -> Option<Waste> {
    const OWNED: [&str; 13] = [
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
    let parts: Bytes = OWNED.iter().filter_map(|part| of(&look, part)).sum();
    let resident = |name: &String| Some(Zram::read(&sight.root, name).ok()??.resident);
    let zram: Bytes = zram_names(&sight.root).ok()?.iter().filter_map(resident).sum();
    let total = total(sight)?;
    let on_processors: Bytes = zones(sight).iter().map(|zone| zone.on_processors).sum();
    let bytes = total - parts - zram - on_processors;
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
