//! Where the tenant's pages really are, from its own page table.

use super::ages::{AgeLook, AgeRow};
use super::disk::{SwapDisk, Swapped};
use super::entry::Entry;
use super::layout::{Layout, Part};
use super::memory::Memory;
use super::options::Options;
use super::slow::SlowFrames;
use super::sunk::Sunk;
use crate::size::PAGE;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Entries read at a time.
const RUN: usize = 512;

/// Where one page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Mapped in DRAM.
    Dram,
    /// Mapped on a slower node.
    Slow,
    /// In swap.
    Swap,
    /// In swap, on the device below zram or behind zswap.
    Sunk,
    /// Neither.
    Absent,
}

/// Bytes of one part by where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// Mapped, in DRAM or on a slower node.
    pub resident: u64,
    /// Of those, on a slower node.
    #[serde(default)]
    pub slow: u64,
    /// In swap (zram, zswap, disk).
    pub swapped: u64,
    /// Of those, sunk to the slower device; nothing without `--sunk-from` or `--sunk-to`.
    #[serde(default)]
    pub sunk: u64,
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

/// Where the pages of each part are, and how long they have been idle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The hot part; whatever is gone here was a mistake.
    pub hot: Places,
    /// The warm part; gone is harm when it comes back sooner than it pays.
    pub warm: Places,
    /// The scanned part; gone is harm as in the warm one.
    pub scan: Places,
    /// The cold part; gone is the saving.
    pub cold: Places,
    /// All parts together by how long they have been idle, youngest first; the first row is everything. Empty
    /// without `--ages`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub ages: Vec<AgeRow>,
}

/// An open `/proc/self/pagemap`. It never touches the pages it asks about.
#[derive(Debug)]
pub struct PageTable {
    file: File,
    sunk_from: Option<String>,
    disk: Option<SwapDisk>,
    slow: SlowFrames,
}

impl PageTable {
    /// Opens this process's page table. Pages that have sunk are told apart as the options say.
    pub fn open(options: &Options) -> Result<Self> {
        let path = "/proc/self/pagemap";
        let file = File::open(path).with_context(|| format!("cannot open {path}"))?;
        let disk = options.sunk_to.as_deref().map(SwapDisk::open).transpose()?;
        Ok(Self { file, sunk_from: options.sunk_from.clone(), disk, slow: SlowFrames::read()? })
    }

    /// Looks up every page of every part; `ages`, if there is one, counts them too.
    pub fn truth(
        &mut self,
        memory: &Memory,
        layout: &Layout,
        mut ages: Option<AgeLook<'_>>,
    ) -> Result<Truth> {
        let mut sunk = self.sunk_from.as_deref().map_or_else(|| Ok(Sunk::default()), Sunk::read)?;
        let mut places = |part| self.places(memory, layout, part, &mut sunk, ages.as_mut());
        Ok(Truth {
            hot: places(Part::Hot)?,
            warm: places(Part::Warm)?,
            scan: places(Part::Scan)?,
            cold: places(Part::Cold)?,
            ages: ages.map(AgeLook::finish).unwrap_or_default(),
        })
    }

    fn places(
        &mut self,
        memory: &Memory,
        layout: &Layout,
        part: Part,
        sunk: &mut Sunk,
        mut ages: Option<&mut AgeLook<'_>>,
    ) -> Result<Places> {
        let mut places = Places::default();
        let pages = layout.pages(part);
        let mut index = 0;
        while index < pages {
            let first = layout.page(part, index);
            let run = contiguous(memory, layout, part, index, pages.min(index + RUN));
            let mut entries = [0_u8; RUN * Entry::SIZE];
            let entries = &mut entries[..run * Entry::SIZE];
            let offset = memory.address(first) / PAGE * Entry::SIZE;
            self.file.read_exact_at(entries, offset as u64).context("cannot read /proc/self/pagemap")?;
            if let Some(disk) = &mut self.disk {
                disk.look(&mut swapped(first, entries), memory, sunk)?;
            }
            for (page, entry) in (first..).zip(Entry::all(entries)) {
                let place = Place::of(entry, sunk, &self.slow);
                places.count(place);
                if let Some(ages) = &mut ages {
                    ages.count(page, place);
                }
            }
            index += run;
        }
        Ok(places)
    }
}

