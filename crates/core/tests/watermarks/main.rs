//! The law of the watermarks: its reasons one by one, what always holds, and an hour of a host in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod law;
mod model;
mod properties;

use std::time::Duration;

use lowtide_core::{
    Bytes, Ratio,
    watermarks::{Controller, Decision, Factor, Reason, Seen, Settings, Zone},
};

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
