//! An hour of a host in memory.

use std::time::Duration;

use lowtide_core::{
    Bytes, Ratio,
    watermarks::{Controller, Factor, Marks, Seen, Settings, Zone, loss},
};

use crate::host;

/// A host of 512 MiB in steps of 10 ms: readers fill page cache, a service takes and gives back memory ten
/// times a second.
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
