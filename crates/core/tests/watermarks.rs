//! The law of the watermarks: its reasons one by one, what always holds, and an hour of a host in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use lowtide_core::{
    Bytes, Ratio,
    watermarks::{Controller, Decision, Factor, Marks, Reason, Seen, Settings, Zone, loss},
};
use proptest::prelude::*;

const EVERY: Duration = Duration::from_secs(6);

fn factor(number: u16) -> Factor {
    Factor::new(number).unwrap()
}

fn settings() -> Settings {
    Settings { available_loss: Ratio::percent(100.0), ..Settings::default() }
}

/// A host of a GiB, half of it page cache, with a kswapd that has slept so far.
fn host() -> Seen {
    let managed = Bytes::mib(1024);
    Seen {
        total: managed,
        zones: vec![Zone { managed, free: Bytes::mib(300), min: Bytes::mib(4) }],
        file: Bytes::mib(512),
        slab: Bytes::mib(16),
        kswapds: 1,
        kswapd_cpu: Some(Duration::ZERO),
        ..Seen::default()
    }
}

/// A host that is looked at, with the factor that was decided last.
struct Watched {
    controller: Controller,
    seen: Seen,
    factor: Factor,
    settings: Settings,
    now: Duration,
}

impl Watched {
    fn new() -> Self {
        let (controller, seen) = (Controller::default(), host());
        let mut watched =
            Self { controller, seen, factor: Factor::LEAST, settings: settings(), now: Duration::ZERO };
        assert_eq!(watched.look().reason, Reason::FirstLook);
        watched
    }

    fn look(&mut self) -> Decision {
        let decision =
            self.controller.decide(&self.seen, self.factor, Factor::LEAST, &self.settings, self.now);
        self.factor = decision.to;
        self.now += EVERY;
        decision
    }

    /// kswapd runs and gets what it looks at, and tasks reclaim for themselves so many times.
    fn stall(&mut self, stalls: u64) {
        self.seen.runs += 1;
        self.seen.scanned += Bytes::mib(2);
        self.seen.stolen += Bytes::mib(2);
        self.seen.allocation_stalls += stalls;
    }

    /// Looks for so long; the last decision.
    fn quiet(&mut self, time: Duration) -> Decision {
        let end = self.now + time;
        let mut last = self.look();
        while self.now <= end {
            last = self.look();
        }
        last
    }
}

#[test]
fn a_host_without_direct_reclaim_is_left_alone() {
    let mut host = Watched::new();
    for _ in 0..100 {
        host.stall(0);
        let decision = host.look();
        assert_eq!((decision.action(), decision.reason), ("hold", Reason::Enough));
    }
}

#[test]
fn direct_reclaim_raises_by_what_was_reclaimed() {
    let mut host = Watched::new();
    // 80 times 32 pages are 10 MiB: 97 ten-thousandths of a GiB.
    host.stall(80);
    let decision = host.look();
    assert_eq!((decision.to, decision.reason), (factor(10 + 97), Reason::DirectReclaim));
    let after = host.look();
    assert_eq!((after.action(), after.reason), ("hold", Reason::Protected), "what it was raised for is past");
    // One stall alone raises by half of what there is.
    host.stall(1);
    assert_eq!(host.look().to, factor(107 + 53));
}

#[test]
fn a_step_takes_no_more_than_a_quarter_of_what_can_be_reclaimed() {
    let mut host = Watched::new();
    host.stall(1 << 20);
    // 528 MiB of 1024: a quarter is 1289 ten-thousandths; the default limit is 1000.
    assert_eq!(host.look().to, factor(1000));
    let mut host = Watched::new();
    (host.seen.file, host.seen.slab) = (Bytes::mib(30), Bytes::mib(2));
    host.stall(1 << 20);
    assert_eq!(host.look().to, factor(10 + 78));
    (host.seen.file, host.seen.slab) = (Bytes::mib(2), Bytes::mib(1));
    host.stall(1);
    assert_eq!(host.look().reason, Reason::NothingReclaimable);
}

#[test]
fn stalls_from_before_kswapd_slept_are_forgotten_and_those_while_it_failed_are_not() {
    let mut host = Watched::new();
    host.seen.gave_up = true;
    host.stall(80);
    assert_eq!(host.look().reason, Reason::KswapdFailing);
    host.seen.gave_up = false;
    host.stall(0);
    assert_eq!(host.look().reason, Reason::DirectReclaim);

    let mut host = Watched::new();
    host.seen.gave_up = true;
    host.stall(80);
    host.look();
    host.look();
    host.seen.gave_up = false;
    assert_eq!(host.look().reason, Reason::Enough, "it slept from one look to the next");
}

