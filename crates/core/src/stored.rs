//! What zram devices hold.

use crate::units::Bytes;

/// What zram devices hold, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stored {
    /// Uncompressed bytes, what has sunk to backing devices included (`orig_data_size`).
    pub original: Bytes,
    /// What they take compressed, the allocator's waste left out (`compr_data_size`).
    pub compressed: Bytes,
    /// Of the compressed bytes, pages that did not compress and are kept as they are (`huge_pages`).
    pub incompressible: Bytes,
    /// Written to backing devices since they were set up (bd_stat).
    pub sunk: Bytes,
}

impl Stored {
    /// What was taken in since `before`; `None` if pages have sunk meanwhile, which takes compressed bytes
    /// off.
    #[must_use]
    pub fn since(&self, before: &Self) -> Option<Self> {
        (self.sunk == before.sunk).then(|| Self {
            original: self.original - before.original,
            compressed: self.compressed - before.compressed,
            incompressible: self.incompressible - before.incompressible,
            sunk: Bytes::ZERO,
        })
    }

    /// Whether this can be what became of `offloaded` bytes of one cgroup: where more came in, somebody else
    /// swapped out, and where much less did, others faulted back. Pages of zeros may be missing: from 6.12 on
    /// they do not get to the device (`swap_zeromap_folio_set`, mm/page_io.c).
    pub(crate) fn is_of(&self, offloaded: Bytes) -> bool {
        let eighth = Bytes::new(offloaded.get() / 8);
        let half = Bytes::new(offloaded.get() / 2);
        !offloaded.is_zero() && self.original <= offloaded + eighth && self.original >= half
    }
}

impl std::ops::Add for Stored {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            original: self.original + other.original,
            compressed: self.compressed + other.compressed,
            incompressible: self.incompressible + other.incompressible,
            sunk: self.sunk + other.sunk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(original: u64, compressed: u64) -> Stored {
        Stored { original: Bytes::mib(original), compressed: Bytes::mib(compressed), ..Stored::default() }
    }

    #[test]
    fn what_came_in_is_told_unless_something_sank() {
        assert_eq!(stored(9, 4).since(&stored(5, 3)), Some(stored(4, 1)));
        let sunk = Stored { sunk: Bytes::mib(1), ..stored(9, 3) };
        assert_eq!(sunk.since(&stored(5, 3)), None);
    }

    #[test]
    fn what_others_did_meanwhile_is_noticed() {
        let offloaded = Bytes::mib(8);
        for (original, told) in [(3, false), (4, true), (8, true), (9, true), (10, false)] {
            assert_eq!(stored(original, 1).is_of(offloaded), told, "{original} MiB");
        }
        assert!(!stored(0, 0).is_of(Bytes::ZERO));
    }
}
