//! Which page frames are on a slower node.

use crate::size::PAGE;
use anyhow::{Context, Result};
use std::fs;
use std::ops::Range;

const NODES: &str = "/sys/devices/system/node";
const BLOCK_SIZE: &str = "/sys/devices/system/memory/block_size_bytes";

/// The frames of all nodes without a processor: in the lab's machines those are the slower ones.
#[derive(Debug, Default)]
pub struct SlowFrames(Vec<Range<u64>>);

impl SlowFrames {
    /// From the memory blocks that sysfs lists for each node (`nodeN/memoryM`); none where it lists none.
    pub fn read() -> Result<Self> {
        let Ok(size) = fs::read_to_string(BLOCK_SIZE) else { return Ok(Self::default()) };
        let size = u64::from_str_radix(size.trim(), 16)
            .with_context(|| format!("{BLOCK_SIZE} has {:?}", size.trim()))?;
        let frames = size / PAGE as u64;
        let mut ranges = Vec::new();
        for node in numbered(NODES, "node")? {
            let directory = format!("{NODES}/node{node}");
            let cpus = fs::read_to_string(format!("{directory}/cpulist"))
                .with_context(|| format!("cannot read {directory}/cpulist"))?;
            if cpus.trim().is_empty() {
                let blocks = numbered(&directory, "memory")?;
                ranges.extend(blocks.into_iter().map(|block| block * frames..(block + 1) * frames));
            }
        }
        Ok(Self(ranges))
    }

    /// Whether the frame is there.
    #[must_use]
    pub fn has(&self, frame: u64) -> bool {
        self.0.iter().any(|range| range.contains(&frame))
    }
}

/// The numbers of the entries called `prefix` and a number; none if the directory is not there.
fn numbered(directory: &str, prefix: &str) -> Result<Vec<u64>> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(Vec::new()) };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.with_context(|| format!("cannot list {directory}"))?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
        numbers.extend(number);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_by_their_block() {
        let slow = SlowFrames(vec![32_768..65_536, 131_072..163_840]);
        assert!(slow.has(32_768) && slow.has(163_839));
        assert!(!slow.has(65_536) && !slow.has(0));
    }

    #[test]
    fn only_entries_with_a_number_count() {
        let tree = tempfile::tempdir().unwrap();
        for name in ["memory3", "memory12", "memory_failure", "meminfo"] {
            fs::create_dir(tree.path().join(name)).unwrap();
        }
        let mut found = numbered(tree.path().to_str().unwrap(), "memory").unwrap();
        found.sort_unstable();
        assert_eq!(found, [3, 12]);
        assert!(numbered("/no/such/directory", "memory").unwrap().is_empty());
    }
}
