use std::time::Duration;

use super::*;
use crate::history::Sample;

const SLO: Slo = Slo {
    slowdown: Ratio::percent(1.0),
    memory_pressure: Ratio::percent(1.0),
    io_pressure: Ratio::percent(2.0),
    promotion_rate: Some(Ratio::percent(1.0)),
};
const USUAL: Usual = Usual { io_pressure: Ratio::ZERO, working_set: Bytes::mib(1000) };

fn sample(second: u64, memory_ms: u64, io_ms: u64) -> Sample {
    Sample {
        at: Duration::from_secs(second),
        memory_stall: Some(Duration::from_millis(memory_ms)),
        io_stall: Some(Duration::from_millis(io_ms)),
        ..Sample::default()
    }
}

fn of(samples: &[Sample], usual: Usual, slo: &Slo) -> Harm {
    let mut history = History::default();
    for sample in samples {
        history.push(*sample);
    }
    assess(&history, usual, slo)
}

fn seen(samples: &[Sample]) -> Harm {
    of(samples, USUAL, &SLO)
}

#[test]
fn no_harm_is_full_headroom() {
    let harm = seen(&[sample(0, 5, 5), sample(10, 5, 5)]);
    assert_eq!((harm.broken, harm.caused, harm.headroom), (None, false, Ratio::ONE));
}

#[test]
fn each_part_is_named_when_it_breaks() {
    let base = sample(10, 0, 0);
    for (after, reason) in [
        (sample(10, 101, 0), Reason::MemoryPressure),
        (sample(10, 0, 201), Reason::IoPressure),
        (Sample { promoted: Bytes::mib(11), ..base }, Reason::PromotionRate),
        // What PSI does not see.
        (Sample { swap_in_stall: Duration::from_millis(101), ..base }, Reason::MemoryPressure),
        (Sample { refault_stall: Duration::from_millis(201), ..base }, Reason::IoPressure),
    ] {
        let harm = seen(&[sample(0, 0, 0), after]);
        assert_eq!((harm.broken, harm.headroom), (Some(reason), Ratio::ZERO), "{after:?}");
    }
}

#[test]
fn traffic_without_stall_is_no_harm_unless_a_bound_is_set() {
    let back = Sample { promoted: Bytes::mib(500), ..sample(10, 0, 0) };
    let unbound = Slo { promotion_rate: None, ..SLO };
    let harm = of(&[sample(0, 0, 0), back], USUAL, &unbound);
    assert_eq!((harm.broken, harm.headroom), (None, Ratio::ONE));
    assert_eq!(harm.rates.promotion_rate, Ratio::percent(50.0), "it is still told");
}

#[test]
fn the_greater_of_pressure_and_cost_counts_and_not_their_sum() {
    let both = Sample { swap_in_stall: Duration::from_millis(30), ..sample(10, 50, 0) };
    assert_eq!(seen(&[sample(0, 0, 0), both]).headroom, Ratio::new(0.5));
}

#[test]
fn the_stall_on_io_that_a_tenant_always_had_is_its_own() {
    let samples = [sample(0, 0, 0), sample(60, 0, 3_000)];
    let usual = Usual { io_pressure: Ratio::percent(4.0), ..USUAL };
    let harm = of(&samples, usual, &SLO);
    assert!(harm.broken.is_none() && (harm.headroom.get() - 0.5).abs() < 1e-9, "{harm:?}");
    assert_eq!(harm.rates.usual_io_pressure, Ratio::percent(4.0));
    assert_eq!(seen(&samples).broken, Some(Reason::IoPressure), "without it the same is a breach");
}

#[test]
fn a_breach_is_caused_by_who_acted_or_by_what_came_back() {
    let breach = sample(10, 500, 0);
    assert!(!seen(&[sample(0, 0, 0), breach]).caused, "the tenant itself");
    let acted = Sample { reclaimed: Bytes::mib(1), ..breach };
    assert!(seen(&[sample(0, 0, 0), acted]).caused);
    let returns = Sample { swap_in_stall: Duration::from_millis(60), ..breach };
    assert!(seen(&[sample(0, 0, 0), returns]).caused);
}

#[test]
fn the_minute_remembers_what_the_last_seconds_do_not() {
    let samples = [(0, 0), (5, 700), (30, 700), (50, 700), (60, 700)];
    let harm = seen(&samples.map(|(second, stalled)| sample(second, stalled, 0)));
    assert_eq!(harm.rates.memory_pressure, Some(Ratio::ZERO));
    assert_eq!(harm.broken, Some(Reason::MemoryPressure));
}

#[test]
fn headroom_is_the_worst_part() {
    let harm = seen(&[sample(0, 0, 0), sample(10, 25, 100)]);
    assert_eq!((harm.broken, harm.headroom), (None, Ratio::new(0.5)));
}
