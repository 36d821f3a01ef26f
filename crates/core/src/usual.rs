//! What a cgroup stalls on I/O by itself: what it did before lowtide acted, and never more than it does now.

use std::time::Duration;

use crate::{
    history::{History, MINUTE},
    units::Ratio,
};

/// So long after the last request what a tenant does is its own doing again.
const ALONE_AFTER: Duration = Duration::from_mins(10);

/// Of one cgroup.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UsualIo {
    pressure: Ratio,
    /// When something last left DRAM on request.
    acted: Option<Duration>,
}

impl UsualIo {
    /// Takes in the last minute. While lowtide acts it only falls: a tenant that has become quieter has less
    /// to itself.
    pub(crate) fn observe(&mut self, history: &History, now: Duration) {
        let Some(minute) = history.window(MINUTE).filter(|minute| minute.span() >= MINUTE) else { return };
        if !minute.reclaimed().is_zero() {
            self.acted = Some(now);
        }
        let Some(pressure) = minute.io_pressure() else { return };
        let alone = self.acted.is_none_or(|acted| now.saturating_sub(acted) > ALONE_AFTER);
        if alone || pressure < self.pressure {
            self.pressure = pressure;
        }
    }

    /// Share of time in which some task stalled on I/O.
    pub(crate) const fn pressure(&self) -> Ratio {
        self.pressure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::Sample, units::Bytes};

    /// One sample a second: the share of it that was stalled, and whether something left on request.
    fn after(seconds: &[(u64, f64, bool)]) -> Vec<f64> {
        let (mut usual, mut history, mut sample) =
            (UsualIo::default(), History::default(), Sample::default());
        let mut stalled = Duration::ZERO;
        let mut seen = Vec::new();
        for (count, share, acts) in seconds {
            for _ in 0..*count {
                stalled += Duration::from_secs_f64(*share);
                sample.at += Duration::from_secs(1);
                sample.io_stall = Some(stalled);
                sample.reclaimed += if *acts { Bytes::mib(1) } else { Bytes::ZERO };
                history.push(sample);
                usual.observe(&history, sample.at);
            }
            seen.push((usual.pressure().get() * 1000.0).round() / 1000.0);
        }
        seen
    }

    #[test]
    fn it_follows_the_tenant_while_lowtide_does_nothing() {
        assert_eq!(after(&[(30, 0.04, false), (60, 0.04, false), (120, 0.1, false)]), [0.0, 0.04, 0.1]);
    }

    #[test]
    fn while_lowtide_acts_it_only_falls() {
        assert_eq!(after(&[(90, 0.04, false), (120, 0.5, true), (120, 0.01, true)]), [0.04, 0.04, 0.01]);
    }

    #[test]
    fn long_after_the_last_request_it_follows_again() {
        assert_eq!(after(&[(90, 0.04, false), (60, 0.04, true), (800, 0.2, false)]), [0.04, 0.04, 0.2]);
    }
}
