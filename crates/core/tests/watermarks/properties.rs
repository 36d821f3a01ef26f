//! What holds whatever happens.

use std::time::Duration;

use lowtide_core::{
    Bytes, Ratio,
    watermarks::{Factor, Reason, Seen, loss},
};
use proptest::prelude::*;

use crate::{Watched, factor};

/// What happens from one look to the next.
#[derive(Debug, Clone)]
struct Happening {
    free: u64,
    file: u64,
    stalls: u64,
    scanned: u64,
    stolen: u64,
    cpu: u64,
    gave_up: bool,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let few = || prop_oneof![Just(0), 0..2000_u64];
    let one = (0..900_u64, 0..900_u64, few(), few(), few(), 0..6000_u64, prop::bool::weighted(0.1)).prop_map(
        |(free, file, stalls, scanned, stolen, cpu, gave_up)| Happening {
            free,
            file,
            stalls,
            scanned,
            stolen,
            cpu,
            gave_up,
        },
    );
    prop::collection::vec(one, 1..80)
}

fn happen(seen: &mut Seen, what: &Happening) {
    seen.zones[0].free = Bytes::mib(what.free);
    seen.file = Bytes::mib(what.file);
    seen.allocation_stalls += what.stalls;
    seen.scanned += Bytes::mib(what.scanned);
    seen.stolen += Bytes::mib(what.stolen);
    seen.runs += u64::from(what.scanned > 0);
    seen.kswapd_cpu = seen.kswapd_cpu.map(|cpu| cpu + Duration::from_millis(what.cpu));
    seen.gave_up = what.gave_up;
}

proptest! {
    #[test]
    fn whatever_happens_it_keeps_within_its_bounds_and_comes_back(
        happenings in happenings(), share in 0.0..100.0_f64, most in 10..3001_u16,
    ) {
        let mut host = Watched::new();
        host.settings.available_loss = Ratio::percent(share);
        host.settings.max_scale_factor = factor(most);
        let allowed = host.seen.total.scale(host.settings.available_loss);
        for what in &happenings {
            happen(&mut host.seen, what);
            let decision = host.look();
            prop_assert!(decision.to >= Factor::LEAST && decision.to <= factor(most).max(Factor::LEAST));
            prop_assert!(loss(&host.seen.zones, Factor::LEAST, decision.to) <= allowed);
            prop_assert!(!what.gave_up || decision.action() != "raise");
            prop_assert!(decision.reason != Reason::KswapdFailing || decision.action() == "hold");
        }
        host.seen.gave_up = false;
        prop_assert_eq!(host.quiet(Duration::from_hours(2)).to, Factor::LEAST);
    }

    #[test]
    fn more_stalls_never_raise_it_less(happenings in happenings(), few in 1..5000_u64, more in 0..5000_u64) {
        let after = |stalls| {
            let mut host = Watched::new();
            for what in &happenings {
                happen(&mut host.seen, what);
                host.look();
            }
            host.seen.gave_up = false;
            host.stall(stalls);
            host.look().to
        };
        prop_assert!(after(few) <= after(few + more));
    }
}
