//! Counting a process's system calls exactly and without stopping it: a histogram that the kernel keeps
//! itself (tracefs, `hist` trigger of raw_syscalls:sys_enter).

use super::{knobs, mounts};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

const TRACING: &str = "/sys/kernel/tracing";
const EVENT: &str = "/sys/kernel/tracing/events/raw_syscalls/sys_enter";

/// Counts from its start until it is dropped.
#[derive(Debug)]
pub struct SyscallCount {
    trigger: String,
}

impl SyscallCount {
    /// Starts to count the calls of one thread.
    pub fn start(thread: u32) -> Result<Self> {
        if !Path::new(EVENT).exists() {
            mounts::mount_at("tracefs", "tracefs", Path::new(TRACING))?;
        }
        let trigger = format!("hist:keys=id.syscall:vals=hitcount:size=512 if common_pid == {thread}");
        knobs::write(trigger_file(), &trigger).context("this kernel counts no system calls")?;
        Ok(Self { trigger })
    }

    /// How often each call was made so far, by name.
    pub fn calls(&self) -> Result<BTreeMap<String, u64>> {
        parse(&knobs::read(Path::new(EVENT).join("hist"))?)
    }
}

impl Drop for SyscallCount {
    fn drop(&mut self) {
        // The machine is thrown away anyhow.
        let _ = knobs::write(trigger_file(), &format!("!{}", self.trigger));
    }
}

fn trigger_file() -> std::path::PathBuf {
    Path::new(EVENT).join("trigger")
}

/// Understands lines like `{ id: sys_openat2          [437] } hitcount:          4`.
fn parse(text: &str) -> Result<BTreeMap<String, u64>> {
    let entries = text.lines().filter_map(|line| line.strip_prefix("{ id:")?.split_once("hitcount:"));
    let entry = |(key, count): (&str, &str)| {
        let name = key.split_whitespace().next().context("a call without a name")?;
        let count = count.trim().parse().with_context(|| format!("{name} has the count {count:?}"))?;
        Ok((name.trim_start_matches("sys_").to_owned(), count))
    };
    entries.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_read() {
        let text = "# event histogram\n#\n\n\
                    { id: sys_read                      [  0] } hitcount:         12\n\
                    { id: sys_openat2                   [437] } hitcount:          4\n\nTotals:\n    Hits: 16\n";
        let calls = parse(text).unwrap();
        assert_eq!(calls.into_iter().collect::<Vec<_>>(), [("openat2".into(), 4), ("read".into(), 12)]);
    }
}