#[test]
fn scanning_without_getting_anything_is_failing() {
    let mut host = Watched::new();
    host.stall(80);
    host.seen.stolen = Bytes::ZERO;
    assert_eq!(host.look().reason, Reason::KswapdFailing);
}

#[test]
fn it_stops_at_what_may_be_lost_and_comes_down_to_it() {
    let mut host = Watched::new();
    host.settings.available_loss = Ratio::percent(2.0);
    host.stall(1 << 20);
    let decision = host.look();
    assert_eq!((decision.to, decision.reason), (decision.figures.limit, Reason::DirectReclaim));
    // 2 % of 1024 MiB in four gaps: 5.12 MiB each, 50 ten-thousandths more than 10.
    assert_eq!(decision.to, factor(60));
    assert!(decision.figures.loss <= Bytes::mib(1024).scale(Ratio::percent(2.0)));
    host.stall(1);
    assert_eq!(host.look().reason, Reason::AtLimit);
    host.settings.available_loss = Ratio::percent(1.0);
    let decision = host.look();
    assert_eq!((decision.action(), decision.reason), ("lower", Reason::Limit));
}

#[test]
fn a_calm_host_gets_its_own_factor_back_in_four_protection_times() {
    let mut host = Watched::new();
    host.stall(800);
    let raised = host.look().to;
    let mut steps = Vec::new();
    let start = host.now;
    while host.factor > Factor::LEAST {
        let decision = host.look();
        if decision.action() == "lower" {
            assert_eq!(decision.reason, Reason::Calm);
            steps.push((host.now.saturating_sub(start), decision.from.get() - decision.to.get()));
        }
    }
    assert_eq!(steps.len(), 4);
    let above = f64::from(raised.get() - 10);
    assert!((f64::from(steps[0].1) / above - 0.25).abs() < 0.01, "{steps:?} from {raised}");
    assert!(steps[0].0 >= Duration::from_mins(5) && steps[3].0 < Duration::from_mins(21), "{steps:?}");
    assert_eq!(host.look().reason, Reason::Enough);
}

#[test]
fn a_kswapd_with_a_lot_to_do_keeps_its_head_start() {
    let mut host = Watched::new();
    host.stall(800);
    let raised = host.look().to;
    for _ in 0..200 {
        host.stall(0);
        host.seen.kswapd_cpu = host.seen.kswapd_cpu.map(|cpu| cpu + EVERY / 5);
        assert!(matches!(host.look().reason, Reason::Protected | Reason::KswapdBusy));
    }
    assert_eq!(host.factor, raised);
    // With little to do it begins to give it up.
    for _ in 0..200 {
        host.stall(0);
        host.seen.kswapd_cpu = host.seen.kswapd_cpu.map(|cpu| cpu + EVERY / 20);
        host.look();
    }
    assert!(host.factor < raised);
    assert_eq!(host.quiet(Duration::from_hours(1)).to, Factor::LEAST);
}

#[test]
fn a_kswapd_that_cannot_be_seen_is_busy_while_it_reclaims() {
    let mut host = Watched::new();
    host.seen.kswapd_cpu = None;
    host.stall(800);
    let raised = host.look().to;
    for _ in 0..200 {
        host.stall(0);
        host.look();
    }
    assert_eq!(host.factor, raised);
    assert_eq!(host.quiet(Duration::from_hours(1)).to, Factor::LEAST);
}

#[test]
fn memory_that_falls_faster_than_kswapd_was_seen_to_reclaim_is_met_in_time() {
    let mut host = Watched::new();
    // kswapd brought back 2 MiB in 6 s; then free memory falls by 40 MiB in each.
    host.stall(0);
    host.look();
    let mut decisions = Vec::new();
    while host.seen.zones[0].free > Bytes::mib(20) {
        host.seen.zones[0].free = host.seen.zones[0].free - Bytes::mib(40);
        decisions.push(host.look());
    }
    let raised = decisions.iter().find(|decision| decision.action() == "raise").unwrap();
    assert_eq!(raised.reason, Reason::Predicted);
    assert!(raised.figures.free > Marks::at(&host.seen.zones, raised.from).low, "before it is too late");
    assert_eq!(host.seen.allocation_stalls, 0);
}

#[test]
fn no_fall_is_met_that_kswapd_keeps_up_with() {
    let mut host = Watched::new();
    for _ in 0..20 {
        host.stall(0);
        host.seen.stolen += Bytes::mib(100);
        host.seen.zones[0].free = host.seen.zones[0].free - Bytes::mib(10);
        assert_eq!(host.look().reason, Reason::Enough);
    }
}

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
            prop_assert!(!what.gave_up || decision.action() == "hold");
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

