//! Whether the host is about to run short of memory: what it uses up in the next minute is more than what is
//! free above the high watermarks.
//!
//! kswapd and then the allocating tasks would get it from whatever the kernel finds. Cold memory of tenants
//! is the better answer, as long as there is time: who has most of it is asked first, and harder.

use std::time::Duration;

use crate::{
    history::MINUTE,
    observation::HostObservation,
    trend::Trend,
    units::{Bytes, Ratio},
};

/// So far ahead is looked. A request of some hundred MiB takes seconds; a trend of a few looks says little of
/// what is further away.
const AHEAD: Duration = MINUTE;

/// Remembers where the host's memory goes.
///
/// MemAvailable and not MemFree: page cache that streams through fills what is free, and the kernel has it
/// back without anybody's harm.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlook {
    available: Trend,
}

impl Outlook {
    /// What the host will be short of within a minute; nothing where memory is not used up, or where the
    /// kernel does not tell.
    pub(crate) fn observe(&mut self, host: &HostObservation, now: Duration) -> Bytes {
        let Some(available) = host.available.filter(|_| !host.zones.is_empty()) else { return Bytes::ZERO };
        self.available.add(now, available);
        let free: Bytes = host.zones.iter().map(|zone| zone.free).sum();
        let high: Bytes = host.zones.iter().map(|zone| zone.high).sum();
        let needed = self.available.fall().unwrap_or_default() * AHEAD.as_secs_f64();
        Bytes::new(1).scale(Ratio::new(needed)) - (free - high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan_pressure::Zone;

    /// 1 GiB with its high watermark at 50 MiB; `free` and `available` in MiB.
    fn host(free: u64, available: u64) -> HostObservation {
        let zone = Zone {
            node: 0,
            managed: Bytes::mib(1000),
            free: Bytes::mib(free),
            low: Bytes::mib(40),
            high: Bytes::mib(50),
        };
        HostObservation {
            total: Bytes::mib(1024),
            available: Some(Bytes::mib(available)),
            zones: vec![zone],
            ..Default::default()
        }
    }

    /// At looks 6 s apart.
    fn short_by(looks: &[(u64, u64)]) -> Bytes {
        let mut outlook = Outlook::default();
        let shown = looks.iter().zip(0..).map(|((free, available), look)| {
            outlook.observe(&host(*free, *available), Duration::from_secs(6 * look))
        });
        shown.last().unwrap_or_default()
    }

    #[test]
    fn what_is_used_up_in_a_minute_is_more_than_what_is_free() {
        // 5 MiB a second: 300 in a minute, and 200 are free above the watermark.
        let missing = short_by(&[(340, 700), (310, 670), (280, 640), (250, 610)]);
        assert!((missing.as_f64() / Bytes::mib(100).as_f64() - 1.0).abs() < 0.01, "{missing}");
    }

    #[test]
    fn as_long_as_there_is_enough_nothing_is_missing() {
        assert_eq!(short_by(&[(790, 900), (760, 870), (730, 840), (700, 810)]), Bytes::ZERO);
        assert_eq!(short_by(&[(340, 700), (310, 670), (280, 640)]), Bytes::ZERO, "too few looks");
    }

    #[test]
    fn page_cache_that_fills_what_is_free_is_no_shortage() {
        assert_eq!(short_by(&[(340, 700), (250, 700), (160, 700), (60, 700)]), Bytes::ZERO);
    }

    #[test]
    fn a_kernel_that_does_not_tell_is_never_short() {
        let mut outlook = Outlook::default();
        for look in 0..8 {
            let host = HostObservation { available: None, ..host(60, 0) };
            assert_eq!(outlook.observe(&host, Duration::from_secs(look)), Bytes::ZERO);
            let host = HostObservation { zones: Vec::new(), ..self::host(60, 500 - look) };
            assert_eq!(outlook.observe(&host, Duration::from_secs(look)), Bytes::ZERO);
        }
    }
}
