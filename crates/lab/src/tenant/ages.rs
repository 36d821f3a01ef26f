//! How long each page has been idle, and how old pages were when they left DRAM.
//!
//! One word per page, in a mapping of its own that is locked: no reclaim, no aging walk and no histogram of
//! the kernel's ever sees it beside the parts that are measured.

use super::pages::Place;
use crate::size::PAGE;
use anyhow::{Context, Result};
use memmap2::MmapMut;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

const STAMP: usize = size_of::<u32>();
/// Set while a page is known to have left DRAM; the other bits are centiseconds since the epoch, for 248
/// days.
const GONE: u32 = 1 << 31;

/// Bytes that are idle for at least so long, by where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct AgeRow {
    /// Seconds.
    pub at_least: f64,
    /// Mapped, in DRAM or on a slower node.
    pub dram: u64,
    /// Of those, on a slower node.
    #[serde(default)]
    pub slow: u64,
    /// In swap.
    pub swap: u64,
    /// Of those, sunk to the slower device; nothing without `--sunk-from` or `--sunk-to`.
    #[serde(default)]
    pub sunk: u64,
    /// Neither; see [`super::pages::Places::absent`].
    pub absent: u64,
    /// Found to have left DRAM at such an age, since the start; a page that comes back and leaves again
    /// counts again. The age is that of the lookup that found it gone, so at most the time between two
    /// lookups too high, and what comes back before one is never found.
    pub moved: u64,
}

impl AgeRow {
    /// Bytes wherever they are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.dram + self.gone()
    }

    /// Bytes not in DRAM.
    #[must_use]
    pub fn gone(&self) -> u64 {
        self.swap + self.absent
    }
}

/// When each page was touched last.
#[derive(Debug)]
pub struct Ages {
    epoch: Instant,
    stamps: MmapMut,
    /// Lower ends of the age classes in centiseconds, ascending, the first zero.
    classes: Vec<u32>,
    /// Bytes that were found gone, for each class.
    moved: Vec<u64>,
}

impl Ages {
    /// For so many pages, all of them touched now; `boundaries` are those of [`AgeRow::at_least`] besides
    /// zero.
    pub fn new(pages: usize, boundaries: &[Duration], epoch: Instant) -> Result<Self> {
        let stamps = MmapMut::map_anon(pages.max(1) * STAMP).context("cannot map the pages' ages")?;
        stamps.lock().context("cannot lock the pages' ages in DRAM")?;
        let mut classes: Vec<_> = boundaries.iter().copied().map(centiseconds).chain([0]).collect();
        classes.sort_unstable();
        classes.dedup();
        Ok(Self { epoch, stamps, moved: vec![0; classes.len()], classes })
    }

    /// Bytes of its own, locked in DRAM.
    #[must_use]
    pub fn locked(&self) -> u64 {
        self.stamps.len() as u64
    }

    /// Notes that a page was touched at this moment.
    pub fn touched(&mut self, page: usize, at: Instant) {
        self.set(page, centiseconds(at - self.epoch));
    }

    /// Begins a lookup of all pages, as of `at`.
    pub fn look(&mut self, at: Instant) -> AgeLook<'_> {
        let rows = self.classes.iter().zip(&self.moved).map(|(centis, moved)| AgeRow {
            at_least: Duration::from_millis(u64::from(*centis) * 10).as_secs_f64(),
            moved: *moved,
            ..AgeRow::default()
        });
        AgeLook { now: centiseconds(at - self.epoch), rows: rows.collect(), ages: self }
    }

    fn get(&self, page: usize) -> u32 {
        self.stamps[page * STAMP..].first_chunk().map_or(0, |stamp| u32::from_ne_bytes(*stamp))
    }

    fn set(&mut self, page: usize, stamp: u32) {
        if let Some(bytes) = self.stamps[page * STAMP..].first_chunk_mut() {
            *bytes = stamp.to_ne_bytes();
        }
    }
}

/// A lookup under way.
#[derive(Debug)]
pub struct AgeLook<'a> {
    ages: &'a mut Ages,
    now: u32,
    /// Each page counts in the last class that it is old enough for, and nowhere else, until the end.
    rows: Vec<AgeRow>,
}

