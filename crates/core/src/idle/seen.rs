//! What two readings show of the memory that was idle at the first: what of it was touched, and of how much
//! that can be told.

use std::time::Duration;

use super::ages::Piece;
use crate::{placement::Touches, reading::Touched, units::Bytes};

/// Bytes that were idle at one reading, whether or not they were touched by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Watched {
    /// How long they had been idle half-way between the readings: touched ones count as touched then.
    age: Duration,
    size: Bytes,
    /// So many of them were touched at least.
    touched: Bytes,
    /// So many more may have been touched though nothing shows it: as many younger ones have taken their
    /// place in the oldest cohort that the source tells apart.
    hidden: Bytes,
}

/// What two readings show together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    touched: Vec<Touched>,
    watched: Vec<Watched>,
    elapsed: Duration,
}

impl Seen {
    /// What was idle `before` (grown older by `elapsed` since) and is missing among what is `measured` as old
    /// now, `gone` of it excepted.
    pub(super) fn between(before: &[Piece], measured: &[Piece], elapsed: Duration, gone: Bytes) -> Self {
        let mut seen = Self { elapsed, ..Self::default() };
        let (mut known, mut accounted) = (Bytes::ZERO, gone);
        for (index, piece) in before.iter().enumerate() {
            known += piece.size;
            let as_old: Vec<&Piece> =
                measured.iter().filter(|other| other.is_mostly_beyond(piece.youngest)).collect();
            let still: Bytes = as_old.iter().map(|other| other.size).sum();
            let idle = piece.youngest.saturating_sub(elapsed);
            let age = idle.saturating_add(elapsed / 2);
            let missing = known - still;
            let touched = missing - accounted;
            if !touched.is_zero() {
                seen.touched.push(Touched { seen: idle, age, size: touched });
                accounted = missing;
            }
            let joined = joined(&before[index + 1..], &as_old);
            let hidden = joined.min((joined + known) - still - gone).min(piece.size);
            seen.watched.push(Watched { age, size: piece.size, touched, hidden });
        }
        seen
    }

    /// What was touched after having been idle.
    pub(super) fn touched(&self) -> &[Touched] {
        &self.touched
    }

    /// Counts what was watched, and of that what the source itself saw touched.
    pub(super) fn count_as_told(&self, told: &[Touched], touches: &mut Touches) {
        for Watched { age, size, .. } in &self.watched {
            touches.watch(*age, *size, self.elapsed);
        }
        for Touched { age, size, .. } in told {
            touches.touch(*age, *size);
        }
    }

    /// Counts what was watched, and what of it was touched, as far as that shows. With a lump of all that is
    /// old, touches of the oldest do not show while as much grows old: where more may be hidden than is to be
    /// expected, nothing is said for a low rate nor for a high one.
    pub(super) fn count_what_shows(&self, touches: &mut Touches) {
        for Watched { age, size, touched, hidden } in &self.watched {
            if *hidden <= Touches::expected(*age, *size, self.elapsed) {
                touches.watch(*age, *size, self.elapsed);
                touches.touch(*age, *touched);
            }
        }
    }
}

/// Of younger pieces, what may be in the same cohorts now as those that were older.
fn joined(younger: &[Piece], as_old: &[&Piece]) -> Bytes {
    let Some(from) = as_old.iter().map(|piece| piece.youngest).min() else { return Bytes::ZERO };
    younger.iter().filter(|piece| piece.is_mostly_beyond(from)).map(|piece| piece.size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn piece(youngest: u64, oldest: Option<u64>, mib: u64) -> Piece {
        Piece { youngest: seconds(youngest), oldest: oldest.map(seconds), size: Bytes::mib(mib) }
    }

    fn hidden(before: &[Piece], measured: &[Piece]) -> Vec<u64> {
        let seen = Seen::between(before, measured, seconds(18), Bytes::ZERO);
        seen.watched.iter().map(|watched| watched.hidden.get() >> 20).collect()
    }

    #[test]
    fn as_much_as_grew_old_may_hide_touches_in_a_lump() {
        // The lump is as large as the oldest piece was; but 5 MiB of younger memory may be among it now.
        let before = [piece(60, None, 48), piece(36, Some(54), 5), piece(18, Some(36), 17)];
        let measured = [piece(36, None, 48), piece(18, Some(36), 5), piece(0, Some(18), 17)];
        assert_eq!(hidden(&before, &measured), [5, 0, 0]);
        // It grew by 2: at most 3 of those 5 took the place of what was touched.
        let grown = [piece(36, None, 50), piece(18, Some(36), 5), piece(0, Some(18), 15)];
        assert_eq!(hidden(&before, &grown), [3, 0, 0]);
    }

    #[test]
    fn nothing_hides_where_nothing_grows_old_or_ages_are_told_apart() {
        let lump = [piece(36, None, 120), piece(0, Some(18), 70)];
        assert_eq!(hidden(&[piece(54, None, 120), piece(18, Some(36), 70)], &lump), [0, 0]);
        let told = [piece(60, Some(70), 48), piece(40, Some(50), 5)];
        assert_eq!(hidden(&told, &told), [0, 0]);
    }

    #[test]
    fn what_may_be_hidden_counts_neither_as_touched_nor_as_untouched() {
        let before = [piece(60, None, 48), piece(36, Some(54), 5), piece(18, Some(36), 17)];
        let measured = [piece(36, None, 47), piece(18, Some(36), 5), piece(0, Some(18), 18)];
        let seen = Seen::between(&before, &measured, seconds(18), Bytes::ZERO);
        let rate = |touches: &Touches| {
            let rates = touches.rates(Bytes::mib(64));
            rates.by_age().filter(|(ages, _)| ages.contains(&seconds(60))).map(|(_, rate)| rate).sum::<f64>()
        };
        let (mut shown, mut told) = (Touches::default(), Touches::default());
        seen.count_what_shows(&mut shown);
        seen.count_as_told(&[], &mut told);
        assert!((rate(&shown) - rate(&Touches::default())).abs() < 1e-12, "{}", rate(&shown));
        assert!(rate(&told) < rate(&shown));
    }
}
