use std::time::Duration;

use crate::sample::Status;

/// However long the daemon's turns are: that it has ended is seen this soon.
const LONGEST: Duration = Duration::from_secs(5);

/// When the daemon has something new to tell. It draws an answer of a thousand tenants, 6 MB, on the thread
/// of its own loop, so it is asked about once a turn and not at every look.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    /// The turn that was told of last.
    ticks: Option<u64>,
    /// Not before this time.
    next: Duration,
}

impl Rhythm {
    /// Whether it is to be asked at this time.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.next
    }

    /// It answered at this time. After a new turn the next one is most of a turn away, how much of it nobody
    /// knows; else it is near.
    pub(super) fn answered(&mut self, status: &Status, now: Duration) {
        let turns = u32::try_from(status.ticks).unwrap_or(u32::MAX).max(1);
        let quarter = status.uptime / turns / 4;
        let is_new = self.ticks.replace(status.ticks) != Some(status.ticks);
        let wait = if is_new { quarter * 3 } else { quarter };
        self.next = now + wait.min(LONGEST);
    }

    /// It did not: it is asked at the next look.
    pub(super) fn silent(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks each `interval` for so many turns of a daemon with this `turn`: how often it is asked, and how
    /// old what is shown gets.
    fn watch(turn: Duration, interval: Duration, turns: u32) -> (u32, Duration) {
        let mut rhythm = Rhythm::default();
        let (mut asked, mut shown, mut oldest) = (0, 0, Duration::ZERO);
        // The daemon's turns begin a third of one before the first look.
        let begun = turn * 10 + turn / 3;
        let mut now = Duration::ZERO;
        while now < turn * turns {
            let ticks = u64::try_from((begun + now).as_nanos() / turn.as_nanos()).unwrap();
            if rhythm.is_due(now) {
                asked += 1;
                shown = ticks;
                rhythm.answered(&Status::of_turn(ticks, turn * u32::try_from(ticks).unwrap()), now);
            }
            oldest = oldest.max(turn * u32::try_from(ticks - shown).unwrap());
            now += interval;
        }
        (asked, oldest)
    }

    #[test]
    fn about_one_question_a_turn() {
        let seconds = Duration::from_secs;
        let (asked, oldest) = watch(seconds(6), seconds(2), 100);
        assert!((100..=110).contains(&asked), "{asked}");
        assert!(oldest <= seconds(6), "no turn is missed: {oldest:?}");
        // Shorter than the interval: each look asks.
        assert_eq!(watch(seconds(1), seconds(2), 100).0, 50);
        // Quicker looks do not ask more often than it takes to see the next turn soon.
        let (asked, oldest) = watch(seconds(6), Duration::from_millis(100), 100);
        assert!(asked <= 300 && oldest <= seconds(6), "{asked} {oldest:?}");
    }

    #[test]
    fn long_turns_do_not_hide_that_it_has_ended() {
        let mut rhythm = Rhythm::default();
        rhythm.answered(&Status::of_turn(3, Duration::from_mins(3)), Duration::ZERO);
        assert!(!rhythm.is_due(Duration::from_secs(4)) && rhythm.is_due(LONGEST));
    }

    #[test]
    fn who_is_silent_is_asked_again() {
        let mut rhythm = Rhythm::default();
        assert!(rhythm.is_due(Duration::ZERO));
        rhythm.answered(&Status::of_turn(10, Duration::from_mins(1)), Duration::ZERO);
        rhythm.silent();
        assert!(rhythm.is_due(Duration::ZERO));
    }
}
