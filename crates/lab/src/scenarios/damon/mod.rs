//! The DAMON driver on real kernels: started, retuned, read and torn down beside somebody else's kdamond,
//! which does not notice; killed with `kill -9` at many moments and recovered from its records. The same with
//! the daemon that uses it.

mod daemon;
mod foreign;
mod kills;
mod physical;
mod processes;
mod steps;
mod victim;

use super::Scenario;
use crate::guest::report;
use crate::machine::Machine;
use crate::outcome::Outcome;
use anyhow::{Result, ensure};
use daemon::Life;
use kills::Kill;
use lowtide_damon::{Admin, Error};
use lowtide_kernfs::Root;
use physical::Physical;
use processes::Processes;
use serde::{Deserialize, Serialize};
use std::time::Duration;
pub(super) use steps::claim;
use steps::{Alone, Exclusive, Refused};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "damon",
    about: "the DAMON driver beside a foreign kdamond: start, retune, read, tear down; kill -9 and recover",
    machine: || Machine::deterministic().with_memory(1 << 30).with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// What a kernel without DAMON says.
#[derive(Debug, Serialize, Deserialize)]
struct Absent {
    kind: String,
    error: String,
}

fn guest() -> Result<()> {
    if let Some(records) = victim::role() {
        return victim::live(&records);
    }
    let root = Root::open("/")?;
    let admin = match Admin::open(&root) {
        Err(error @ Error::NotThere { .. }) => {
            return report::emit(&Absent { kind: "absent".into(), error: error.to_string() });
        }
        other => other?,
    };
    report::emit(&steps::exclusive(&root, &admin)?)?;
    report::emit(&steps::alone(&root, &admin)?)?;
    for life in daemon::lives()? {
        report::emit(&life)?;
    }
    let foreign = foreign::Foreign::start()?;
    report::emit(&steps::refused(&admin)?)?;
    report::emit(&physical::physical(&root, &admin)?)?;
    report::emit(&processes::processes(&admin)?)?;
    foreign.is_untouched()?;
    for kill in kills::kills(&root, &foreign)? {
        report::emit(&kill)?;
    }
    foreign.is_untouched()?;
    foreign.stop()
}

fn judge(outcome: &Outcome) -> Result<()> {
    println!("kernel {}, {:.1} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    if let Ok(Absent { error, .. }) = outcome.result("absent") {
        println!("{error}");
        return Ok(());
    }
    let exclusive: Exclusive = outcome.result("exclusive")?;
    println!("exclusive user: {}", exclusive.error.as_deref().unwrap_or("none is on"));
    let alone: Alone = outcome.result("alone")?;
    println!("alone: nr_kdamonds {:?}; recovered: {:?}", alone.numbers, alone.recovered);
    ensure!(alone.numbers == [0, 1, 0], "nr_kdamonds is not as it was found");
    let refused: Refused = outcome.result("refused")?;
    for (what, error) in &refused.errors {
        println!("{what}: {error}");
    }
    let physical: Physical = outcome.result("physical")?;
    physical.print();
    physical.check()?;
    let processes: Processes = outcome.result("processes")?;
    processes.print();
    processes.check()?;
    kills::judge(&outcome.all::<Kill>("kill")?)?;
    daemon::judge(&outcome.all::<Life>("life")?)
}
