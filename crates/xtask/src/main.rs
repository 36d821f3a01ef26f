//! `cargo xtask`: the developer's commands.

mod bench;
mod build;
mod chart;
mod dist;
mod documented;
mod fuzz;
mod lab;
mod pack;
mod step;
mod test;
mod units;

use anyhow::Result;
use clap::{Parser, Subcommand};
use lowtide_lab::kernel;
use lowtide_lab::scenarios::{self, Scenario};
use std::process::ExitCode;

/// The developer's commands.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what lowtide does: a small server with four tenants, without lowtide and with it.
    Demo {
        /// Kernel series.
        #[arg(long, default_value = kernel::DEFAULT)]
        kernel: String,
    },
    /// Run every test: lints, unit and property tests, fixtures, and the scenarios on real kernels.
    Test(test::TestArgs),
    /// Run the benchmarks, which report and never judge; or make a pack that runs real servers on a host.
    Bench(bench::BenchArgs),
    /// Drive every parser and both doors with mutations of captured files.
    Fuzz(fuzz::FuzzArgs),
    /// Make what operators install: packages, a static program, a container image.
    Dist(dist::DistArgs),
    /// Render the Helm chart and hold it against schemas; `UPDATE_GOLDEN=1` writes what is kept.
    Chart,
    /// Real kernels in virtual machines.
    #[command(subcommand)]
    Lab(lab::LabCommand),
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Demo { kernel } => show(scenarios::SHOWS, &kernel),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Chart => chart::run(),
        Command::Lab(command) => lab::run(command),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn show(scenarios: &[Scenario], kernel: &str) -> Result<ExitCode> {
    for scenario in scenarios {
        lab::scenario(scenario.name, kernel, scenarios::SEED, None)?;
    }
    Ok(ExitCode::SUCCESS)
}
