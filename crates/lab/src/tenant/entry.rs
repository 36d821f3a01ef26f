//! Entries of a process's own page table (Documentation/admin-guide/mm/pagemap.rst).

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
/// Bits of an entry in swap before the offset, which name the swap device; the offset ends at bit 54.
const SWAP_TYPE_BITS: u32 = 5;
const SWAP_BITS: u64 = (1 << 55) - 1;
/// Of an entry that is present: the frame's number, for who may know it, else zero.
const FRAME: u64 = (1 << 55) - 1;

/// What `/proc/self/pagemap` says of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u64);

impl Entry {
    /// Bytes of one.
    pub(super) const SIZE: usize = size_of::<u64>();

    /// Those in bytes that were read.
    pub(super) fn all(bytes: &[u8]) -> impl Iterator<Item = Self> {
        let words = bytes.chunks_exact(Self::SIZE).filter_map(<[u8]>::first_chunk);
        words.map(|word| Self(u64::from_ne_bytes(*word)))
    }

    /// The page's frame, if it is mapped.
    #[must_use]
    pub(super) fn frame(self) -> Option<u64> {
        (self.0 & PRESENT != 0).then_some(self.0 & FRAME)
    }

    /// Where in its swap device the page is, in pages from the device's start, if it is in swap.
    #[must_use]
    pub(super) fn swap_slot(self) -> Option<usize> {
        let slot = usize::try_from((self.0 & SWAP_BITS) >> SWAP_TYPE_BITS).unwrap_or(usize::MAX);
        (self.0 & PRESENT == 0 && self.0 & SWAPPED != 0).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_apart() {
        let words = [PRESENT, PRESENT | 5, SWAPPED | 7 << SWAP_TYPE_BITS | 3, 0];
        let bytes: Vec<_> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
        let entries: Vec<_> = Entry::all(&bytes).map(|entry| (entry.frame(), entry.swap_slot())).collect();
        assert_eq!(entries, [(Some(0), None), (Some(5), None), (None, Some(7)), (None, None)]);
    }
}
