use std::time::Duration;

use super::{Reason, window::Window};
use crate::units::Ratio;

/// Share of the last minute with a task stalled on memory, below which a moment is calm.
pub const CALM: Ratio = Ratio::percent(1.0);
/// Share above which what was begun is stopped.
pub const TENSE: Ratio = Ratio::percent(5.0);

/// Pressure on the host's memory, from its totals: how long some task was stalled since the boot.
#[derive(Debug, Clone, Default)]
pub struct Pressure {
    total: Window,
    is_measured: bool,
}

/// What a moment is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Little stalls: work may begin.
    Calm,
    /// It was not watched for a minute yet.
    New,
    /// Pressure is not measured here.
    Unmeasured,
    /// Too much stalls for work to begin.
    Busy,
    /// So much stalls that what was begun is stopped.
    Tense,
}

impl Pressure {
    /// Takes in a look; `None` where pressure is not measured, or cannot be read this once.
    pub fn look(&mut self, now: Duration, total: Option<Duration>) {
        self.is_measured = total.is_some();
        match total {
            Some(total) => self.total.add(now, u64::try_from(total.as_micros()).unwrap_or(u64::MAX)),
            None => self.total.clear(),
        }
    }

    /// Share of the last minute, or since the last look where that is longer ago.
    #[must_use]
    pub fn lately(&self) -> Option<Ratio> {
        self.total.minute().map(share)
    }

    /// What this moment is good for.
    #[must_use]
    pub fn moment(&self) -> Moment {
        if !self.is_measured {
            return Moment::Unmeasured;
        }
        if self.total.last().map(share).is_some_and(|share| share > TENSE) {
            return Moment::Tense;
        }
        match self.lately() {
            None => Moment::New,
            Some(share) if share < CALM => Moment::Calm,
            Some(_) => Moment::Busy,
        }
    }
}

impl Moment {
    /// What speaks against beginning now.
    pub(super) const fn objection(self) -> Option<Reason> {
        match self {
            Self::Calm => None,
            Self::New => Some(Reason::FirstLook),
            Self::Unmeasured => Some(Reason::NoPressure),
            Self::Busy | Self::Tense => Some(Reason::NotCalm),
        }
    }
}

fn share((micros, span): (u64, Duration)) -> Ratio {
    let seconds = span.as_secs_f64();
    let stalled = Duration::from_micros(micros).as_secs_f64();
    if seconds > 0.0 { Ratio::new(stalled / seconds) } else { Ratio::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(stalls: &[u64]) -> Pressure {
        let (mut pressure, mut total) = (Pressure::default(), 0);
        for (turn, milliseconds) in (0..).zip(stalls) {
            total += milliseconds;
            pressure.look(Duration::from_secs(6 * turn), Some(Duration::from_millis(total)));
        }
        pressure
    }

    #[test]
    fn a_minute_below_one_per_cent_is_calm() {
        assert_eq!(after(&[0; 10]).moment(), Moment::New);
        assert_eq!(after(&[0; 11]).moment(), Moment::Calm);
        // 59 ms in each of ten turns are 0.98 %, 61 ms 1.02 %.
        assert_eq!(after(&[59; 11]).moment(), Moment::Calm);
        assert_eq!(after(&[61; 11]).moment(), Moment::Busy);
    }

    #[test]
    fn one_turn_above_five_per_cent_is_tense_whatever_the_minute_was() {
        let mut stalls = [0; 12];
        stalls[11] = 301;
        assert_eq!(after(&stalls).moment(), Moment::Tense);
        assert_eq!(after(&[0, 301]).moment(), Moment::Tense);
        stalls[11] = 299;
        assert_eq!(after(&stalls).moment(), Moment::Calm, "0.5 % of the minute");
    }

    #[test]
    fn without_pressure_no_moment_is_calm() {
        let mut pressure = after(&[0; 11]);
        pressure.look(Duration::from_secs(66), None);
        assert_eq!((pressure.moment(), pressure.lately()), (Moment::Unmeasured, None));
        pressure.look(Duration::from_secs(72), Some(Duration::ZERO));
        assert_eq!(pressure.moment(), Moment::New);
    }
}
