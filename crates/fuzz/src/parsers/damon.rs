//! damon.

use lowtide_damon::{Admin, ExclusiveUser, Thread, parse_system_ram};
use lowtide_kernfs::Root;

use crate::{Parser, driver::text, tree::tree};

pub(super) const PARSERS: &[Parser] = &[
    Parser {
        name: "damon/iomem",
        start: |corpus| Ok(text("iomem", corpus.ending("/proc/iomem"), parse_system_ram)),
    },
    Parser {
        name: "damon/thread",
        start: |corpus| tree(corpus, &[("proc/117/stat", &[]), ("proc/117/schedstat", &["7 0 1\n"])], thread),
    },
    Parser { name: "damon/kdamonds", start: |corpus| tree(corpus, KDAMONDS, kdamonds) },
    Parser { name: "damon/results", start: |corpus| tree(corpus, RESULTS, results) },
];

const KDAMONDS: &[(&str, &[&str])] = &[
    ("sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds", &[]),
    ("sys/kernel/mm/damon/admin/kdamonds/0/state", &["on\n", "off\n"]),
    ("sys/kernel/mm/damon/admin/kdamonds/0/pid", &[]),
    ("sys/kernel/mm/damon/admin/kdamonds/1/state", &["off\n"]),
    ("sys/kernel/mm/damon/admin/kdamonds/1/pid", &["-1\n"]),
    ("sys/kernel/mm/damon/admin/kdamonds/1/contexts/nr_contexts", &["0\n"]),
    ("sys/module/damon_stat/parameters/enabled", &["N\n"]),
];
macro_rules! context {
    ($file:literal) => {
        concat!("sys/kernel/mm/damon/admin/kdamonds/0/contexts/0/", $file)
    };
}
const RESULTS: &[(&str, &[&str])] = &[
    (context!("schemes/0/tried_regions/0/start"), &["4294967296\n"]),
    (context!("schemes/0/tried_regions/0/end"), &["8589934592\n"]),
    (context!("schemes/0/tried_regions/0/age"), &["7\n"]),
    (context!("schemes/0/tried_regions/0/nr_accesses"), &["0\n"]),
    (context!("schemes/0/tried_regions/0/sz_filter_passed"), &["4096\n"]),
    (context!("schemes/0/tried_regions/total_bytes"), &["4294967296\n"]),
    (context!("schemes/0/stats/nr_tried"), &["7\n"]),
    (context!("schemes/0/stats/sz_tried"), &["7\n"]),
    (context!("schemes/0/stats/nr_applied"), &["7\n"]),
    (context!("schemes/0/stats/sz_applied"), &["7\n"]),
    (context!("schemes/0/stats/qt_exceeds"), &["7\n"]),
    (context!("monitoring_attrs/intervals/sample_us"), &["5000\n"]),
    (context!("monitoring_attrs/intervals/aggr_us"), &["100000\n"]),
    (context!("operations"), &["paddr\n", "vaddr\n"]),
    (context!("addr_unit"), &["1\n", "4096\n"]),
    ("sys/kernel/mm/damon/admin/kdamonds/0/state", &["on\n"]),
    ("sys/kernel/mm/damon/admin/kdamonds/0/pid", &["117\n"]),
    ("sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds", &["2\n"]),
];

fn thread(root: &Root) -> bool {
    let Ok(Some(thread)) = Thread::find(root, 117) else { return false };
    thread.cpu_time(root).is_ok()
}

fn kdamonds(root: &Root) -> bool {
    let exclusive = ExclusiveUser::enabled(root);
    Admin::open(root).is_ok_and(|admin| admin.kdamonds().is_ok()) && exclusive.is_ok()
}

fn results(root: &Root) -> bool {
    let Ok((snapshot, _)) = Admin::open(root).and_then(|admin| admin.results(0)) else { return false };
    snapshot.schemes.iter().enumerate().all(|(scheme, tried)| {
        let sum: u128 = snapshot.cohorts(scheme).iter().map(|cohort| u128::from(cohort.bytes.get())).sum();
        let regions: u128 = tried.regions.iter().map(|region| u128::from(region.bytes().get())).sum();
        sum <= regions
    })
}
