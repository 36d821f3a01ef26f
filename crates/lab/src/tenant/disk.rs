//! Which swap slots of a disk behind zswap hold their page.

use super::memory::Memory;
use super::sunk::Sunk;
use crate::size::PAGE;
use anyhow::{Context, Result};
use memmap2::MmapMut;
use nix::fcntl::OFlag;
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Slots read at once.
const AT_ONCE: usize = 64;

/// A page in swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Swapped {
    /// Where in its swap device: in pages from the device's start, of which the first is the header.
    pub(super) slot: usize,
    /// Which page of the tenant's.
    pub(super) page: usize,
}

/// A swap disk behind zswap. A page in zswap has a slot on the disk too, and the page table tells no more
/// than that slot. So each slot is read: the page is on the disk if the slot holds that very page, as it was
/// changed last.
///
/// What an earlier life left in the slot is something else: every touch changes a page, and a page names its
/// process. While a page is on its way to the disk it counts as in zswap.
#[derive(Debug)]
pub(super) struct SwapDisk {
    file: File,
    path: PathBuf,
    buffer: MmapMut,
}

impl SwapDisk {
    /// Opens the device past the page cache, which does not see what swap writes.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut options = File::options();
        let file = options.read(true).custom_flags(OFlag::O_DIRECT.bits()).open(path);
        Self::of(file.with_context(|| format!("cannot open {}", path.display()))?, path)
    }

    fn of(file: File, path: &Path) -> Result<Self> {
        let buffer = MmapMut::map_anon(AT_ONCE * PAGE).context("cannot map a buffer for the swap disk")?;
        Ok(Self { file, path: path.to_owned(), buffer })
    }

    /// Adds the slots that hold their page; leaves the pages sorted.
    pub(super) fn look(&mut self, swapped: &mut [Swapped], memory: &Memory, sunk: &mut Sunk) -> Result<()> {
        swapped.sort_unstable();
        for run in swapped.chunk_by(|before, next| before.slot + 1 == next.slot) {
            for part in run.chunks(AT_ONCE) {
                self.look_at_once(part, memory, sunk)?;
            }
        }
        Ok(())
    }

    /// Of slots that follow each other.
    fn look_at_once(&mut self, run: &[Swapped], memory: &Memory, sunk: &mut Sunk) -> Result<()> {
        let Some(first) = run.first() else { return Ok(()) };
        let found = &mut self.buffer[..run.len() * PAGE];
        let read = self.file.read_exact_at(found, (first.slot * PAGE) as u64);
        read.with_context(|| format!("cannot read slot {} of {}", first.slot, self.path.display()))?;
        for (Swapped { slot, page }, found) in run.iter().zip(found.chunks_exact(PAGE)) {
            if memory.expected(*page)[..] == *found {
                sunk.insert(*slot);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::layout::Layout;
    use crate::tenant::options::Options;
    use clap::Parser;

    const PAGES: usize = 8;

    fn memory(args: &[&str]) -> Memory {
        let options =
            Options::parse_from([&["t", "--hot", "32K", "--warm", "0", "--cold", "0"], args].concat());
        Memory::fill(&options, &Layout::new(PAGES, 0, 0), |_| ()).unwrap()
    }

    #[test]
    fn only_slots_with_the_page_as_it_is_now_have_sunk() {
        let mut own = memory(&["--sunk-to", "/dev/x"]);
        let before_its_touch = own.expected(5);
        own.touch(5);
        own.touch(6);
        let another_process = memory(&[]).expected(1);
        let disk = tempfile::NamedTempFile::new().unwrap();
        // The header comes first. Page 6 was touched before it went.
        let slots = vec![
            [0; PAGE],
            own.expected(3),
            own.expected(6),
            before_its_touch,
            own.expected(7),
            another_process,
        ];
        for (slot, content) in slots.into_iter().enumerate() {
            disk.as_file().write_all_at(&content, (slot * PAGE) as u64).unwrap();
        }
        let mut swapped = [(5, 1), (4, 2), (3, 5), (1, 3), (2, 6)].map(|(slot, page)| Swapped { slot, page });
        let mut sunk = Sunk::default();
        let mut device = SwapDisk::of(disk.reopen().unwrap(), disk.path()).unwrap();
        device.look(&mut swapped, &own, &mut sunk).unwrap();
        assert_eq!([1, 2, 3, 4, 5].map(|slot| sunk.has(slot)), [true, true, false, false, false]);
        let error = device.look(&mut [Swapped { slot: 6, page: 0 }], &own, &mut sunk).unwrap_err();
        assert!(error.to_string().starts_with("cannot read slot 6 of "), "{error}");
    }

    #[test]
    fn runs_longer_than_the_buffer_and_slots_apart() {
        let own = memory(&["--sunk-to", "/dev/x"]);
        let disk = tempfile::NamedTempFile::new().unwrap();
        let slots: Vec<_> = (1..AT_ONCE + 10).chain([200, 203]).collect();
        for slot in &slots {
            disk.as_file().write_all_at(&own.expected(slot % PAGES), (slot * PAGE) as u64).unwrap();
        }
        let mut swapped: Vec<_> =
            slots.iter().rev().map(|slot| Swapped { slot: *slot, page: slot % PAGES }).collect();
        let mut sunk = Sunk::default();
        let mut device = SwapDisk::of(disk.reopen().unwrap(), disk.path()).unwrap();
        device.look(&mut swapped, &own, &mut sunk).unwrap();
        assert!(slots.iter().all(|slot| sunk.has(*slot)));
        assert!(!sunk.has(201));
    }
}
