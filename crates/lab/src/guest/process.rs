//! What a process takes from the machine, as /proc says it.

use super::knobs;
use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a process holds at one moment, and has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessUse {
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Bytes in DRAM.
    pub resident: u64,
    /// The most that were.
    pub peak: u64,
    /// Bytes that may not be swapped.
    pub locked: u64,
    /// Processor time of the threads that live.
    pub cpu: Duration,
    /// The part of all its processor time that the kernel took, in steps of 10 ms.
    pub kernel_cpu: Duration,
}

impl ProcessUse {
    /// Of the process with this id.
    pub fn of(id: u32) -> Result<Self> {
        let directory = PathBuf::from(format!("/proc/{id}"));
        let status = knobs::read(directory.join("status"))?;
        let tasks = names(&directory.join("task"))?;
        let mut cpu = 0;
        for task in &tasks {
            // A thread may end between the listing and the reading.
            cpu += fs::read_to_string(task.join("schedstat")).map_or(0, |text| run_time(&text));
        }
        Ok(Self {
            descriptors: names(&directory.join("fd"))?.len(),
            threads: tasks.len(),
            resident: kilobytes(&status, "VmRSS:")?,
            peak: kilobytes(&status, "VmHWM:")?,
            locked: kilobytes(&status, "VmLck:")?,
            cpu: Duration::from_nanos(cpu),
            kernel_cpu: kernel_time(&knobs::read(directory.join("stat"))?).context("no stime in stat")?,
        })
    }
}

/// Processor time, to the microsecond as a sum; the kernel divides it between the two by sampling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// Outside the kernel.
    pub user: Duration,
    /// In the kernel, reclaim included.
    pub kernel: Duration,
}

impl CpuTime {
    /// Of all children of this process that have ended and were waited for, and their own such children: what
    /// one of them took in all its life, threads that ended included, is the difference around the wait for
    /// it.
    pub fn of_ended_children() -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read the children's usage")?;
        let time =
            |value: TimeVal| Duration::from_micros(u64::try_from(value.num_microseconds()).unwrap_or(0));
        Ok(Self { user: time(usage.user_time()), kernel: time(usage.system_time()) })
    }

    /// Both.
    #[must_use]
    pub fn total(self) -> Duration {
        self.user + self.kernel
    }

    /// What was added since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            kernel: self.kernel.saturating_sub(before.kernel),
        }
    }
}

fn names(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Processor time of the first thread of the process at this directory of /proc, if it is still there.
#[must_use]
pub fn run_time_at(directory: &Path) -> Option<Duration> {
    let text = fs::read_to_string(directory.join("schedstat")).ok()?;
    Some(Duration::from_nanos(run_time(&text)))
}

/// The first number of schedstat: nanoseconds on a processor.
fn run_time(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// `stime` of /proc/PID/stat: the thirteenth number after the name, which may hold anything but is in
/// brackets.
fn kernel_time(text: &str) -> Option<Duration> {
    const TICK: Duration = Duration::from_millis(10);
    let ticks = text.rsplit_once(')')?.1.split_whitespace().nth(12)?.parse().ok()?;
    Some(TICK * ticks)
}

/// A `name value kB` line, in bytes.
fn kilobytes(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value =
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse::<u64>().ok());
    value.map(|kib| kib * 1024).with_context(|| format!("no {name} in {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn this_process_is_read() {
        let own = ProcessUse::of(std::process::id()).unwrap();
        assert!(own.descriptors >= 3 && own.threads >= 1 && own.resident > 0 && own.peak >= own.resident);
    }

    #[test]
    fn an_ended_childs_time_is_counted() {
        let before = CpuTime::of_ended_children().unwrap();
        let loops = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        assert!(Command::new("sh").args(["-c", loops]).status().unwrap().success());
        let took = CpuTime::of_ended_children().unwrap().since(before);
        assert!(took.total() > Duration::ZERO);
    }

    #[test]
    fn kernel_time_is_found_behind_any_name() {
        let text = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 250 30 0 0 20 0 1 0 0";
        assert_eq!(kernel_time(text), Some(Duration::from_millis(300)));
    }

    #[test]
    fn kilobytes_are_bytes() {
        assert_eq!(kilobytes("VmHWM:\t   12 kB\nVmRSS:\t    8 kB\n", "VmRSS:").unwrap(), 8192);
        assert!(kilobytes("", "VmRSS:").is_err());
    }
}
