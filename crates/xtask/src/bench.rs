//! `cargo xtask bench`.

use crate::{lab, pack};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use lowtide_lab::bench::{host, options::Options};
use lowtide_lab::{kernel, scenarios};
use std::ffi::OsString;
use std::process::{Command, ExitCode};

/// Without a command: the lab's benchmarks.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    /// Kernel series.
    #[arg(long, default_value = kernel::DEFAULT)]
    kernel: String,
    #[command(subcommand)]
    command: Option<BenchCommand>,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Make a directory that runs the benchmark of real servers on any host.
    Pack,
    /// Make it, and run it on this host.
    Host(Options),
}

/// Does it.
pub(crate) fn run(args: BenchArgs) -> Result<ExitCode> {
    match args.command {
        None => {
            for scenario in scenarios::BENCHMARKS {
                lab::scenario(scenario.name, &args.kernel, scenarios::SEED, None)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(BenchCommand::Pack) => {
            let directory = pack::pack()?;
            println!("{}: copy it to a host and run {}/run --help", directory.display(), directory.display());
            Ok(ExitCode::SUCCESS)
        }
        Some(BenchCommand::Host(options)) => {
            host::check(&options)?;
            let words: Vec<OsString> =
                std::env::args_os().skip_while(|word| word != "host").skip(1).collect();
            let status = Command::new(pack::pack()?.join("run"))
                .args(words)
                .status()
                .context("cannot start the pack")?;
            Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
