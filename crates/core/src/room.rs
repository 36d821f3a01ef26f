//! What the host allows in this tick, shared out among the cgroups in turn.

use std::time::Duration;

use crate::{
    decision::Reason,
    history::MINUTE,
    observation::HostObservation,
    policy::Budgets,
    scan_pressure::{Guard, Seen},
    shortage::Outlook,
    units::Bytes,
};

/// The kernel reclaims in batches of 32 pages (SWAP_CLUSTER_MAX): less is not asked for, and room for less is
/// none.
pub(crate) const BATCH: Bytes = Bytes::kib(128);

/// The burst that the swap-out budget allows: it is meant per second.
const BURST: Duration = Duration::from_secs(10);

/// The host's counters at the last tick, for rates.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostHistory {
    distress: Vec<Distress>,
    guard: Guard,
    outlook: Outlook,
    /// Swap-out that may still be asked for; fills at the budget's rate up to one minute's worth.
    swap_out_credit: Option<Bytes>,
    last: Option<Duration>,
}

/// The counters of direct reclaim at one tick.
#[derive(Debug, Clone, Copy)]
struct Distress {
    at: Duration,
    reclaimed: Bytes,
    stalls: Option<u64>,
}

/// What is left of the host's room while a tick goes over its cgroups.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// Lowtide only watches.
    pub(crate) only_watch: Option<Reason>,
    /// No anonymous memory may go, and what is on its way is stopped.
    pub(crate) under_scan_pressure: bool,
    /// What the host will be short of within a minute, and nobody was asked for yet.
    pub(crate) missing: Bytes,
    /// No anonymous memory may go, from any cgroup.
    anonymous: Result<Bytes, Reason>,
    swap_out_credit: Bytes,
    /// What slower nodes may still take; `None` where nothing is demoted.
    slow: Option<Bytes>,
}

impl HostHistory {
    pub(crate) fn observe(&mut self, host: &HostObservation, budgets: &Budgets, now: Duration) -> Room {
        let seen = Seen { zones: &host.zones, stalls: host.allocation_stalls, kswapd: host.kswapd };
        let under_scan_pressure = self.guard.observe(seen, budgets.watermark_distance, now);
        Room {
            only_watch: self.direct_reclaim_too_high(host, budgets, now).then_some(Reason::DirectReclaim),
            under_scan_pressure,
            missing: self.outlook.observe(host, now),
            anonymous: anonymous_room(host, budgets, under_scan_pressure),
            swap_out_credit: self.refill(budgets, now),
            slow: host.slow_nodes().map(|nodes| nodes.free - nodes.total.scale(budgets.swap_reserve)),
        }
    }

    /// Takes back what the tick did not grant.
    pub(crate) fn settle(&mut self, room: &Room) {
        self.swap_out_credit = Some(room.swap_out_credit);
    }

    /// A tick may ask for what came in since the last one, at least for [`BURST`], and never for an hour's
    /// worth after an hour's sleep.
    fn refill(&mut self, budgets: &Budgets, now: Duration) -> Bytes {
        let elapsed = self.last.map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.last = Some(now);
        let full = budgets.swap_out.over(BURST.max(elapsed).min(MINUTE));
        self.swap_out_credit.map_or(full, |credit| full.min(credit + budgets.swap_out.over(elapsed)))
    }

    /// Over the last minute, from the cumulative counter.
    fn direct_reclaim_too_high(&mut self, host: &HostObservation, budgets: &Budgets, now: Duration) -> bool {
        let Some(reclaimed) = host.direct_reclaim else { return false };
        let latest = Distress { at: now, reclaimed, stalls: host.allocation_stalls };
        self.distress.push(latest);
        let minute_ago = now.saturating_sub(MINUTE);
        let old = self.distress.iter().take_while(|sample| sample.at <= minute_ago).count();
        self.distress.drain(..old.saturating_sub(1));
        let first = self.distress[0];
        let span = now.saturating_sub(first.at);
        // A tenant at its own memory.max reclaims directly, too; only the stalls say that the host is short.
        let host_is_short = latest.stalls.zip(first.stalls).is_none_or(|(now, then)| now > then);
        let much = reclaimed - first.reclaimed > budgets.direct_reclaim.over(span);
        !span.is_zero() && much && host_is_short
    }
}

/// Uncompressed bytes of anonymous memory that swap may still take.
fn anonymous_room(
    host: &HostObservation,
    budgets: &Budgets,
    under_scan_pressure: bool,
) -> Result<Bytes, Reason> {
    let swap = host.swap().ok_or(Reason::NoSwap)?;
    let room = swap.free - swap.total.scale(budgets.swap_reserve);
    if room < BATCH {
        return Err(Reason::SwapReserve);
    }
    if under_scan_pressure {
        return Err(Reason::ScanPressure);
    }
    let needed = host.low_watermark.unwrap_or_default() + host.total.scale(budgets.watermark_distance);
    if host.free < needed { Err(Reason::LowWatermark) } else { Ok(room) }
}

impl Room {
    /// How much anonymous memory may go now, and what bounds it; or why none may.
    pub(crate) fn for_anonymous(&self) -> Result<(Bytes, Reason), Reason> {
        let room = self.anonymous?;
        if self.swap_out_credit < BATCH {
            return Err(Reason::SwapOut);
        }
        let bounds = [(room, Reason::SwapReserve), (self.swap_out_credit, Reason::SwapOut)];
        Ok(if bounds[0].0 <= bounds[1].0 { bounds[0] } else { bounds[1] })
    }

