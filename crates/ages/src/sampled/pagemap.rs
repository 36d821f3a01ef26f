//! Where a page is: one entry of /proc/PID/pagemap, and how often a frame is mapped.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use lowtide_kernfs::{Files, Root, page_size};
use nix::fcntl::OFlag;

const ENTRY: u64 = 8;
/// A page that more processes map than this counts as if it were mapped by so many.
const MOST_MAPPED: u64 = 1 << 20;

/// Bytes of a page.
pub(super) fn page() -> u64 {
    u64::try_from(page_size()).unwrap_or(4096)
}

/// What one page table entry says (Documentation/admin-guide/mm/pagemap.rst).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// In memory, in this page frame.
    Present(u64),
    /// In memory; which frame takes CAP_SYS_ADMIN to see (`pagemap_read`, fs/proc/task_mmu.c).
    Hidden,
    /// In swap, or being migrated.
    Swapped,
    /// Nothing is there.
    Absent,
}

impl Entry {
    pub(super) const fn decode(bits: u64) -> Self {
        const PRESENT: u64 = 1 << 63;
        const SWAPPED: u64 = 1 << 62;
        const FRAME: u64 = (1 << 55) - 1;
        match (bits & PRESENT != 0, bits & SWAPPED != 0, bits & FRAME) {
            (true, _, 0) => Self::Hidden,
            (true, _, frame) => Self::Present(frame),
            (false, true, _) => Self::Swapped,
            (false, false, _) => Self::Absent,
        }
    }
}

/// An open /proc/PID/pagemap. Reading it touches no page.
#[derive(Debug)]
pub(super) struct PageTable(File);

impl PageTable {
    /// `None` if the process is gone.
    pub(super) fn open(root: &Root, pid: u32) -> Result<Option<Self>, lowtide_kernfs::Error> {
        match root.open(Path::new(&format!("proc/{pid}/pagemap")), OFlag::O_RDONLY) {
            Err(error) if error.is_gone() => Ok(None),
            other => Ok(Some(Self(File::from(other?)))),
        }
    }

    /// The entry of an address; nothing is there if the process has ended.
    pub(super) fn entry(&self, address: u64) -> Entry {
        word(&self.0, address / page()).map_or(Entry::Absent, Entry::decode)
    }
}

/// An open /proc/kpagecount.
#[derive(Debug)]
pub(super) struct Counts(Option<File>);

impl Counts {
    /// Where there is none, or it may not be read, every frame counts as mapped once.
    pub(super) fn open(root: &Root) -> Self {
        let file = root.open(Path::new("proc/kpagecount"), OFlag::O_RDONLY);
        Self(file.ok().map(File::from))
    }

    /// How often a frame is mapped; at least once.
    pub(super) fn of(&self, frame: u64) -> u64 {
        let count = self.0.as_ref().and_then(|file| word(file, frame).ok());
        count.unwrap_or(1).clamp(1, MOST_MAPPED)
    }
}

fn word(file: &File, index: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, index.saturating_mul(ENTRY))?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_as_the_kernel_writes_them() {
        for (bits, entry) in [
            (0x8180_0000_0012_3456, Entry::Present(0x12_3456)),
            (0x8000_0000_0000_0000, Entry::Hidden),
            (0x4180_0000_0000_0a42, Entry::Swapped),
            (0x0080_0000_0000_0000, Entry::Absent),
            (0, Entry::Absent),
        ] {
            assert_eq!(Entry::decode(bits), entry, "{bits:#x}");
        }
    }

    #[test]
    fn an_entry_stands_at_its_page() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/7")).unwrap();
        let entries = [0_u64, (1 << 63) + 99, 1 << 62].map(u64::to_ne_bytes).concat();
        std::fs::write(tree.path().join("proc/7/pagemap"), &entries[..20]).unwrap();
        let root = Root::open(tree.path()).unwrap();
        let table = PageTable::open(&root, 7).unwrap().unwrap();
        assert_eq!(table.entry(page() + 5), Entry::Present(99));
        assert_eq!(table.entry(2 * page()), Entry::Absent, "cut short, as of one that has ended");
        assert!(PageTable::open(&root, 8).unwrap().is_none());
        assert_eq!(Counts::open(&root).of(99), 1, "without kpagecount");
    }
}
