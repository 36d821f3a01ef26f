//! What the tenant's pages hold: content of a chosen compressibility that names its page.

use super::options::Options;
use crate::random::scramble;
use crate::size::PAGE;
use anyhow::{Context, Result, bail};
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

const WORD: usize = size_of::<u64>();

/// What a page is filled with, besides its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    seed: u64,
    /// Bytes.
    random: usize,
    /// Of pages that are looked for on a disk: which process they are of.
    process: Option<u64>,
}

impl Content {
    /// As the options say.
    pub(super) fn of(options: &Options) -> Result<Self> {
        if !(0.0..=1.0).contains(&options.compressibility) {
            bail!("--compressibility is a share from 0 to 1, not {}", options.compressibility);
        }
        Ok(Self {
            seed: options.seed,
            random: random_bytes(options.compressibility),
            process: options.sunk_to.is_some().then(process).transpose()?,
        })
    }

    /// Random words first, the zeros of a fresh page after them; the content depends on nothing but seed and
    /// page, and on the process if its pages are looked for on a disk.
    pub(super) fn fill(self, bytes: &mut [u8], page: usize) {
        let mut state = (self.seed ^ 0x5DEE_CE66).wrapping_mul(0x2545_F491_4F6C_DD1D) ^ (page as u64 + 1);
        for word in bytes[..self.random].chunks_exact_mut(WORD) {
            state = scramble(state);
            word.copy_from_slice(&state.to_ne_bytes());
        }
        // Every page gets one word of its own, so that none is a page of zeros, which costs no memory in
        // zram.
        if let Some(first) = bytes.first_chunk_mut::<WORD>() {
            *first = (page as u64 + 1).to_ne_bytes();
        }
        if let (Some(process), Some(second)) = (self.process, bytes[WORD..].first_chunk_mut::<WORD>()) {
            *second = process.to_ne_bytes();
        }
        change(bytes, 1);
    }
}

/// What no other process of this boot is called: its number, and when it began, since numbers are given
/// again.
fn process() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).context("cannot read the clock")?;
    Ok(u64::from(std::process::id()) << 32 ^ u64::try_from(Duration::from(now).as_millis())?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a page was checked"
)]
fn random_bytes(share: f64) -> usize {
    (share * PAGE as f64) as usize / WORD * WORD
}

/// The `index`th word of a page.
#[must_use]
pub(super) fn read_word(bytes: &[u8], index: usize) -> u64 {
    bytes[index * WORD..].first_chunk().map_or(0, |word| u64::from_ne_bytes(*word))
}

/// Words of a page.
pub(super) const WORDS: usize = PAGE / WORD;

/// Changes a page so many times: its last word counts.
pub(super) fn change(bytes: &mut [u8], by: u64) {
    if let Some(word) = bytes.last_chunk_mut::<WORD>() {
        *word = u64::from_ne_bytes(*word).wrapping_add(by).to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn filled(options: &[&str], page: usize) -> Vec<u8> {
        let mut bytes = vec![0; PAGE];
        let options = Options::parse_from([&["t"], options].concat());
        Content::of(&options).unwrap().fill(&mut bytes, page);
        bytes
    }

    #[test]
    fn the_random_share_is_what_was_asked() {
        let page = filled(&["--compressibility", "0.5"], 7);
        let zeros = page.iter().skip(PAGE / 2).filter(|byte| **byte == 0).count();
        assert!(zeros >= PAGE / 2 - WORD);
        let zeros_among_random = page.iter().take(PAGE / 2).skip(WORD).filter(|byte| **byte == 0).count();
        assert!(zeros_among_random < 64);
    }

    #[test]
    fn pages_differ_and_are_repeatable() {
        assert_ne!(filled(&[], 0), filled(&[], 1));
        assert_eq!(filled(&[], 3), filled(&[], 3));
    }

    #[test]
    fn pages_that_are_looked_for_name_their_process() {
        let (plain, named) = (filled(&[], 3), filled(&["--sunk-to", "/dev/x"], 3));
        assert_eq!(read_word(&named, 1) >> 32, u64::from(std::process::id()));
        assert_eq!((&plain[..WORD], &plain[2 * WORD..]), (&named[..WORD], &named[2 * WORD..]));
    }

    #[test]
    fn a_share_is_at_most_one() {
        let options = Options::parse_from(["t", "--compressibility", "1.5"]);
        assert!(Content::of(&options).is_err());
    }
}