impl Place {
    /// From one entry of the page table.
    fn of(entry: Entry, sunk: &Sunk, slow: &SlowFrames) -> Self {
        match (entry.frame(), entry.swap_slot()) {
            (Some(frame), _) if slow.has(frame) => Self::Slow,
            (Some(_), _) => Self::Dram,
            (None, Some(at)) if sunk.has(at) => Self::Sunk,
            (None, Some(_)) => Self::Swap,
            (None, None) => Self::Absent,
        }
    }
}

/// Those of the pages from `first` on that are in swap.
fn swapped(first: usize, entries: &[u8]) -> Vec<Swapped> {
    let entries = (first..).zip(Entry::all(entries));
    entries.filter_map(|(page, entry)| Some(Swapped { slot: entry.swap_slot()?, page })).collect()
}

impl Places {
    fn count(&mut self, place: Place) {
        match place {
            Place::Slow => self.slow += PAGE as u64,
            Place::Sunk => self.sunk += PAGE as u64,
            Place::Dram | Place::Swap | Place::Absent => {}
        }
        let bytes = match place {
            Place::Dram | Place::Slow => &mut self.resident,
            Place::Swap | Place::Sunk => &mut self.swapped,
            Place::Absent => &mut self.absent,
        };
        *bytes += PAGE as u64;
    }
}

/// How many pages from `index` on, and before `end`, lie side by side in memory. Their numbers follow each
/// other too.
fn contiguous(memory: &Memory, layout: &Layout, part: Part, index: usize, end: usize) -> usize {
    let first = memory.address(layout.page(part, index));
    (index..end)
        .take_while(|next| memory.address(layout.page(part, *next)) == first + (next - index) * PAGE)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::ages::Ages;
    use crate::tenant::options::Options;
    use clap::Parser;
    use std::time::{Duration, Instant};

    #[test]
    fn places_add_up() {
        let mut places = Places::default();
        for place in [Place::Dram, Place::Slow, Place::Swap, Place::Sunk, Place::Absent] {
            places.count(place);
        }
        let page = PAGE as u64;
        let expected = Places { resident: 2 * page, slow: page, swapped: 2 * page, sunk: page, absent: page };
        assert_eq!(places, expected);
        assert_eq!(places.gone(), 3 * page);
    }

    #[test]
    fn fresh_memory_is_resident() {
        let options =
            Options::parse_from(["t", "--hot", "1M", "--warm", "512K", "--scan", "256K", "--cold", "2M"]);
        let mut layout = Layout::new(256, 128, 512).with_scan(64);
        let begin = Instant::now();
        let mut ages = Ages::new(layout.total(), &[Duration::from_mins(1)], begin).unwrap();
        let memory = Memory::fill(&options, &layout, |page| ages.touched(page, begin)).unwrap();
        layout.move_along();
        ages.touched(layout.page(Part::Scan, 3), begin + Duration::from_secs(30));
        let look = ages.look(begin + Duration::from_secs(80));
        let truth = PageTable::open(&options).unwrap().truth(&memory, &layout, Some(look)).unwrap();
        assert_eq!(truth.hot.resident, 1 << 20);
        assert_eq!(truth.warm.resident, 1 << 19);
        assert_eq!(truth.scan.resident, 1 << 18);
        assert_eq!(truth.cold.resident, 2 << 20);
        let all = 960 * PAGE as u64;
        assert_eq!(truth.ages.iter().map(|row| row.dram).collect::<Vec<_>>(), [all, all - PAGE as u64]);
        assert_eq!(truth.ages.iter().map(AgeRow::gone).sum::<u64>(), 0);
    }
}
