//! Drawing pages so that each resident one is as likely as any other.
//!
//! A process is taken by its resident memory, a mapping of it by its share of that, and an address of the
//! mapping at random until there is a page behind it. A page that many processes map could be drawn in each
//! of them, so it is taken the more rarely the more map it.

use std::collections::HashSet;

use lowtide_core::Bytes;
use lowtide_damon::AddressRange;

use super::{
    pagemap::{Entry, page},
    random::Random,
    smaps::Resident,
};

/// Addresses that are tried in one mapping for one page, and on average for each page that is wanted: what of
/// a mapping is in memory may be next to nothing.
const MOST_TRIES: u64 = 1024;
const MEAN_TRIES: u64 = 64;

/// A page that was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) address: u64,
    pub(super) frame: u64,
    pub(super) is_file: bool,
}

/// What a process tells of its pages.
pub(super) trait Lookup {
    /// What stands behind an address.
    fn entry(&self, address: u64) -> Entry;

    /// How often a frame is mapped, at least once.
    fn mapped(&self, frame: u64) -> u64;
}

/// Frames that are watched. Two neighbours could become one region.
#[derive(Debug, Clone, Default)]
pub(super) struct Frames(HashSet<u64>);

impl Frames {
    /// Whether there is room for it beside the others; then it is taken.
    pub(super) fn take(&mut self, frame: u64) -> bool {
        let near = [frame.wrapping_sub(1), frame, frame.wrapping_add(1)];
        let is_free = !near.iter().any(|near| self.0.contains(near));
        is_free && self.0.insert(frame)
    }
}

/// Shares out `wanted` by `weights`: each part is what it would be exactly, rounded up or down at random.
pub(super) fn share_out(wanted: u64, weights: &[Bytes], random: &mut Random) -> Vec<u64> {
    let total: u128 = weights.iter().map(|weight| u128::from(weight.get())).sum();
    if total == 0 {
        return vec![0; weights.len()];
    }
    // As a comb with `wanted` teeth that is laid over the weights.
    let offset = u128::from(random.below(u64::try_from(total).unwrap_or(u64::MAX)));
    let teeth = |upto: u128| (upto * u128::from(wanted) + offset) / total;
    let mut sum = 0_u128;
    let part = |weight: &Bytes| {
        let before = teeth(sum);
        sum += u128::from(weight.get());
        u64::try_from(teeth(sum) - before).unwrap_or_default()
    };
    weights.iter().map(part).collect()
}

/// Draws up to `wanted` pages of one process. Fewer if there are no more, or they are hard to find.
pub(super) fn draw(
    wanted: u64,
    mappings: &[Resident],
    pages: &impl Lookup,
    frames: &mut Frames,
    random: &mut Random,
) -> Vec<Drawn> {
    let weights: Vec<Bytes> = mappings.iter().map(|mapping| mapping.pss).collect();
    let mut tries = wanted.saturating_mul(MEAN_TRIES);
    let mut drawn = Vec::new();
    for (mapping, count) in mappings.iter().zip(share_out(wanted, &weights, random)) {
        for _ in 0..count {
            drawn.extend(one(mapping, pages, frames, random, &mut tries));
        }
    }
    drawn
}

fn one(
    mapping: &Resident,
    pages: &impl Lookup,
    frames: &mut Frames,
    random: &mut Random,
    tries: &mut u64,
) -> Option<Drawn> {
    for _ in 0..MOST_TRIES {
        *tries = tries.checked_sub(1)?;
        let address = address(mapping.range, random);
        let Entry::Present(frame) = pages.entry(address) else { continue };
        if is_ours(mapping, pages, frame, random) && frames.take(frame) {
            return Some(Drawn { address, frame, is_file: mapping.is_file });
        }
    }
    None
}

/// The address of a page of the range.
fn address(range: AddressRange, random: &mut Random) -> u64 {
    let pages = (range.end() - range.start()) / page();
    range.start() + random.below(pages) * page()
}

/// Pages that are mapped more often than is usual in this mapping are taken more rarely.
fn is_ours(mapping: &Resident, pages: &impl Lookup, frame: u64, random: &mut Random) -> bool {
    if mapping.pss >= mapping.rss {
        return true;
    }
    let usual = mapping.rss.get() / mapping.pss.get().max(1);
    random.below(pages.mapped(frame)) < usual.max(1)
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