    /// How much may go to slower nodes now; `None` where nothing is demoted.
    pub(crate) const fn for_demotion(&self) -> Option<Bytes> {
        self.slow
    }

    /// `amount` on slower nodes was promised to one cgroup.
    pub(crate) fn take_slow(&mut self, amount: Bytes) {
        self.slow = self.slow.map(|left| left - amount);
    }

    /// `amount` of memory was promised to one cgroup and is no longer there for the next.
    pub(crate) fn take(&mut self, amount: Bytes) {
        self.swap_out_credit = self.swap_out_credit - amount;
        self.reserve(amount);
    }

    /// `amount` was swapped out that nobody had asked for.
    pub(crate) fn spend(&mut self, amount: Bytes) {
        self.swap_out_credit = self.swap_out_credit - amount;
    }

    /// `amount` was promised at an earlier tick, which paid for it, and is still on its way into swap.
    pub(crate) fn reserve(&mut self, amount: Bytes) {
        if amount.is_zero() {
            return;
        }
        self.anonymous = self.anonymous.and_then(|room| {
            let left = room - amount;
            if left < BATCH { Err(Reason::SwapReserve) } else { Ok(left) }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tier::{Tier, TierKind},
        units::{ByteRate, Ratio},
    };

    fn host(used_mib: u64) -> HostObservation {
        let tier = Tier {
            kind: TierKind::Disk,
            device: "/dev/vdb".into(),
            priority: Some(-2),
            capacity: Bytes::mib(1000),
            used: Bytes::mib(used_mib),
            stored: Bytes::mib(used_mib),
            resident: Bytes::ZERO,
            resident_limit: None,
            above: None,
        };
        HostObservation {
            total: Bytes::mib(8000),
            free: Bytes::mib(4000),
            tiers: vec![tier],
            ..Default::default()
        }
    }

    fn room(host: &HostObservation) -> Result<(Bytes, Reason), Reason> {
        HostHistory::default().observe(host, &Budgets::default(), Duration::ZERO).for_anonymous()
    }

    #[test]
    fn no_swap_and_full_swap_have_their_reasons() {
        assert_eq!(room(&HostObservation { tiers: vec![], ..host(0) }), Err(Reason::NoSwap));
        assert_eq!(room(&host(900)), Err(Reason::SwapReserve));
        assert_eq!(room(&host(899)), Ok((Bytes::mib(1), Reason::SwapReserve)));
        assert_eq!(room(&host(0)), Ok((Bytes::mib(640), Reason::SwapOut)));
    }

    #[test]
    fn a_host_short_of_memory_keeps_its_anonymous_pages() {
        let short = HostObservation { free: Bytes::mib(20), low_watermark: Some(Bytes::mib(20)), ..host(0) };
        assert_eq!(room(&short), Err(Reason::LowWatermark));
    }

    #[test]
    fn what_one_cgroup_is_promised_is_gone_for_the_next() {
        let mut room = HostHistory::default().observe(&host(890), &Budgets::default(), Duration::ZERO);
        room.take(Bytes::mib(10));
        assert_eq!(room.for_anonymous(), Err(Reason::SwapReserve));
    }

    #[test]
    fn swap_out_is_paced() {
        let budgets = Budgets { swap_out: ByteRate::per_second(Bytes::mib(1)), ..Budgets::default() };
        let mut history = HostHistory::default();
        let mut first = history.observe(&host(0), &budgets, Duration::ZERO);
        first.take(Bytes::mib(10));
        assert_eq!(first.for_anonymous(), Err(Reason::SwapOut));
        history.settle(&first);
        let later = history.observe(&host(0), &budgets, Duration::from_secs(2));
        assert_eq!(later.for_anonymous(), Ok((Bytes::mib(2), Reason::SwapOut)));
    }

    #[test]
    fn direct_reclaim_over_the_last_minute_makes_lowtide_watch() {
        let mut history = HostHistory::default();
        let mut watch = |second: u64, mib: u64| {
            let host = HostObservation { direct_reclaim: Some(Bytes::mib(mib)), ..host(0) };
            history.observe(&host, &Budgets::default(), Duration::from_secs(second)).only_watch
        };
        assert_eq!(watch(0, 1_000), None);
        assert_eq!(watch(10, 1_005), None);
        assert_eq!(watch(20, 1_030), Some(Reason::DirectReclaim));
        assert_eq!(watch(70, 1_030), None);
        assert_eq!(watch(140, 1_030), None);
    }

    #[test]
    fn direct_reclaim_of_a_tenant_at_its_own_limit_is_its_own_affair() {
        let mut history = HostHistory::default();
        let mut watch = |second: u64, mib: u64, stalls| {
            let (direct_reclaim, allocation_stalls) = (Some(Bytes::mib(mib)), Some(stalls));
            let host = HostObservation { direct_reclaim, allocation_stalls, ..host(0) };
            history.observe(&host, &Budgets::default(), Duration::from_secs(second)).only_watch
        };
        assert_eq!(watch(0, 0, 7), None);
        assert_eq!(watch(10, 500, 7), None);
        assert_eq!(watch(20, 1_000, 8), Some(Reason::DirectReclaim));
    }

    #[test]
    fn no_reserve_leaves_all_of_swap() {
        let budgets = Budgets { swap_reserve: Ratio::ZERO, ..Budgets::default() };
        assert_eq!(anonymous_room(&host(999), &budgets, false), Ok(Bytes::mib(1)));
    }
}
