//! A tenant whose working set shifts every two minutes between two places, beside memory that nobody ever
//! touches: what is idle for two minutes is wanted again, and the loop has to find out.

use super::Scenario;
use super::curve::{CONFIG, Curve, PROMOTION_SLO, Program, watch};
use super::verdict::Verdict;
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use anyhow::Result;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "shift",
    about: "a working set of 40 MiB that shifts every two minutes to the other 40 MiB, and 80 MiB never: 720 s",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest: || watch("shift", &PROGRAMS, CONFIG, 720),
    judge,
};

/// The pauses let twelve minutes pass in two. As long as that because the cut that is learnt may be ten.
const PROGRAMS: [Program; 2] = [
    Program {
        name: "shifting",
        args: &["--hot", "40M", "--warm", "0", "--cold", "40M", "--shift-every", "120s", "--pause", "20ms"],
    },
    Program {
        name: "still",
        args: &["--hot", "1M", "--warm", "0", "--cold", "80M", "--burst", "64", "--pause", "20ms"],
    },
];
const STILL: u64 = 80 * MIB;

const SHIFT_EVERY: f64 = 120.0;
/// The second shift, and the time that the tenant needs to fault back what it then wants.
const LEARNT_AFTER: f64 = 2.0 * SHIFT_EVERY + 15.0;

fn judge(outcome: &Outcome) -> Result<()> {
    let curve = Curve::of(outcome)?;
    curve.print(|at| if at >= SHIFT_EVERY && at % SHIFT_EVERY < 10.0 { "  <- shift" } else { "" });
    let mut verdict = Verdict::default();
    let worst = curve.worst_minute(LEARNT_AFTER)?;
    verdict.expect(
        worst <= PROMOTION_SLO,
        format!(
            "after the second shift at most {:.2} % were faulted back in a minute (SLO {:.0} %)",
            worst * 100.0,
            PROMOTION_SLO * 100.0
        ),
    );
    let gone = mib(curve.last_truth("still")?.cold.gone()) / mib(STILL);
    verdict.expect(gone >= 0.5, format!("{:.0} % of what is never touched is gone at the end", gone * 100.0));
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
