//! Whether the host is about to run short of memory: what it uses up in the next minute is more than what can
//! be had without swapping.
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
/// MemAvailable and not MemFree: a host that has been up for a while has next to nothing free, and page cache
/// that streams through is had back without anybody's harm. The kernel has taken the watermarks off already
/// (`si_mem_available`, mm/show_mem.c).
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlook {
    available: Trend,
}

impl Outlook {
    /// What the host will be short of within a minute; nothing where memory is not used up, or where the
    /// kernel does not tell.
    pub(crate) fn observe(&mut self, host: &HostObservation, now: Duration) -> Bytes {
        let Some(available) = host.available else { return Bytes::ZERO };
        self.available.add(now, available);
        let needed = self.available.fall().unwrap_or_default() * AHEAD.as_secs_f64();
        Bytes::new(1).scale(Ratio::new(needed)) - available
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(available: Option<u64>) -> HostObservation {
        HostObservation { available: available.map(Bytes::mib), ..Default::default() }
    }

    /// At looks 6 s apart, in MiB.
    fn short_by(looks: &[u64]) -> Bytes {
        let mut outlook = Outlook::default();
        let seen = |(available, look): (&u64, u64)| {
            outlook.observe(&host(Some(*available)), Duration::from_secs(6 * look))
        };
        looks.iter().zip(0..).map(seen).last().unwrap_or_default()
    }

    #[test]
    fn what_is_used_up_in_a_minute_is_more_than_what_can_be_had() {
        // 5 MiB a second: 300 in a minute, and 200 can be had.
        let missing = short_by(&[290, 260, 230, 200]);
        assert!((missing.as_f64() / Bytes::mib(100).as_f64() - 1.0).abs() < 0.01, "{missing}");
    }

    #[test]
    fn as_long_as_there_is_enough_nothing_is_missing() {
        assert_eq!(short_by(&[900, 870, 840, 810]), Bytes::ZERO);
        assert_eq!(
            short_by(&[150_018, 150_012, 150_006, 150_000]),
            Bytes::ZERO,
            "little is free, much can be had"
        );
        assert_eq!(short_by(&[260, 230, 200]), Bytes::ZERO, "too few looks");
        assert_eq!(short_by(&[200, 230, 260, 290]), Bytes::ZERO);
    }

    /// As where a machine of 4 GiB starts, or the watermarks are raised.
    #[test]
    fn a_step_is_no_shortage_while_there_is_enough() {
        assert_eq!(short_by(&[150_000, 150_000, 150_000, 145_904, 145_904]), Bytes::ZERO);
    }

    #[test]
    fn a_kernel_that_does_not_tell_is_never_short() {
        let mut outlook = Outlook::default();
        for look in 0..8 {
            assert_eq!(outlook.observe(&host(None), Duration::from_secs(look)), Bytes::ZERO);
        }
    }
}
