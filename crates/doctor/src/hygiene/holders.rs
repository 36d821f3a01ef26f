//! Who has the kernel's memory, as far as files tell: evidence of a finding, read only where there is one.

use std::collections::HashMap;

use lowtide_core::Bytes;
use lowtide_kernfs::{Files, parse::list};

use super::{count, line, of};
use crate::{finding::Evidence, sight::Sight};

/// So many are named.
const NAMED: usize = 3;
/// So many processes are looked at; each costs an open and a read.
const PROCESSES: usize = 4096;

/// The processes with most page tables: `VmPTE` beside `VmRSS` of /proc/PID/status (fs/proc/task_mmu.c,
/// `task_mem`). A kernel thread has neither.
pub(super) fn processes(sight: &Sight) -> Vec<Evidence> {
    let entries = sight.root.dir("proc").and_then(|dir| dir.entries()).unwrap_or_default();
    let is_process = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    let mut names: Vec<String> = entries.directories.into_iter().filter(is_process).collect();
    // Those of one that starts many at once stand side by side: every so many is taken, of whoever it is.
    let all = names.len();
    if all > PROCESSES {
        names = (0..PROCESSES).map(|place| std::mem::take(&mut names[place * all / PROCESSES])).collect();
    }
    let tables = |name: &String| {
        let look = sight.look(format!("proc/{name}/status"));
        let (tables, resident) = (of(&look, "VmPTE")?, of(&look, "VmRSS")?);
        let command = line(&look, "Name").map(|line| line.value.to_owned()).unwrap_or_default();
        Some((tables, look.says(format!("{command}: VmPTE {tables} beside VmRSS {resident}"))))
    };
    let mut evidence = largest(names.iter().filter_map(tables).collect());
    if all > PROCESSES {
        evidence.push(Evidence::new("proc", format!("{PROCESSES} of {all} processes were looked at")));
    }
    evidence
}

/// The largest caches of /proc/slabinfo (version 2.1 of mm/slab_common.c, `slabinfo_show`: for root alone)
/// that count for `SUnreclaim`. Which do is told by `reclaim_account` of SLUB's sysfs (mm/slub.c); of a
/// kernel without it all are named.
pub(super) fn caches(sight: &Sight) -> Vec<Evidence> {
    const FILE: &str = "proc/slabinfo";
    let mut caches = Vec::new();
    // Without the file none is known.
    let _ = sight.root.read_lines(FILE, |line| caches.extend(cache(&String::from_utf8_lossy(line))));
    caches.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let is_reclaimable =
        |name: &str| sight.look(format!("sys/kernel/slab/{name}/reclaim_account")).text() == Some("1");
    let own = caches.into_iter().filter(|(name, _)| !is_reclaimable(name));
    own.take(NAMED).map(|(name, bytes)| Evidence::new(FILE, format!("{name} {bytes}"))).collect()
}

/// `name active objects size per_slab pages_per_slab : tunables … : slabdata active_slabs slabs shared`; the
/// heading begins with `#`.
fn cache(line: &str) -> Option<(String, Bytes)> {
    let (cache, slabs) = line.split_once(": slabdata")?;
    let mut words = cache.split_ascii_whitespace();
    let name = words.next().filter(|name| !name.starts_with('#'))?;
    let pages: u64 = words.nth(4)?.parse().ok()?;
    let slabs: u64 = slabs.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some((name.to_owned(), Bytes::pages(pages.saturating_mul(slabs))))
}

/// The functions that mapped most, by /proc/vmallocinfo (mm/vmalloc.c, `vmalloc_info_show`, `s_show` before
/// 6.9: for root alone).
pub(super) fn callers(sight: &Sight) -> Vec<Evidence> {
    const FILE: &str = "proc/vmallocinfo";
    let mut callers: HashMap<String, Bytes> = HashMap::new();
    let add = |line: &[u8]| {
        if let Some((caller, bytes)) = area(&String::from_utf8_lossy(line)) {
            *callers.entry(caller).or_default() += bytes;
        }
    };
    // Without the file none is known.
    let _ = sight.root.read_lines(FILE, add);
    let evidence = |(caller, bytes)| (bytes, Evidence::new(FILE, format!("{caller} {bytes}")));
    largest(callers.into_iter().map(evidence).collect())
}

/// `FROM-TO bytes caller+offset/size [module] pages=N …`; what has no pages of its own (ioremap) says no
/// `pages=`.
fn area(line: &str) -> Option<(String, Bytes)> {
    let mut words = line.split_ascii_whitespace().skip(2);
    let (function, _) = words.next()?.split_once('+')?;
    let module = words.clone().next().filter(|word| word.starts_with('['));
    let pages: u64 = words.find_map(|word| word.strip_prefix("pages="))?.parse().ok()?;
    let caller = module.map_or_else(|| function.to_owned(), |module| format!("{function} {module}"));
    Some((caller, Bytes::pages(pages)))
}

/// Of what there is one for each possible processor, and how many processors are possible.
pub(super) fn copies(sight: &Sight) -> Vec<Evidence> {
    let cgroups = sight.look(sight.cgroup_file("cgroup.stat"));
    let number = |key| Some(format!("{key} {}", count(&cgroups, key)?));
    let said: Vec<_> = ["nr_descendants", "nr_dying_descendants"].into_iter().filter_map(number).collect();
    let cgroups = (!said.is_empty()).then(|| cgroups.says(said.join(", ")));
    let processors = ["possible", "present"].into_iter().filter_map(|which| {
        let look = sight.look(format!("sys/devices/system/cpu/{which}"));
        let processors = list(look.text()?).ok()?.len();
        Some(look.says(format!("{processors} processors")))
    });
    cgroups.into_iter().chain(processors).collect()
}

/// How many threads there are: the fourth word of /proc/loadavg is `runnable/all` (fs/proc/loadavg.c).
pub(super) fn threads(sight: &Sight) -> Vec<Evidence> {
    let look = sight.look("proc/loadavg");
    let threads = look.text().and_then(|text| text.split_ascii_whitespace().nth(3)?.split_once('/'));
    threads.map(|(_, threads)| look.says(format!("{threads} threads"))).into_iter().collect()
}

fn largest(mut found: Vec<(Bytes, Evidence)>) -> Vec<Evidence> {
    found.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    found.into_iter().take(NAMED).map(|(_, evidence)| evidence).collect()
}
