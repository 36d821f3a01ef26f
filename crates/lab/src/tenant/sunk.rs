//! Which swap slots have sunk to the slower device: below zram, or behind zswap.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The slots of one moment, a bit each.
#[derive(Debug, Default)]
pub struct Sunk {
    bits: Vec<u64>,
}

impl Sunk {
    /// From `block_state` of the device `name` (`zram0`) in debugfs: `index time flags`, `w` among the flags
    /// of a slot that is on the backing device (`read_block_state`, drivers/block/zram/zram_drv.c).
    pub fn read(name: &str) -> Result<Self> {
        let path = PathBuf::from(format!("/sys/kernel/debug/zram/{name}/block_state"));
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Self::parse(BufReader::new(file), &path)
    }

    fn parse(lines: impl BufRead, path: &Path) -> Result<Self> {
        let mut sunk = Self::default();
        for line in lines.lines() {
            let line = line.with_context(|| format!("cannot read {}", path.display()))?;
            let mut words = line.split_ascii_whitespace();
            let (index, _time, flags) = (words.next(), words.next(), words.next());
            let index = index.and_then(|index| index.parse::<usize>().ok());
            let index = index.with_context(|| format!("{} has {line:?}", path.display()))?;
            if flags.is_some_and(|flags| flags.contains('w')) {
                sunk.insert(index);
            }
        }
        Ok(sunk)
    }

    /// Whether this slot has sunk.
    #[must_use]
    pub fn has(&self, slot: usize) -> bool {
        self.bits.get(slot / 64).is_some_and(|bits| bits >> (slot % 64) & 1 == 1)
    }

    /// Notes a slot that has sunk.
    pub fn insert(&mut self, slot: usize) {
        if self.bits.len() <= slot / 64 {
            self.bits.resize(slot / 64 + 1, 0);
        }
        self.bits[slot / 64] |= 1 << (slot % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_with_the_flag() {
        let text = "           0            3.083268 ...i..\n         512            7.142506 .w....\n";
        let sunk = Sunk::parse(text.as_bytes(), Path::new("x")).unwrap();
        assert_eq!([0, 1, 512, 513, 100_000].map(|slot| sunk.has(slot)), [false, false, true, false, false]);
        assert!(Sunk::parse(&b"garbage\n"[..], Path::new("x")).is_err());
    }
}
