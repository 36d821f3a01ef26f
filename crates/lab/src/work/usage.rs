//! What the kernel counts of a cgroup, at one moment.

use super::image::Image;
use crate::guest::{Cgroup, Counters, process};
use crate::process::output_of;
use crate::size::PAGE;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The program that counts pages in the page cache.
pub const FINCORE: &str = "fincore";

/// Threads of the kernel that look after memory, by the beginning of their names.
const THREADS: [&str; 4] = ["kdamond", "kswapd", "khugepaged", "kcompactd"];

/// Figures of one cgroup; counters are since its creation. Sizes are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// What every scenario looks at.
    pub counters: Counters,
    /// Page cache that processes map: program text and libraries.
    pub mapped: u64,
    /// Page cache read again after it was reclaimed.
    pub refault_file: u64,
    /// Anonymous memory faulted back from swap.
    pub refault_anon: u64,
    /// Major faults: those that had to wait for a read.
    pub major_faults: u64,
    /// Processor time of its processes, reclaim on their own behalf included.
    pub cpu: Duration,
}

impl Usage {
    /// Reads them.
    pub fn read(cgroup: &Cgroup) -> Result<Self> {
        let stat = |name| cgroup.stat("memory.stat", name);
        let pages = |name| anyhow::Ok(stat(name)? * PAGE as u64);
        Ok(Self {
            counters: Counters::read(cgroup)?,
            mapped: stat("file_mapped")?,
            refault_file: pages("workingset_refault_file")?,
            refault_anon: pages("workingset_refault_anon")?,
            major_faults: stat("pgmajfault")?,
            cpu: cpu(cgroup)?,
        })
    }

    /// Of its anonymous memory, the share that is in swap.
    #[must_use]
    pub fn anonymous_out(&self) -> f64 {
        let Counters { anon, swap, .. } = self.counters;
        if anon + swap == 0 { 0.0 } else { crate::size::mib(swap) / crate::size::mib(anon + swap) }
    }
}

/// Processor time of a cgroup so far. It is counted without the cpu controller too.
pub fn cpu(cgroup: &Cgroup) -> Result<Duration> {
    cgroup.stat("cpu.stat", "usage_usec").map(Duration::from_micros)
}

/// Processor time of those threads of the kernel that look after memory.
pub fn kernel_threads() -> Result<Duration> {
    let entries = fs::read_dir("/proc").context("cannot list /proc")?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let is_one = |path: &&std::path::PathBuf| {
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        THREADS.iter().any(|thread| name.starts_with(thread))
    };
    // A thread may end between the listing and the reading.
    Ok(paths.iter().filter(is_one).filter_map(|path| process::run_time_at(path)).sum())
}

/// Bytes of the files of a directory that are in the page cache. To look touches no page.
///
/// `image` has fincore.
pub fn cached(image: &Image, directory: &Path) -> Result<u64> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut bytes = 0;
    for some in paths.chunks(500) {
        let mut command = image.command(FINCORE);
        let text = output_of(command.args(["--bytes", "--noheadings", "--output", "RES"]).args(some))?;
        for word in text.split_whitespace() {
            bytes += word.parse::<u64>().with_context(|| format!("fincore printed {word:?}"))?;
        }
    }
    Ok(bytes)
}
