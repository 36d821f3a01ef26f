//! What the kernel counts of reclaim.

use crate::guest::knobs;
use crate::guest::process::run_time_at;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Since the boot.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Meter {
    /// allocstall_*, all zones.
    pub(super) stalls: u64,
    /// pgsteal_direct, in pages.
    pub(super) direct: u64,
    /// pgsteal_kswapd, in pages.
    pub(super) kswapd: u64,
    /// pgpgin, in KiB.
    pub(super) read: u64,
    /// Of kswapd0.
    pub(super) kswapd_cpu: Duration,
}

impl Meter {
    pub(super) fn read(kswapd: &Path) -> Result<Self> {
        let vmstat = knobs::read("/proc/vmstat")?;
        let cpu = run_time_at(kswapd).context("kswapd0 is gone")?;
        Ok(Self { kswapd_cpu: cpu, ..Self::parse(&vmstat) })
    }

    fn parse(vmstat: &str) -> Self {
        let sum = |begins: &str| {
            let lines = vmstat.lines().filter_map(|line| line.split_once(' '));
            let of_that_name = lines.filter(|(name, _)| name.starts_with(begins));
            of_that_name.filter_map(|(_, value)| value.trim().parse::<u64>().ok()).sum()
        };
        Self {
            stalls: sum("allocstall"),
            // Not pgsteal_direct_throttle, which has no such name.
            direct: sum("pgsteal_direct"),
            kswapd: sum("pgsteal_kswapd"),
            read: sum("pgpgin"),
            kswapd_cpu: Duration::ZERO,
        }
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            stalls: self.stalls - before.stalls,
            direct: self.direct - before.direct,
            kswapd: self.kswapd - before.kswapd,
            read: self.read - before.read,
            kswapd_cpu: self.kswapd_cpu.saturating_sub(before.kswapd_cpu),
        }
    }
}

/// The directory of kswapd0.
pub(super) fn kswapd() -> Result<PathBuf> {
    let entries = std::fs::read_dir("/proc").context("cannot list /proc")?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_it = |path: &PathBuf| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "kswapd0")
    };
    paths.find(is_it).context("there is no kswapd0")
}

/// A line of /proc/meminfo, in bytes.
pub(super) fn meminfo(name: &str) -> Result<u64> {
    let text = knobs::read("/proc/meminfo")?;
    let value =
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().strip_suffix(" kB"));
    let kib: Option<u64> = value.and_then(|value| value.trim().parse().ok());
    kib.map(|kib| kib * 1024).with_context(|| format!("/proc/meminfo has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_added_up_by_name() {
        let vmstat = "allocstall_dma 0\nallocstall_dma32 7\nallocstall_movable 2\npgsteal_kswapd 5\npgsteal_direct 3\npgpgin 11\n";
        let expected = Meter { stalls: 9, direct: 3, kswapd: 5, read: 11, kswapd_cpu: Duration::ZERO };
        assert_eq!(Meter::parse(vmstat), expected);
        assert_eq!(expected.since(expected), Meter::default());
    }

    #[test]
    fn this_machine_has_its_memory() {
        assert!(meminfo("MemAvailable").unwrap() < meminfo("MemTotal").unwrap());
        assert!(meminfo("Mem").is_err());
    }
}
