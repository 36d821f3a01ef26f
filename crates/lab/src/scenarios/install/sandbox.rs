//! What the unit lets the daemon write, seen from where the daemon is.

use super::UNIT;
use crate::guest::systemd;
use crate::process::output;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::{Command, Stdio};

/// Whatever lowtide may have to write (docs/safety.md); the lab's default kernel has all of it.
pub(super) const WRITTEN: [&str; 15] = [
    "/sys/fs/cgroup/system.slice/web.service/memory.reclaim",
    "/sys/kernel/debug/lru_gen",
    "/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds",
    "/sys/module/zswap/parameters/enabled",
    "/sys/kernel/mm/numa/demotion_enabled",
    "/proc/sys/kernel/numa_balancing",
    "/proc/sys/vm/watermark_scale_factor",
    "/proc/sys/vm/page-cluster",
    "/proc/sys/vm/compact_memory",
    "/sys/devices/system/node/node0/compact",
    "/sys/kernel/mm/ksm/run",
    "/sys/kernel/mm/transparent_hugepage/defrag",
    "/sys/block/zram0/writeback_limit",
    "/var/lib/lowtide",
    "/run/lowtide",
];
/// And what it must not.
const OTHERS: [&str; 5] = [
    "/etc/lowtide/lowtide.yaml",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/core_pattern",
    "/usr/bin/lowtide",
    "/var/log",
];

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sandbox {
    kind: String,
    /// Of what has to be written, what cannot.
    pub(super) refused: Vec<String>,
    /// Of what must not be written, what can.
    pub(super) open: Vec<String>,
    /// Of the same, what cannot be written from outside either: of them nothing is shown.
    pub(super) closed_outside: Vec<String>,
    /// As many of the first list are on this host.
    pub(super) tried: usize,
    /// By `systemd-analyze security`, of the two units as they are installed.
    pub(super) exposure: Vec<f64>,
}

impl Sandbox {
    /// From the mount namespace of the daemon that runs, and from that of process 1.
    pub(super) fn look() -> Result<Self> {
        let process = systemd::main_process(UNIT)?;
        let there: Vec<_> = WRITTEN.into_iter().filter(|path| Path::new(path).exists()).collect();
        let refused = there.iter().filter(|path| !is_writable(process, path));
        let open = OTHERS.into_iter().filter(|path| is_writable(process, path));
        let closed_outside = OTHERS.into_iter().filter(|path| !is_writable(1, path));
        Ok(Self {
            kind: "sandbox".into(),
            refused: refused.map(|path| (*path).into()).collect(),
            open: open.map(Into::into).collect(),
            closed_outside: closed_outside.map(Into::into).collect(),
            tried: there.len(),
            exposure: vec![exposure(UNIT)?, exposure("lowtide-tiers.service")?],
        })
    }
}

/// access(2) says of a mount that is read-only that nothing there can be written, to root too.
fn is_writable(process: u32, path: &str) -> bool {
    let mut command = Command::new("nsenter");
    command.args(["--mount", "--target", &process.to_string(), "--", "test", "-w", path]);
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn exposure(unit: &str) -> Result<f64> {
    let text = output("systemd-analyze", &["security", "--no-pager", unit])?;
    let line = text.lines().find(|line| line.contains("Overall exposure level"));
    let line = line.with_context(|| format!("no level in what systemd-analyze says: {text}"))?;
    let word = line.split_once(':').and_then(|(_, rest)| rest.split_whitespace().next());
    let word = word.with_context(|| format!("no level in {line}"))?;
    word.parse().with_context(|| format!("{word} is no level"))
}
