//! The tenant's memory, and what one touch does.

use super::content::{Content, WORDS, change, read_word};
use super::file_map::map_new_file;
use super::layout::Layout;
use super::options::{FilePart, Options};
use crate::size::PAGE;
use anyhow::{Context, Result, bail};
use memmap2::{MmapMut, MmapOptions};
use std::hint::black_box;

/// A hot touch reads this many words of its page: work, so that throughput is not only the cost of a clock.
const WORDS_OF_WORK: usize = 64;

/// One mapping, or two when only the cold part is in a file.
#[derive(Debug)]
pub struct Memory {
    anonymous: Option<MmapMut>,
    file: Option<MmapMut>,
    /// First page that lives in the file; pages before it are anonymous.
    file_start: usize,
    write_file: bool,
    content: Content,
    /// How often each anonymous page was changed; none unless somebody asks for what a page should hold.
    changes: Vec<u32>,
    verify: bool,
    /// Addresses without memory.
    _sparse: Option<MmapMut>,
}

impl Memory {
    /// Maps the memory and fills every page; `filled` is told of each.
    pub fn fill(options: &Options, layout: &Layout, mut filled: impl FnMut(usize)) -> Result<Self> {
        let mut memory = Self::map(options, layout)?;
        let content = memory.content;
        for page in 0..layout.total() {
            content.fill(memory.page_mut(page), page);
            filled(page);
        }
        if let Some(file) = &memory.file {
            // Clean pages, as those of a file that was read; dirty ones would have to be written first.
            file.flush().context("cannot write the file part to its disk")?;
        }
        Ok(memory)
    }

    fn map(options: &Options, layout: &Layout) -> Result<Self> {
        let file_start = match (&options.file, options.file_part) {
            (None, _) => layout.total(),
            (Some(_), FilePart::Cold) => layout.cold_start(),
            (Some(_), FilePart::All) => 0,
        };
        if options.shift_every.is_some() && options.file.is_some() && options.file_part == FilePart::Cold {
            bail!(
                "--shift-every moves the parts through one mapping: use it without --file or with --file-part all"
            );
        }
        let file_bytes = (layout.total() - file_start) * PAGE;
        let anonymous = (file_start > 0).then(|| MmapMut::map_anon(file_start * PAGE)).transpose();
        let anonymous = anonymous.context("cannot map the anonymous part")?;
        let file = match &options.file {
            Some(directory) if file_bytes > 0 => Some(map_new_file(directory, file_bytes as u64)?),
            _ => None,
        };
        let sparse = (options.sparse > 0).then(|| map_sparse(options.sparse)).transpose()?;
        let counted = options.verify || options.sunk_to.is_some();
        Ok(Self {
            anonymous,
            file,
            file_start,
            write_file: options.file_write,
            content: Content::of(options)?,
            changes: vec![0; if counted { file_start } else { 0 }],
            verify: options.verify,
            _sparse: sparse,
        })
    }

    /// Works on one page: reads across it, then changes one word. Returns what it computed.
    pub fn work(&mut self, page: usize) -> u64 {
        let write = self.is_written(page);
        let bytes = self.page_mut(page);
        let mut hash = 0_u64;
        for index in 0..WORDS_OF_WORK {
            let word = read_word(bytes, index * (WORDS / WORDS_OF_WORK));
            hash = (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
        }
        if write {
            change(bytes, 1);
            self.note_change(page);
        }
        hash
    }

    /// Reads and changes one word of one page.
    pub fn touch(&mut self, page: usize) {
        let write = self.is_written(page);
        let bytes = self.page_mut(page);
        black_box(read_word(bytes, 0));
        if write {
            change(bytes, 1);
            self.note_change(page);
        }
    }

    /// Reads every anonymous page, and says how many are not what was written last, whatever they went
    /// through in swap; `None` if that is not to be verified.
    #[must_use]
    pub fn wrong_pages(&self) -> Option<usize> {
        let map = self.anonymous.as_ref().filter(|_| self.verify)?;
        let is_wrong = |(page, found): &(usize, &[u8])| **found != self.expected(*page);
        Some(map.chunks_exact(PAGE).enumerate().filter(is_wrong).count())
    }

    /// What was written last to an anonymous page, with `--verify` or `--sunk-to`. Does not touch the page.
    #[must_use]
    pub fn expected(&self, page: usize) -> [u8; PAGE] {
        let mut expected = [0; PAGE];
        self.content.fill(&mut expected, page);
        change(&mut expected, self.changes.get(page).copied().map_or(0, u64::from));
        expected
    }

    fn note_change(&mut self, page: usize) {
        if let Some(changes) = self.changes.get_mut(page) {
            *changes = changes.wrapping_add(1);
        }
    }

    /// The address of a page, for the page table.
    #[must_use]
    pub fn address(&self, page: usize) -> usize {
        let (map, index) = if page < self.file_start {
            (&self.anonymous, page)
        } else {
            (&self.file, page - self.file_start)
        };
        map.as_ref().map_or(0, |map| map.as_ptr().addr() + index * PAGE)
    }

    fn is_written(&self, page: usize) -> bool {
        page < self.file_start || self.write_file
    }

    fn page_mut(&mut self, page: usize) -> &mut [u8] {
        let (map, index) = if page < self.file_start {
            (&mut self.anonymous, page)
        } else {
            (&mut self.file, page - self.file_start)
        };
        map.as_mut().map_or(&mut [], |map| &mut map[index * PAGE..(index + 1) * PAGE])
    }
}

/// No swap is set aside for it: there is less than that.
fn map_sparse(bytes: u64) -> Result<MmapMut> {
    let map = MmapOptions::new().len(usize::try_from(bytes)?).no_reserve_swap().map_anon();
    map.context("cannot map the sparse part")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn a_page_that_is_not_what_was_written_is_found() {
        let options = Options::parse_from(["t", "--hot", "16K", "--warm", "0", "--cold", "16K", "--verify"]);
        let layout = Layout::new(4, 0, 4);
        let mut memory = Memory::fill(&options, &layout, |_| ()).unwrap();
        memory.work(0);
        memory.work(0);
        memory.touch(5);
        assert_eq!(memory.wrong_pages(), Some(0));
        // As if an older copy had come back, and another page.
        change(memory.page_mut(0), u64::MAX);
        memory.page_mut(6)[0] ^= 1;
        assert_eq!(memory.wrong_pages(), Some(2));
        let unverified = Memory::fill(&Options { verify: false, ..options }, &layout, |_| ()).unwrap();
        assert_eq!(unverified.wrong_pages(), None);
    }
}
