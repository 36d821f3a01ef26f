//! Where the tenant's pages really are, from its own page table.

use super::layout::{Layout, Part};
use super::memory::Memory;
use crate::size::PAGE;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::unix::fs::FileExt;

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const ENTRY: usize = size_of::<u64>();

/// Bytes of one part by where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// Mapped in DRAM.
    pub resident: u64,
    /// In swap (zram, zswap, disk).
    pub swapped: u64,
    /// Neither: file pages whose cache was reclaimed. (Reclaim of a mapped file page unmaps it.)
    pub absent: u64,
}

impl Places {
    /// Bytes that have left DRAM.
    #[must_use]
    pub fn gone(&self) -> u64 {
        self.swapped + self.absent
    }
}

/// Where the pages of each part are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// The hot part; whatever is gone here was a mistake.
    pub hot: Places,
    /// The warm part; gone is harm when it comes back sooner than it pays.
    pub warm: Places,
    /// The cold part; gone is the saving.
    pub cold: Places,
}

/// An open `/proc/self/pagemap`. It never touches the pages it asks about.
#[derive(Debug)]
pub struct PageTable {
    file: File,
}

impl PageTable {
    /// Opens this process's page table.
    pub fn open() -> Result<Self> {
        let path = "/proc/self/pagemap";
        Ok(Self { file: File::open(path).with_context(|| format!("cannot open {path}"))? })
    }

    /// Looks up every page of every part.
    pub fn truth(&self, memory: &Memory, layout: &Layout) -> Result<Truth> {
        Ok(Truth {
            hot: self.places(memory, layout, Part::Hot)?,
            warm: self.places(memory, layout, Part::Warm)?,
            cold: self.places(memory, layout, Part::Cold)?,
        })
    }

    fn places(&self, memory: &Memory, layout: &Layout, part: Part) -> Result<Places> {
        let mut places = Places::default();
        let pages = layout.pages(part);
        let mut index = 0;
        while index < pages {
            let run = contiguous(memory, layout, part, index, pages).min(512);
            let mut entries = [0_u8; 512 * ENTRY];
            let entries = &mut entries[..run * ENTRY];
            let offset = memory.address(layout.page(part, index)) / PAGE * ENTRY;
            self.file.read_exact_at(entries, offset as u64).context("cannot read /proc/self/pagemap")?;
            entries.chunks_exact(ENTRY).for_each(|entry| places.count(entry));
            index += run;
        }
        Ok(places)
    }
}

impl Places {
    fn count(&mut self, entry: &[u8]) {
        let entry = entry.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        let place = match entry {
            entry if entry & PRESENT != 0 => &mut self.resident,
            entry if entry & SWAPPED != 0 => &mut self.swapped,
            _ => &mut self.absent,
        };
        *place += PAGE as u64;
    }
}

/// How many pages from `index` on lie side by side in memory.
fn contiguous(memory: &Memory, layout: &Layout, part: Part, index: usize, pages: usize) -> usize {
    let first = memory.address(layout.page(part, index));
    (index..pages)
        .take_while(|next| memory.address(layout.page(part, *next)) == first + (next - index) * PAGE)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::options::Options;
    use clap::Parser;

    #[test]
    fn entries_are_told_apart() {
        let mut places = Places::default();
        for entry in [PRESENT, PRESENT | 5, SWAPPED, 0] {
            places.count(&entry.to_ne_bytes());
        }
        let page = PAGE as u64;
        assert_eq!(places, Places { resident: 2 * page, swapped: page, absent: page });
        assert_eq!(places.gone(), 2 * page);
    }

    #[test]
    fn fresh_memory_is_resident() {
        let options = Options::parse_from(["t", "--hot", "1M", "--warm", "512K", "--cold", "2M"]);
        let mut layout = Layout::new(256, 128, 512);
        let memory = Memory::fill(&options, &layout).unwrap();
        layout.move_along();
        let truth = PageTable::open().unwrap().truth(&memory, &layout).unwrap();
        assert_eq!(truth.hot.resident, 1 << 20);
        assert_eq!(truth.warm.resident, 1 << 19);
        assert_eq!(truth.cold.resident, 2 << 20);
    }
}
