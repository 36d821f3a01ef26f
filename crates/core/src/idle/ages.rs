//! Ages older than a source can see: its oldest cohort is told apart by what was known of it before.
//!
//! MGLRU keeps four generations, so what has been idle for longer than three walks is one lump (mm/vmscan.c,
//! `inc_min_seq`). But a page that has been idle for ten minutes was in every lump of those ten minutes: of
//! the bytes that were known to be that old, no more can be left than the smallest lump since. So the cohorts
//! of the last reading, grown older by the time since, are fitted into the new lump, the oldest first; what
//! does not fit was touched or has gone. For a tenant that is steady this is exact, for any other an upper
//! bound.

use std::time::Duration;

use super::seen::Seen;
use crate::{
    cgroup::ByType,
    reading::{Cohort, reached},
    units::Bytes,
};

/// Neighbours are joined when together they span less than this share of their age: bounds the list at any
/// interval.
const RESOLUTION: u32 = 8;
/// No memory is told to be older than this.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// The cohorts of one type of memory, the oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ages {
    cohorts: Vec<Piece>,
}

/// A cohort of one type of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) youngest: Duration,
    pub(crate) oldest: Option<Duration>,
    pub(crate) size: Bytes,
}

impl Piece {
    fn grown(self, by: Duration) -> Self {
        let grow = |age: Duration| age.saturating_add(by).min(LONGEST);
        Self { youngest: grow(self.youngest), oldest: self.oldest.map(grow), ..self }
    }

    /// Whether more of it is older than `age` than not.
    pub(super) fn is_mostly_beyond(self, age: Duration) -> bool {
        self.oldest.is_none_or(|oldest| self.youngest.saturating_add(oldest) / 2 > age)
    }
}

/// What happened between two readings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Between {
    /// So much time passed.
    pub(crate) elapsed: Duration,
    /// At most so much is new.
    pub(crate) faulted: Bytes,
    /// So much left on request: the oldest.
    pub(crate) gone: Bytes,
    /// The same, with what may have left only after the reading.
    pub(crate) may_be_gone: Bytes,
}

impl Ages {
    /// Takes in a reading: what is not there any more without having left or been freed was touched.
    pub(crate) fn learn(&mut self, mut measured: Vec<Piece>, between: Between) -> Seen {
        let Between { elapsed, faulted, gone, may_be_gone } = between;
        measured.retain(|piece| !piece.size.is_zero());
        oldest_first(&mut measured);
        let before: Vec<Piece> = self.cohorts.iter().map(|piece| piece.grown(elapsed)).collect();
        let left = total(&before) + faulted - total(&measured);
        let seen = Seen::between(&before, &measured, elapsed, left.max(may_be_gone));
        self.cohorts = fit(measured, without_the_oldest(before, gone), elapsed);
        oldest_first(&mut self.cohorts);
        self.join();
        seen
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.cohorts
    }

    fn join(&mut self) {
        let mut joined: Vec<Piece> = Vec::with_capacity(self.cohorts.len());
        for piece in self.cohorts.drain(..) {
            match joined.last_mut() {
                Some(last) if near(*last, piece) => {
                    last.youngest = last.youngest.min(piece.youngest);
                    last.oldest = last.oldest.max(piece.oldest);
                    last.size += piece.size;
                }
                _ => joined.push(piece),
            }
        }
        self.cohorts = joined;
    }
}

fn oldest_first(pieces: &mut [Piece]) {
    pieces.sort_by_key(|piece| std::cmp::Reverse((piece.youngest, piece.oldest)));
}

fn near(older: Piece, younger: Piece) -> bool {
    let span = older.oldest.unwrap_or(older.youngest).saturating_sub(younger.youngest);
    older.oldest.is_some() == younger.oldest.is_some() && span <= younger.youngest / RESOLUTION
}

/// What left on request were the oldest: a lump that shrank by as much has no room for them any more, though
/// it may hold as many younger ones.
fn without_the_oldest(mut pieces: Vec<Piece>, mut gone: Bytes) -> Vec<Piece> {
    for piece in &mut pieces {
        let left = piece.size.min(gone);
        piece.size = piece.size - left;
        gone = gone - left;
    }
    pieces
}

fn total(pieces: &[Piece]) -> Bytes {
    pieces.iter().map(|piece| piece.size).sum()
}

/// Open-ended pieces told apart by the pieces that were known to be at least as old; others as they are.
///
/// Only where a lump is older than the time since the last reading: younger ones come from walks of the
/// kernel's own, which follow each other in seconds when it has to reclaim, and say nothing about what was
/// old before.
fn fit(measured: Vec<Piece>, mut before: Vec<Piece>, elapsed: Duration) -> Vec<Piece> {
    let fit = |piece: Piece| {
        if piece.oldest.is_some() || reached(piece.youngest) < elapsed {
            vec![piece]
        } else {
            fitted(piece, &mut before)
        }
    };
    measured.into_iter().flat_map(fit).collect()
}

/// One lump; what it takes of the past is not there for the next one.
fn fitted(lump: Piece, before: &mut [Piece]) -> Vec<Piece> {
    let mut room = lump.size;
    let mut parts = Vec::new();
    for piece in before.iter_mut().filter(|piece| piece.is_mostly_beyond(lump.youngest)) {
        let size = piece.size.min(room);
        room = room - size;
        piece.size = piece.size - size;
        parts.push(Piece { youngest: piece.youngest.max(lump.youngest), size, ..*piece });
    }
    parts.push(Piece { size: room, ..lump });
    parts.retain(|part| !part.size.is_zero());
    parts
}

impl Piece {
    /// The pieces of one type in cohorts of both.
    pub(crate) fn of(cohorts: &[Cohort], size: impl Fn(ByType) -> Bytes) -> Vec<Self> {
        let piece = |cohort: &Cohort| Self {
            youngest: cohort.youngest,
            oldest: cohort.oldest,
            size: size(cohort.size),
        };
        cohorts.iter().map(piece).collect()
    }
}

#[cfg(test)]
#[path = "ages_tests.rs"]
mod tests;