/// A host of 512 MiB in steps of 10 ms: readers fill page cache, a service takes and gives back memory ten times a second.
struct Model {
    free: f64,
    file: f64,
    service: f64,
    kswapd_runs: bool,
    seen: Seen,
}

const STEP: f64 = 0.01;
const KSWAPD_PER_SECOND: f64 = 400.0;
const READ_PER_SECOND: f64 = 100.0;
const BURST: f64 = 24.0;
const LOAD: usize = 20 * 60 * 100;
const HOUR: usize = 60 * 60 * 100;

fn mib(count: f64) -> Bytes {
    Bytes::mib(1).scale(Ratio::new(count))
}

fn in_mib(bytes: Bytes) -> f64 {
    bytes.as_f64() / Bytes::mib(1).as_f64()
}

impl Model {
    fn new() -> Self {
        let mut seen = host();
        seen.total = Bytes::mib(512);
        seen.zones[0] = Zone { managed: Bytes::mib(512), free: Bytes::mib(200), min: Bytes::mib(3) };
        Self { free: 200.0, file: 200.0, service: 0.0, kswapd_runs: false, seen }
    }

    /// One step under a factor, `loaded` or idle.
    fn step(&mut self, at: usize, loaded: bool, factor: Factor) {
        let marks = Marks::at(&self.seen.zones, factor);
        if loaded {
            self.take(READ_PER_SECOND * STEP, marks);
            self.file += READ_PER_SECOND * STEP;
            if at.is_multiple_of(10) {
                self.free += self.service;
                self.service = 0.0;
            }
            // The burst takes half of the tenth of a second.
            if at % 10 < 5 {
                self.take(BURST / 5.0, marks);
                self.service += BURST / 5.0;
            }
        }
        self.kswapd(marks);
        self.seen.zones[0].free = mib(self.free);
        self.seen.file = mib(self.file);
    }

    /// Tasks get memory; what kswapd has not brought back in time they reclaim themselves.
    fn take(&mut self, mut count: f64, marks: Marks) {
        let above_min = self.free - in_mib(marks.min);
        if above_min < count {
            let missing = count - above_min.max(0.0);
            self.seen.allocation_stalls += mib(missing).get() / Bytes::pages(32).get() + 1;
            self.file -= missing;
            count -= missing;
        }
        self.free -= count;
    }

    fn kswapd(&mut self, marks: Marks) {
        if !self.kswapd_runs && self.free < in_mib(marks.low) {
            self.kswapd_runs = true;
            self.seen.runs += 1;
        }
        if self.kswapd_runs {
            let reclaimed = (KSWAPD_PER_SECOND * STEP).min(self.file);
            self.free += reclaimed;
            self.file -= reclaimed;
            self.seen.scanned += mib(reclaimed);
            self.seen.stolen += mib(reclaimed);
            self.seen.kswapd_cpu = self.seen.kswapd_cpu.map(|cpu| cpu + Duration::from_secs_f64(STEP));
            self.kswapd_runs = self.free < in_mib(marks.high);
        }
    }
}

/// What came of an hour.
struct Hour {
    stalls: u64,
    last: Factor,
    greatest_loss: Bytes,
}

/// Twenty minutes of load, forty of rest; without settings nobody looks after the factor.
fn hour(settings: Option<Settings>) -> Hour {
    let mut model = Model::new();
    let mut controller = Controller::default();
    let (mut factor, mut greatest_loss) = (Factor::LEAST, Bytes::ZERO);
    for at in 0..HOUR {
        if at.is_multiple_of(600)
            && let Some(settings) = &settings
        {
            let now = Duration::from_secs(u64::try_from(at / 100).unwrap());
            factor = controller.decide(&model.seen, factor, Factor::LEAST, settings, now).to;
            greatest_loss = greatest_loss.max(loss(&model.seen.zones, Factor::LEAST, factor));
        }
        model.step(at, at < LOAD, factor);
    }
    Hour { stalls: model.seen.allocation_stalls, last: factor, greatest_loss }
}

#[test]
fn over_an_hour_stalls_all_but_end_and_the_host_gets_its_factor_back() {
    let without = hour(None);
    assert!(without.stalls > 100_000, "{} stalls without anybody looking after it", without.stalls);
    let share = Ratio::percent(20.0);
    let with = hour(Some(Settings { available_loss: share, ..Settings::default() }));
    assert!(with.stalls * 20 <= without.stalls, "{} of {} stalls are left", with.stalls, without.stalls);
    assert_eq!(with.last, Factor::LEAST);
    assert!(with.greatest_loss <= Bytes::mib(512).scale(share), "{} lost", with.greatest_loss);
}
