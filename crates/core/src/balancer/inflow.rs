use std::{collections::VecDeque, time::Duration};

use crate::units::Bytes;

/// Scans over which the rate is taken: long enough that one burst is no trend, short enough to be in time.
const SCANS: u32 = 3;
/// Looks that are kept: with more than one a scan, the oldest go first.
const KEPT: usize = 32;

/// How fast a store fills.
#[derive(Debug, Clone, Default)]
pub(super) struct Inflow {
    looks: VecDeque<Look>,
}

/// The measure of the fill at one moment, with all that sinking has taken from it added back.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Duration,
    level: Bytes,
    sunk: Bytes,
}

impl Inflow {
    /// Takes in a look: the measure of the fill, and what sinking has lowered it by since the start.
    pub(super) fn seen(&mut self, at: Duration, level: Bytes, sunk: Bytes, scan_interval: Duration) {
        // A device that was set up anew.
        if self.looks.back().is_some_and(|last| last.sunk > sunk) {
            self.looks.clear();
        }
        self.looks.push_back(Look { at, level, sunk });
        let from = at.saturating_sub(scan_interval * SCANS);
        while self.looks.len() > KEPT || self.looks.get(1).is_some_and(|second| second.at <= from) {
            self.looks.pop_front();
        }
    }

    /// Bytes of the measure that come in a second; nothing if it falls by itself, or was looked at once.
    pub(super) fn per_second(&self) -> f64 {
        let (Some(first), Some(last)) = (self.looks.front(), self.looks.back()) else { return 0.0 };
        let span = last.at.saturating_sub(first.at).as_secs_f64();
        let came = (last.level + (last.sunk - first.sunk)) - first.level;
        if span > 0.0 { came.as_f64() / span } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_sank_meanwhile_came_too() {
        let mut inflow = Inflow::default();
        assert!(inflow.per_second().abs() < f64::EPSILON);
        inflow.seen(at(0), Bytes::mib(50), Bytes::ZERO, SCAN);
        inflow.seen(at(10), Bytes::mib(45), Bytes::mib(15), SCAN);
        assert!((inflow.per_second() - Bytes::mib(1).as_f64()).abs() < 1.0);
    }

    #[test]
    fn a_store_that_empties_has_no_inflow_and_an_old_burst_is_forgotten() {
        let mut inflow = Inflow::default();
        inflow.seen(at(0), Bytes::ZERO, Bytes::ZERO, SCAN);
        inflow.seen(at(10), Bytes::mib(100), Bytes::ZERO, SCAN);
        assert!(inflow.per_second() > 1e7);
        for scan in 2..8 {
            inflow.seen(at(scan * 10), Bytes::mib(100 - scan), Bytes::ZERO, SCAN);
        }
        assert!(inflow.per_second().abs() < f64::EPSILON);
    }

    #[test]
    fn a_device_set_up_anew_starts_from_nothing() {
        let mut inflow = Inflow::default();
        inflow.seen(at(0), Bytes::mib(1), Bytes::mib(900), SCAN);
        inflow.seen(at(10), Bytes::mib(1), Bytes::ZERO, SCAN);
        assert!(inflow.per_second().abs() < f64::EPSILON);
    }
}
