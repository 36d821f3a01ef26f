use std::time::Duration;

use super::Reason;

/// A page is merged when it is met a second time with the same content (`cmp_and_merge_page`, mm/ksm.c): the
/// first scan gives nothing, and one may have begun before KSM was switched on.
const SCANS: u64 = 3;
/// The advisor wants a scan to take 200 s (`ksm_advisor_target_scan_time`, mm/ksm.c, from 6.8 on).
const TRIAL: Duration = Duration::from_mins(10);

/// What the kernel told at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KsmSeen {
    /// Bytes merged, less those that its records take (`general_profit`).
    pub profit: i64,
    /// How often ksmd went over all memory that was offered to it. Where nothing is, it makes no scan and
    /// costs nothing.
    pub full_scans: u64,
}

/// What is decided at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Merging {
    /// Why.
    pub reason: Reason,
    /// Whether KSM shall run with its advisor; else it has what it was found with.
    pub on: bool,
    /// Bytes merged, less those that its records take.
    pub profit: i64,
    /// What that was when it was switched on.
    pub profit_before: i64,
    /// Scans since then.
    pub scans: u64,
}

/// Whether KSM runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ksm {
    begun: Option<(Duration, KsmSeen)>,
    gave_up: bool,
}

impl Ksm {
    /// Whether it shall run.
    pub fn decide(&mut self, seen: KsmSeen, now: Duration) -> Merging {
        let (at, first) = *self.begun.get_or_insert((now, seen));
        let scans = seen.full_scans.saturating_sub(first.full_scans);
        let was_tried = scans >= SCANS && now.saturating_sub(at) >= TRIAL;
        self.gave_up |= was_tried && seen.profit < 0;
        let reason = if self.gave_up { Reason::NoProfit } else { Reason::Merging };
        Merging { reason, on: !self.gave_up, profit: seen.profit, profit_before: first.profit, scans }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(minutes: u64, full_scans: u64, profit: i64) -> Merging {
        let mut law = Ksm::default();
        let first = law.decide(KsmSeen { profit: 7, full_scans: 100 }, Duration::ZERO);
        assert_eq!((first.on, first.reason), (true, Reason::Merging));
        law.decide(KsmSeen { profit, full_scans }, Duration::from_mins(minutes))
    }

    #[test]
    fn it_is_switched_off_where_it_was_tried_and_costs_more_than_it_gives() {
        let decided = after(10, 103, -1);
        assert_eq!((decided.on, decided.reason), (false, Reason::NoProfit));
        assert_eq!((decided.profit_before, decided.scans), (7, 3));
        for (minutes, scans, profit) in [(9, 103, -1), (10, 102, -1), (10, 103, 0), (600, 100, -1)] {
            assert!(after(minutes, scans, profit).on, "{minutes} {scans} {profit}");
        }
    }

    #[test]
    fn it_stays_off() {
        let mut law = Ksm { begun: None, gave_up: true };
        assert!(!law.decide(KsmSeen { profit: 1 << 30, full_scans: 9 }, Duration::from_hours(9)).on);
    }
}
