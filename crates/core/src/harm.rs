//! Pressure says when to stop: how near a cgroup is to its SLO, and which part of it is broken.

use crate::{
    decision::{Figures, Reason},
    history::{History, MINUTE, SHORT},
    policy::Slo,
    units::{Bytes, Ratio},
};

/// How a cgroup stands against its SLO.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Harm {
    /// The part of the SLO that is broken, if any.
    pub(crate) broken: Option<Reason>,
    /// Distance to the nearest part of the SLO: one without any harm, zero at the SLO.
    pub(crate) headroom: Ratio,
}

/// Compares the last seconds and the last minute with the SLO; the rates go into `figures`. Promotions are shares of
/// `working_set`.
///
/// Both windows count, as in oomd's Senpai (`max(avg10, avg60)`), but from totals: the short one so that a sudden
/// rise stops at once, the minute because that is what the SLO promises.
pub(crate) fn assess(history: &History, working_set: Bytes, slo: &Slo, figures: &mut Figures) -> Harm {
    let mut uses = [(Ratio::ZERO, Reason::MemoryPressure); 3];
    uses[1].1 = Reason::IoPressure;
    uses[2].1 = Reason::PromotionRate;
    for window in [history.window(SHORT), history.window(MINUTE)].into_iter().flatten() {
        let of_slo = |pressure: Option<Ratio>, slo: Ratio| pressure.unwrap_or_default().over(slo);
        raise(&mut uses[0].0, of_slo(window.memory_pressure(), slo.memory_pressure));
        raise(&mut uses[1].0, of_slo(window.io_pressure(), slo.io_pressure));
    }
    if let Some(short) = history.window(SHORT) {
        figures.memory_pressure = short.memory_pressure();
        figures.io_pressure = short.io_pressure();
    }
    if let Some(minute) = history.window(MINUTE) {
        figures.memory_pressure_minute = minute.memory_pressure();
        // Pages per minute even while less than a minute was seen: a burst in the first seconds is no high rate.
        let minutes = Ratio::new(minute.span().max(MINUTE).as_secs_f64() / MINUTE.as_secs_f64());
        figures.promotion_rate = minute.promoted().share_of(working_set).over(minutes);
        raise(&mut uses[2].0, figures.promotion_rate.over(slo.promotion_rate));
    }
    verdict(&uses)
}

fn raise(worst: &mut Ratio, candidate: Ratio) {
    if candidate > *worst {
        *worst = candidate;
    }
}

/// The first part over its SLO names the breach; the worst part sets the headroom.
fn verdict(uses: &[(Ratio, Reason)]) -> Harm {
    let broken = uses.iter().find(|(used, _)| *used > Ratio::ONE).map(|(_, reason)| *reason);
    let worst = uses.iter().fold(Ratio::ZERO, |worst, (used, _)| if *used > worst { *used } else { worst });
    Harm { broken, headroom: worst.complement() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Sample;
    use std::time::Duration;

    fn seen(samples: &[(u64, u64, u64, u64)]) -> (Harm, Figures) {
        let mut history = History::default();
        for (second, memory_ms, io_ms, promoted) in samples.iter().copied() {
            history.push(Sample {
                at: Duration::from_secs(second),
                memory_stall: Some(Duration::from_millis(memory_ms)),
                io_stall: Some(Duration::from_millis(io_ms)),
                promoted: Bytes::mib(promoted),
                ..Sample::default()
            });
        }
        let slo = Slo {
            memory_pressure: Ratio::percent(1.0),
            io_pressure: Ratio::percent(2.0),
            promotion_rate: Ratio::percent(1.0),
        };
        let mut figures = Figures::default();
        (assess(&history, Bytes::mib(1000), &slo, &mut figures), figures)
    }

    #[test]
    fn no_harm_is_full_headroom() {
        let (harm, _) = seen(&[(0, 5, 5, 5), (10, 5, 5, 5)]);
        assert_eq!(harm, Harm { broken: None, headroom: Ratio::ONE });
    }

    #[test]
    fn each_part_is_named_when_it_breaks() {
        for (samples, reason) in [
            ([(0, 0, 0, 0), (10, 101, 0, 0)], Reason::MemoryPressure),
            ([(0, 0, 0, 0), (10, 0, 201, 0)], Reason::IoPressure),
            ([(0, 0, 0, 0), (10, 0, 0, 11)], Reason::PromotionRate),
        ] {
            assert_eq!(seen(&samples).0, Harm { broken: Some(reason), headroom: Ratio::ZERO });
        }
    }

    #[test]
    fn the_minute_remembers_what_the_last_seconds_do_not() {
        let (harm, figures) =
            seen(&[(0, 0, 0, 0), (5, 700, 0, 0), (30, 700, 0, 0), (50, 700, 0, 0), (60, 700, 0, 0)]);
        assert_eq!(figures.memory_pressure, Some(Ratio::ZERO));
        assert_eq!(harm.broken, Some(Reason::MemoryPressure));
    }

    #[test]
    fn headroom_is_the_worst_part() {
        let (harm, _) = seen(&[(0, 0, 0, 0), (10, 25, 100, 0)]);
        assert_eq!(harm, Harm { broken: None, headroom: Ratio::new(0.5) });
    }
}
