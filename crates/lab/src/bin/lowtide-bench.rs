//! The program of a pack: real servers side by side on this host, each group with another agent.

use anyhow::Result;
use clap::{Parser, Subcommand};
use lowtide_lab::bench::options::Options;
use lowtide_lab::bench::{host, run, supervise};
use lowtide_lab::guest::helper::Helper;

/// Real servers side by side, each group with another agent that offloads memory, or with none.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run it, print tables, write the figures as JSON.
    Run(Options),
    /// Undo what a killed run has left on this host.
    Clean,
    /// The run itself, without its supervisor.
    #[command(hide = true)]
    Work(Options),
    #[command(flatten)]
    Helper(Helper),
}

fn main() -> Result<()> {
    match Args::parse().action {
        Action::Run(options) => {
            host::check(&options)?;
            supervise::supervise(std::env::args_os().skip(2))
        }
        Action::Clean => supervise::clean(),
        Action::Work(options) => {
            supervise::die_with_supervisor()?;
            run::run(&options)
        }
        Action::Helper(helper) => helper.run(),
    }
}