impl AgeLook<'_> {
    /// Counts one page.
    pub fn count(&mut self, page: usize, place: Place) {
        let bytes = PAGE as u64;
        let stamp = self.ages.get(page);
        let idle = self.now.saturating_sub(stamp & !GONE);
        let class = self.ages.classes.partition_point(|least| *least <= idle) - 1;
        let row = &mut self.rows[class];
        match place {
            Place::Dram => row.dram += bytes,
            Place::Slow => {
                row.dram += bytes;
                row.slow += bytes;
            }
            Place::Swap => row.swap += bytes,
            Place::Sunk => {
                row.swap += bytes;
                row.sunk += bytes;
            }
            Place::Absent => row.absent += bytes,
        }
        if matches!(place, Place::Dram | Place::Slow) {
            // Touched, or read back by the kernel beside one that was.
            self.ages.set(page, stamp & !GONE);
        } else if stamp & GONE == 0 {
            row.moved += bytes;
            self.ages.moved[class] += bytes;
            self.ages.set(page, stamp | GONE);
        }
    }

    /// The rows, youngest first.
    #[must_use]
    pub fn finish(mut self) -> Vec<AgeRow> {
        let mut older = AgeRow::default();
        for row in self.rows.iter_mut().rev() {
            row.dram += older.dram;
            row.slow += older.slow;
            row.swap += older.swap;
            row.sunk += older.sunk;
            row.absent += older.absent;
            row.moved += older.moved;
            older = *row;
        }
        self.rows
    }
}

fn centiseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / 10).unwrap_or(u32::MAX).min(!GONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB4: u64 = PAGE as u64;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ages(pages: usize) -> (Ages, Instant) {
        let epoch = Instant::now();
        (Ages::new(pages, &[seconds(30), seconds(10)], epoch).unwrap(), epoch)
    }

    fn look(ages: &mut Ages, at: Instant, places: &[Place]) -> Vec<AgeRow> {
        let mut look = ages.look(at);
        places.iter().enumerate().for_each(|(page, place)| look.count(page, *place));
        look.finish()
    }

    #[test]
    fn a_page_is_in_every_row_that_it_is_old_enough_for() {
        let (mut ages, epoch) = ages(4);
        ages.touched(1, epoch + seconds(30));
        ages.touched(2, epoch + seconds(31));
        ages.touched(3, epoch + seconds(39));
        let rows =
            look(&mut ages, epoch + seconds(40), &[Place::Swap, Place::Dram, Place::Absent, Place::Dram]);
        let seen: Vec<_> = rows.iter().map(|row| (row.at_least, row.dram, row.swap, row.absent)).collect();
        assert_eq!(
            seen,
            [(0.0, 2 * KIB4, KIB4, KIB4), (10.0, KIB4, KIB4, 0), (30.0, 0, KIB4, 0)],
            "page 2 is idle for 9 s, page 1 for exactly 10 s"
        );
    }

    #[test]
    fn what_left_counts_once_with_its_age() {
        let (mut ages, epoch) = ages(2);
        ages.touched(1, epoch + seconds(25));
        let moved = |rows: &[AgeRow]| rows.iter().map(|row| row.moved).collect::<Vec<_>>();
        let rows = look(&mut ages, epoch + seconds(30), &[Place::Swap, Place::Swap]);
        assert_eq!(moved(&rows), [2 * KIB4, KIB4, KIB4]);
        let rows = look(&mut ages, epoch + seconds(90), &[Place::Swap, Place::Swap]);
        assert_eq!(moved(&rows), [2 * KIB4, KIB4, KIB4], "still gone, and no colder when it went");
    }

    #[test]
    fn what_comes_back_and_leaves_again_counts_again() {
        let (mut ages, epoch) = ages(1);
        let moved = |ages: &mut Ages, at, place| look(ages, epoch + seconds(at), &[place])[0].moved / KIB4;
        assert_eq!(moved(&mut ages, 1, Place::Swap), 1);
        assert_eq!(moved(&mut ages, 2, Place::Dram), 1);
        assert_eq!(moved(&mut ages, 3, Place::Swap), 2);
        ages.touched(0, epoch + seconds(4));
        assert_eq!(moved(&mut ages, 5, Place::Swap), 3, "it was touched in between, so it had come back");
    }

    #[test]
    fn an_age_never_wraps() {
        let (mut ages, epoch) = ages(1);
        ages.touched(0, epoch + seconds(60));
        assert_eq!(look(&mut ages, epoch + seconds(59), &[Place::Dram])[1].dram, 0);
        assert_eq!(centiseconds(Duration::MAX) & GONE, 0);
    }
}
