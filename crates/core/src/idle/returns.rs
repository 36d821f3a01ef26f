//! What came back after a long idle time: the evidence against calling memory cold too early.
//!
//! Each return is noted with twice the age at which it came: what was touched again after 40 s may be touched
//! again after up to 80 s the next time, so it speaks against every cut below that. What counts is the worst
//! minute, as in the SLO, and it fades, so that a tenant which has changed is believed again.

use std::time::Duration;

use crate::{
    history::MINUTE,
    reading::BOUNDARIES,
    units::{Bytes, Ratio},
};

/// Half of what is known is forgotten in this time, the first time.
const HALF_LIFE: Duration = Duration::from_mins(30);
/// And in this time at the longest.
const LONGEST_HALF_LIFE: Duration = Duration::from_hours(24);
/// What has faded to less than this share of what comes back again was forgotten too soon.
const FORGOTTEN: f64 = 0.5;

/// Returned bytes of the worst minutes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Returns {
    /// By the last boundary that they speak against.
    classes: [Class; BOUNDARIES.len()],
    /// How much of the minute has passed.
    passed: Duration,
}

/// What came back and speaks against the same cuts.
#[derive(Debug, Clone, Copy, Default)]
struct Class {
    /// Of the worst minute; bytes.
    worst: f64,
    /// Of the minute that is not over.
    minute: f64,
    /// How often it was forgotten too soon.
    forgotten: u8,
}

impl Class {
    /// Once the cut lies beyond what a tenant wants back now and then, it stays in DRAM and nothing shows any
    /// more that it is wanted, so the evidence fades and the cut falls: each time that this was wrong, the
    /// next lesson is kept for twice as long.
    fn half_life(&self) -> Duration {
        HALF_LIFE.saturating_mul(1 << self.forgotten.min(16)).min(LONGEST_HALF_LIFE)
    }

    fn end_minute(&mut self) {
        let minute = std::mem::take(&mut self.minute);
        if minute <= self.worst {
            return;
        }
        if self.worst > 0.0 && self.worst < minute * FORGOTTEN {
            self.forgotten = self.forgotten.saturating_add(1);
        }
        self.worst = minute;
    }
}

impl Returns {
    /// Time passes.
    pub(crate) fn fade(&mut self, elapsed: Duration) {
        for class in &mut self.classes {
            class.worst *= (-elapsed.as_secs_f64() / class.half_life().as_secs_f64()).exp2();
        }
        self.passed += elapsed;
        if self.passed >= MINUTE {
            self.passed = Duration::ZERO;
            self.classes.iter_mut().for_each(Class::end_minute);
        }
    }

    /// So many bytes were touched again after having been idle for `age`.
    pub(crate) fn note(&mut self, age: Duration, size: Bytes) {
        let reach = age.saturating_mul(2);
        let boundaries = BOUNDARIES.partition_point(|boundary| *boundary <= reach);
        if let Some(last) = boundaries.checked_sub(1) {
            self.classes[last].minute += size.as_f64();
        }
    }

    /// Bytes that would come back in the worst minute if what is idle for the `index`th boundary had left
    /// DRAM.
    pub(crate) fn worst_minute(&self, index: usize) -> Bytes {
        whole(self.classes.iter().skip(index).map(|class| class.worst.max(class.minute)).sum())
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative; saturates")]
fn whole(bytes: f64) -> Bytes {
    Bytes::new(bytes as u64)
}

/// Memory that left DRAM on lowtide's request, and when on average it was touched last.
///
/// The kernel does not tell which of it came back, so what comes back is taken to be of mean age.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Away {
    bytes: f64,
    /// Mean time of the last touch, in seconds on the loop's clock; may lie before its start.
    touched: f64,
}

impl Away {
    /// Time passes, and no more than `offloaded` can be away: what was freed since, as when a process ended,
    /// is not.
    pub(crate) fn fade(&mut self, elapsed: Duration, offloaded: Bytes) {
        let keep = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        self.bytes = (self.bytes * keep).min(offloaded.as_f64());
    }

    /// How much is away.
    pub(crate) fn bytes(&self) -> Bytes {
        whole(self.bytes)
    }

    /// For how long what is away has been idle on average; `None` if nothing is.
    pub(crate) fn age(&self, now: Duration) -> Option<Duration> {
        (self.bytes > 0.0).then(|| Duration::from_secs_f64((now.as_secs_f64() - self.touched).max(0.0)))
    }

