//! Experiments with a verdict.
//!
//! A scenario has two sides in one file: which machine it wants and how its results are judged (host), and
//! the steps inside (guest). To add one, write `scenarios/NAME.rs` and add it to [`TESTS`], [`BENCHMARKS`] or
//! [`SHOWS`].

mod ages;
mod alerts;
mod balancer;
mod baseline;
mod bench_host;
mod chaos;
mod chosen;
mod churn;
mod compress;
mod containerd;
mod curve;
mod cxl;
mod damon;
mod dashboards;
mod demo;
mod fault_cost;
mod forbidden;
mod hotness;
mod hygiene;
mod install;
mod kill;
mod loss;
mod no_swap;
mod nodes;
mod offload;
mod pageout;
mod peers;
mod placement;
mod precision;
mod promise;
mod quick_start;
mod real_work;
mod reclaim;
mod root;
mod sampled;
mod scrape;
mod shift;
mod short;
mod sides;
mod slower;
mod slower_ladder;
mod sources;
mod storm;
mod sudden;
mod swap_full;
mod thousand;
mod three_tiers;
mod tiers;
mod treatments;
mod verdict;
mod watermarks;
mod worst_case;
mod write_budget;
mod zswap;

use crate::dirs::LabDirs;
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::process::say;
use crate::random;
use crate::run::{Job, run};
use crate::tools;
use anyhow::{Context, Result};
use std::path::PathBuf;

/// One experiment.
#[derive(Debug)]
pub struct Scenario {
    /// What the command line calls it.
    pub name: &'static str,
    /// What it shows, in one line.
    pub about: &'static str,
    /// The machine it wants; the kernel is set by the caller.
    pub machine: fn() -> Machine,
    /// Programs it needs besides the lab's own: of this workspace (`lowtide`), of [`tools::guest_tool`], or
    /// packages of it.
    pub programs: &'static [&'static str],
    /// The steps inside the machine, which report with [`crate::guest::report::emit`].
    pub guest: fn() -> Result<()>,
    /// Prints the results and says whether they are as they should be.
    pub judge: fn(&Outcome) -> Result<()>,
}

/// Of what is random in a scenario, unless another one is given.
pub const SEED: u64 = 1;

/// What `cargo xtask test` runs, two at a time. What takes longest comes first, so that neither is left alone
/// with it at the end; before it, the two that say most.
pub static TESTS: &[Scenario] = &[
    offload::SCENARIO,
    hotness::SCENARIO,
    balancer::SCENARIO,
    placement::SCENARIO,
    sides::SCENARIO,
    cxl::SCENARIO,
    nodes::SCENARIO,
    sudden::SCENARIO,
    slower_ladder::SCENARIO,
    ages::SCENARIO,
    damon::SCENARIO,
    churn::SCENARIO,
    shift::SCENARIO,
    sampled::SCENARIO,
    promise::SCENARIO,
    compress::SCENARIO,
    kill::SCENARIO,
    worst_case::SCENARIO,
    loss::SCENARIO,
    root::SCENARIO,
    no_swap::SCENARIO,
    fault_cost::SCENARIO,
    forbidden::SCENARIO,
    swap_full::SCENARIO,
    chosen::SCENARIO,
    slower::SCENARIO,
    tiers::SCENARIO,
    hygiene::SCENARIO,
    write_budget::SCENARIO,
    scrape::SCENARIO,
    reclaim::SCENARIO,
    zswap::SCENARIO,
];

/// What is run by its name alone: `cargo xtask test` is to stay under an hour on two cores. Emulated, systemd
/// and dpkg take a quarter of one; readers that never wait, tenants that are never idle, a storm and hundreds
/// of kills take as long; alerts come when their causes have lasted ten minutes.
pub static BY_NAME: &[Scenario] = &[
    install::SCENARIO,
    install::RPM,
    quick_start::SCENARIO,
    containerd::SCENARIO,
    alerts::SCENARIO,
    dashboards::SCENARIO,
    watermarks::SCENARIO,
    treatments::SCENARIO,
    placement::CXL,
    placement::ZSWAP,
    three_tiers::SCENARIO,
    storm::SCENARIO,
    short::SCENARIO,
    kill::MANY,
    chaos::SCENARIO,
    chaos::CROWD,
];

