//! Where the parts of the tenant are, by virtual and by physical address.

use super::{COLD, HOT_AND_WARM};
use crate::size::{MIB, PAGE};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

const ALL: u64 = HOT_AND_WARM + COLD;
const FRAME: u64 = (1 << 55) - 1;

/// Addresses of the tenant's pages, sorted: of the cold part, and of the others.
#[derive(Debug)]
pub(super) struct Pages {
    start: u64,
    /// Physical addresses.
    cold: Vec<u64>,
    others: Vec<u64>,
}

impl Pages {
    pub(super) fn read(pid: u32) -> Result<Self> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let mappings = maps.lines().filter_map(|line| {
            let (start, end) = line.split_whitespace().next()?.split_once('-')?;
            Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
        });
        let (start, end) = mappings.max_by_key(|(start, end)| end - start).context("no mappings")?;
        ensure!((ALL..ALL + MIB).contains(&(end - start)), "the largest mapping has {} bytes", end - start);
        let pagemap = File::open(format!("/proc/{pid}/pagemap"))?;
        let mut bytes = vec![0; usize::try_from(ALL)? / PAGE * 8];
        pagemap.read_exact_at(&mut bytes, start / PAGE as u64 * 8).context("the tenant's pagemap")?;
        let frames = bytes.as_chunks::<8>().0.iter().map(|entry| u64::from_le_bytes(*entry) & FRAME);
        let mut addresses: Vec<u64> = frames.map(|frame| frame * PAGE as u64).collect();
        ensure!(addresses.iter().all(|address| *address > 0), "a page of the tenant is not in memory");
        let mut cold = addresses.split_off(usize::try_from(HOT_AND_WARM)? / PAGE);
        addresses.sort_unstable();
        cold.sort_unstable();
        Ok(Self { start, cold, others: addresses })
    }

    /// Where its memory is mapped.
    pub(super) fn mapping(&self) -> (u64, u64) {
        (self.start, self.start + ALL)
    }

    /// Bytes of the cold part and of the others that lie in these ranges.
    pub(super) fn within(&self, ranges: impl Iterator<Item = (u64, u64)>, physical: bool) -> (u64, u64) {
        let boundary = self.start + HOT_AND_WARM;
        ranges.fold((0, 0), |(cold, other), range| {
            let (more_cold, more_other) = if physical {
                (count(&self.cold, range), count(&self.others, range))
            } else {
                (overlap(range, (boundary, self.start + ALL)), overlap(range, (self.start, boundary)))
            };
            (cold + more_cold, other + more_other)
        })
    }
}

/// Bytes of the sorted pages that lie in a range.
fn count(pages: &[u64], (start, end): (u64, u64)) -> u64 {
    let before = |address: u64| pages.partition_point(|page| *page < address);
    (before(end) - before(start)) as u64 * PAGE as u64
}

fn overlap(one: (u64, u64), other: (u64, u64)) -> u64 {
    one.1.min(other.1).saturating_sub(one.0.max(other.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_in_a_range_are_counted_by_their_part() {
        let page = PAGE as u64;
        let pages = Pages { start: 1 << 40, cold: vec![page, 4 * page], others: vec![2 * page] };
        assert_eq!(pages.within([(page, 4 * page)].into_iter(), true), (page, page));
        let warm_end = (1 << 40) + HOT_AND_WARM;
        assert_eq!(
            pages.within([(warm_end - page, warm_end + 3 * page)].into_iter(), false),
            (3 * page, page)
        );
    }
}