    /// `size` bytes left at `now` that had been idle for `age`.
    pub(crate) fn leave(&mut self, size: Bytes, age: Duration, now: Duration) {
        let touched = now.as_secs_f64() - age.as_secs_f64();
        let bytes = self.bytes + size.as_f64();
        if bytes > 0.0 {
            self.touched += (touched - self.touched) * size.as_f64() / bytes;
        }
        self.bytes = bytes;
    }

    /// `size` bytes came back: of how many that was lowtide's doing, and how long they had been idle.
    pub(crate) fn come_back(&mut self, size: Bytes, now: Duration) -> (Bytes, Duration) {
        let share = if self.bytes > 0.0 {
            Ratio::new(self.bytes / size.as_f64().max(1.0)).clamped()
        } else {
            Ratio::ZERO
        };
        let ours = size.scale(share);
        self.bytes = (self.bytes - ours.as_f64()).max(0.0);
        (ours, Duration::from_secs_f64((now.as_secs_f64() - self.touched).max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn index(boundary: u64) -> usize {
        BOUNDARIES.iter().position(|known| *known == seconds(boundary)).unwrap()
    }

    #[test]
    fn a_return_speaks_against_cuts_up_to_twice_its_age() {
        let mut returns = Returns::default();
        returns.note(seconds(35), Bytes::mib(30));
        for _ in 0..2 {
            assert_eq!(returns.worst_minute(index(30)), Bytes::mib(30));
            assert_eq!(returns.worst_minute(index(60)), Bytes::mib(30));
            assert_eq!(returns.worst_minute(index(120)), Bytes::ZERO);
            returns.fade(seconds(60));
        }
    }

    #[test]
    fn it_fades_and_is_renewed() {
        let (mut once, mut often) = (Returns::default(), Returns::default());
        once.note(seconds(35), Bytes::mib(32));
        for _ in 0..301 {
            once.fade(seconds(60));
            often.note(seconds(35), Bytes::mib(32));
            often.fade(seconds(60));
        }
        let share = once.worst_minute(0).share_of(Bytes::kib(32)).get();
        assert!((share - 1.0).abs() < 0.01, "{share}");
        assert_eq!(often.worst_minute(0), Bytes::mib(32));
    }

    /// Minutes until less than 1 MiB of a lesson of 64 is left.
    fn kept(returns: &mut Returns) -> usize {
        returns.note(seconds(330), Bytes::mib(64));
        returns.fade(seconds(60));
        (0..10_000)
            .position(|_| {
                returns.fade(seconds(60));
                returns.worst_minute(0) < Bytes::mib(1)
            })
            .unwrap()
    }

    #[test]
    fn what_was_forgotten_too_soon_is_kept_ever_longer_the_next_time() {
        let mut returns = Returns::default();
        let times: Vec<_> = (0..4).map(|_| kept(&mut returns)).collect();
        let hours: Vec<_> = times.iter().map(|minutes| (minutes + 30) / 60).collect();
        assert_eq!(hours, [3, 6, 12, 24], "{times:?}");
        for _ in 0..10 {
            kept(&mut returns);
        }
        assert!(kept(&mut returns) <= 24 * 60 * 6 + 60, "but not for ever");
    }

    #[test]
    fn what_is_renewed_all_the_time_is_not_forgotten_more_slowly() {
        let mut returns = Returns::default();
        for _ in 0..600 {
            returns.note(seconds(330), Bytes::mib(64));
            returns.fade(seconds(60));
        }
        assert_eq!(returns.classes.map(|class| class.forgotten), [0; BOUNDARIES.len()]);
    }

    #[test]
    fn what_was_away_has_the_mean_age() {
        let mut away = Away::default();
        away.leave(Bytes::mib(60), seconds(30), seconds(100));
        away.leave(Bytes::mib(60), seconds(30), seconds(120));
        assert_eq!(away.come_back(Bytes::mib(20), seconds(180)), (Bytes::mib(20), seconds(100)));
        let (ours, _) = away.come_back(Bytes::mib(500), seconds(200));
        assert_eq!(ours, Bytes::mib(100));
        assert_eq!(away.come_back(Bytes::mib(1), seconds(300)).0, Bytes::ZERO);
    }
}
