//! Harm is the tenant's own time lost: how near a cgroup is to its SLO, and which part of it is broken.
//!
//! PSI tells it where it sees it. It does not see all: a fault counts as a stall on memory only if the page
//! belonged to the working set (6.12; with the classic LRU of 6.1 the same faults came to nothing), zram
//! answers without a wait for I/O, and a fast disk hardly lets one be seen. So what came back is counted too,
//! at the measured cost of its tier or device, and the greater of the two is the harm. Traffic is none: a
//! data set with a long tail always has something faulted back.

use crate::{
    decision::Reason,
    history::{History, MINUTE, SHORT, Window},
    policy::Slo,
    units::{Bytes, Ratio},
};

/// How a cgroup stands against its SLO.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Harm {
    /// The part of the SLO that is broken, if any.
    pub(crate) broken: Option<Reason>,
    /// Whether lowtide can have caused it: something left DRAM on its request within the minute, or the cost
    /// of what came back is a good part of the SLO.
    pub(crate) caused: bool,
    /// Distance to the nearest part of the SLO: one without any harm, zero at the SLO.
    pub(crate) headroom: Ratio,
    /// What it was judged by.
    pub(crate) rates: HarmRates,
}

/// What a cgroup stalls, and what comes back to it; under the names that [`Figures`](crate::Figures) has for
/// them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct HarmRates {
    pub(crate) memory_pressure: Option<Ratio>,
    pub(crate) memory_pressure_minute: Option<Ratio>,
    pub(crate) io_pressure: Option<Ratio>,
    pub(crate) usual_io_pressure: Ratio,
    pub(crate) swap_in_stall: Ratio,
    pub(crate) refault_stall: Ratio,
    pub(crate) promotion_rate: Ratio,
}

/// Returns whose cost is more than this share of the SLO are a part in breaking it.
const A_PART: Ratio = Ratio::percent(50.0);

/// What is known of a cgroup beside its history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usual {
    /// Stall on I/O that it had before lowtide acted.
    pub(crate) io_pressure: Ratio,
    /// What promotion rates are shares of.
    pub(crate) working_set: Bytes,
}

/// The parts of an SLO that were used, by one measure: above one it is broken.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    memory: Ratio,
    io: Ratio,
    promotion: Ratio,
    /// By the cost of what came back alone.
    returns: Ratio,
}

/// Compares the last seconds and the last minute with the SLO.
///
/// Both windows count, as in oomd's Senpai (`max(avg10, avg60)`), but from totals: the short one so that a
/// sudden rise stops at once, the minute because that is what the SLO promises.
pub(crate) fn assess(history: &History, usual: Usual, slo: &Slo) -> Harm {
    let (short, minute) = (history.window(SHORT), history.window(MINUTE));
    let mut used = Used::default();
    for window in [short, minute].into_iter().flatten() {
        used = used.or_worse(of_window(&window, usual, slo));
    }
    let mut rates = HarmRates { usual_io_pressure: usual.io_pressure, ..HarmRates::default() };
    if let Some(short) = short {
        rates.memory_pressure = short.memory_pressure();
        rates.io_pressure = short.io_pressure();
    }
    let mut acted = false;
    if let Some(minute) = minute {
        rates.memory_pressure_minute = minute.memory_pressure();
        rates.swap_in_stall = minute.swap_in_stall();
        rates.refault_stall = minute.refault_stall();
        rates.promotion_rate = promotion_rate(&minute, usual.working_set);
        let allowed = slo.promotion_rate.unwrap_or_default();
        used.promotion = rates.promotion_rate.over(allowed);
        acted = !minute.reclaimed().is_zero();
    }
    used.verdict(acted, rates)
}

fn of_window(window: &Window, usual: Usual, slo: &Slo) -> Used {
    let (swap_in, refault) = (window.swap_in_stall(), window.refault_stall());
    let memory = greater(window.memory_pressure().unwrap_or_default(), swap_in);
    let io = window.io_pressure().unwrap_or_default().get() - usual.io_pressure.get();
    let io = greater(Ratio::new(io), refault);
    let returns = greater(swap_in.over(slo.memory_pressure), refault.over(slo.io_pressure));
    Used {
        memory: memory.over(slo.memory_pressure),
        io: io.over(slo.io_pressure),
        promotion: Ratio::ZERO,
        returns,
    }
}

/// Pages per minute even while less than a minute was seen: a burst in the first seconds is no high rate.
fn promotion_rate(minute: &Window, working_set: Bytes) -> Ratio {
    let minutes = Ratio::new(minute.span().max(MINUTE).as_secs_f64() / MINUTE.as_secs_f64());
    minute.promoted().share_of(working_set).over(minutes)
}

fn greater(a: Ratio, b: Ratio) -> Ratio {
    if b > a { b } else { a }
}

impl Used {
    fn or_worse(self, other: Self) -> Self {
        Self {
            memory: greater(self.memory, other.memory),
            io: greater(self.io, other.io),
            promotion: greater(self.promotion, other.promotion),
            returns: greater(self.returns, other.returns),
        }
    }

    /// The first part over its SLO names the breach; the worst part sets the headroom.
    fn verdict(self, acted: bool, rates: HarmRates) -> Harm {
        let parts = [
            (self.memory, Reason::MemoryPressure),
            (self.io, Reason::IoPressure),
            (self.promotion, Reason::PromotionRate),
        ];
        let broken = parts.iter().find(|(used, _)| *used > Ratio::ONE).map(|(_, reason)| *reason);
        let worst = parts.iter().fold(Ratio::ZERO, |worst, (used, _)| greater(worst, *used));
        Harm { broken, caused: acted || self.returns > A_PART, headroom: worst.complement(), rates }
    }
}

#[cfg(test)]
#[path = "harm_tests.rs"]
mod tests;
