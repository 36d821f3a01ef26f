//! A host of files, and what DAMON saw on it.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use lowtide_cgroup::Mount;
use lowtide_core::Bytes;
use lowtide_damon::{AddressRange, Region, Snapshot, Tried};
use lowtide_kernfs::Root;

use super::kdamond::Sight;
use crate::Target;

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A host without anything.
pub(crate) struct Host {
    tree: tempfile::TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        let host = Self { tree: tempfile::tempdir().unwrap() };
        host.put("sys/fs/cgroup/cgroup.controllers", "memory\n");
        host
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.tree.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_dir_all(self.tree.path().join(path)).unwrap();
    }

    /// A cgroup with memory (all of it anonymous and on the active list) and processes.
    pub(crate) fn cgroup(&self, path: &str, mib: u64, pids: &[u32]) {
        let at = |file: &str| format!("sys/fs/cgroup{path}/{file}");
        let bytes = mib << 20;
        self.put(&at("memory.current"), &format!("{bytes}\n"));
        self.put(
            &at("memory.stat"),
            &format!(
                "anon {bytes}\nfile 0\ninactive_anon 0\nactive_anon {bytes}\ninactive_file 0\nactive_file 0\n"
            ),
        );
        self.put(&at("cgroup.controllers"), "memory\n");
        self.put(&at("cgroup.procs"), &pids.iter().map(u32::to_string).collect::<Vec<_>>().join("\n"));
    }

    /// A process whose mappings may not be read.
    pub(crate) fn process(&self, pid: u32, anon_mib: u64, file_mib: u64) {
        let kib = |mib: u64| mib << 10;
        self.put(
            &format!("proc/{pid}/status"),
            &format!(
                "Name:\tp\nRssAnon:\t{} kB\nRssFile:\t{} kB\nRssShmem:\t0 kB\n",
                kib(anon_mib),
                kib(file_mib)
            ),
        );
        self.put(&format!("proc/{pid}/stat"), &format!("{pid} (p) S{} {pid} 0 0\n", " 0".repeat(18)));
    }

    pub(crate) fn root(&self) -> Root {
        Root::open(self.tree.path()).unwrap()
    }

    pub(crate) fn mount(&self) -> Mount {
        Mount::find_unchecked(&self.root()).unwrap()
    }

    pub(crate) fn target(&self, path: &str) -> Target {
        let id = self.mount().open(path).unwrap().unwrap().id();
        Target {
            id,
            path: Arc::from(path),
            every: seconds(30),
            slow_every: Duration::ZERO,
            cold_after: seconds(60),
        }
    }
}

/// `mib` from `start` on, and of what passed a filter.
pub(crate) fn region(start_mib: u64, mib: u64, (accesses, age): (u64, u64), passed: Option<u64>) -> Region {
    Region {
        range: AddressRange::new(start_mib << 20, (start_mib + mib) << 20).unwrap(),
        accesses,
        age: seconds(age),
        passed: passed.map(Bytes::mib),
        probe_hits: Vec::new(),
    }
}

/// After 100 s, with aggregations of two.
pub(crate) fn sight(schemes: Vec<Vec<Region>>) -> Sight {
    let tried = |regions: Vec<Region>| Tried { total: regions.iter().map(Region::size).sum(), regions };
    let schemes = schemes.into_iter().map(tried).collect();
    let snapshot = Snapshot { aggregation: seconds(2), samples: 5, monitored: Some(seconds(100)), schemes };
    Sight { snapshot, at: Instant::now(), cpu: Duration::ZERO, rest: (Duration::ZERO, seconds(30)) }
}
