//! The worst case for a rule of age: memory that is touched again a little after it became old enough to go.

use super::Scenario;
use super::curve::{CONFIG, Curve, PROMOTION_SLO, Program, watch};
use super::verdict::Verdict;
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use anyhow::Result;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "worst_case",
    about: "60 MiB touched every 35 s under a cold_after of 30 s, beside 60 MiB never touched: 600 s",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest: || watch("worst-case", &PROGRAMS, CONFIG, SECONDS),
    judge,
};

const SECONDS: u64 = 600;

const PROGRAMS: [Program; 1] = [Program {
    name: "worst-case",
    args: &[
        "--hot",
        "40M",
        "--warm",
        "60M",
        "--warm-every",
        "35s",
        "--cold",
        "60M",
        "--pause",
        "20ms",
        "--ages",
        "30s",
    ],
}];
const COLD: u64 = 60 * MIB;

/// The loop has this long to learn; the minutes after it count.
const LEARNT_AFTER: f64 = 420.0;

fn judge(outcome: &Outcome) -> Result<()> {
    let curve = Curve::of(outcome)?;
    curve.print(|_| "");
    let mut verdict = Verdict::default();
    let worst = curve.worst_minute(LEARNT_AFTER)?;
    verdict.expect(
        worst <= PROMOTION_SLO,
        format!(
            "in the last minutes at most {:.2} % were faulted back in a minute (SLO {:.0} %)",
            worst * 100.0,
            PROMOTION_SLO * 100.0
        ),
    );
    let truth = curve.last_truth("worst-case")?;
    println!("        {:.1} MiB of the warm part are gone at the end", mib(truth.warm.gone()));
    let gone = mib(truth.cold.gone()) / mib(COLD);
    verdict.expect(gone >= 0.5, format!("{:.0} % of what is never touched is gone at the end", gone * 100.0));
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