/// What `cargo xtask bench` runs: they report, and judge nothing but correctness.
pub static BENCHMARKS: &[Scenario] = &[
    baseline::SCENARIO,
    thousand::SCENARIO,
    peers::SCENARIO,
    precision::SCENARIO,
    sources::SCENARIO,
    pageout::SCENARIO,
    real_work::SCENARIO,
    real_work::OFF,
    real_work::HUGE,
    real_work::LONG,
    real_work::IN_ORDER,
    real_work::LONG_IN_ORDER,
    bench_host::PACK,
    bench_host::HOST,
];

/// What `cargo xtask demo` runs.
pub static SHOWS: &[Scenario] = &[demo::SCENARIO];

/// Every scenario.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    [TESTS, BY_NAME, BENCHMARKS, SHOWS].into_iter().flatten()
}

/// The scenario of that name.
pub fn find(name: &str) -> Result<&'static Scenario> {
    all().find(|scenario| scenario.name == name).with_context(|| {
        let names: Vec<_> = all().map(|scenario| scenario.name).collect();
        format!("unknown scenario {name:?}; there is {}", names.join(", "))
    })
}

/// Machines that are booted for a scenario, if the emulator fails.
const ATTEMPTS: u32 = 3;

/// Host side: boots the scenario's machine with a kernel series, runs its steps and judges the outcome.
///
/// What is random in it is so by `seed`.
pub fn execute(dirs: &LabDirs, scenario: &Scenario, kernel: &str, seed: u64) -> Result<Outcome> {
    say(&format!("scenario {} on {kernel}: {}", scenario.name, scenario.about));
    let machine = (scenario.machine)().with_kernel(kernel);
    let programs = scenario.programs.iter().map(|name| program(dirs, name)).collect::<Result<_>>()?;
    let env = vec![(random::SEED.to_owned(), seed.to_string())];
    let job = Job { programs, env, ..Job::command(["lab-guest", "scenario", scenario.name]) };
    let mut outcome = run(dirs, &machine, &job)?;
    for attempt in 2..=ATTEMPTS {
        let Some(fault) = &outcome.emulator_fault else { break };
        say(&format!(
            "the emulator failed, with flags that no processor has: {fault}; machine {attempt} of {ATTEMPTS}"
        ));
        // The same bytes would do the same again.
        let machine = machine.clone().with_kernel_arg(&format!("lab.attempt={attempt}"));
        outcome = run(dirs, &machine, &job)?;
    }
    say(&format!("machine gone after {:.1} s", outcome.wall.as_secs_f64()));
    outcome.check()?;
    (scenario.judge)(&outcome)?;
    Ok(outcome)
}

/// How packages end among a scenario's programs.
const PACKAGES: [&str; 2] = [".deb", ".rpm"];

/// Whether a scenario's program is a package.
#[must_use]
pub fn is_package(program: &str) -> bool {
    PACKAGES.iter().any(|end| program.ends_with(end))
}

/// The container image among a scenario's programs.
pub const IMAGE: &str = concat!("lowtide-", env!("CARGO_PKG_VERSION"), "-oci.tar");

/// The version that scenarios upgrade from; they upgrade to the workspace's.
pub const OLDER: &str = "0.0.9";

/// How files of a pack are named among a scenario's programs.
pub const OF_PACK: &str = "pack/";

fn program(dirs: &LabDirs, name: &str) -> Result<PathBuf> {
    if name.starts_with(OF_PACK) {
        return Ok(dirs.file(name));
    }
    if is_package(name) || name == IMAGE {
        return Ok(dirs.packages().join(name));
    }
    Ok(tools::guest_tool(dirs, name)?.unwrap_or_else(|| dirs.release_program(name)))
}
