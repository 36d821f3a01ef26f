//! `cargo xtask bench`.

use crate::{build, lab, step};
use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use lowtide_lab::bench::make::{PROGRAMS, make};
use lowtide_lab::bench::{host, options::Options};
use lowtide_lab::dirs::LabDirs;
use lowtide_lab::{kernel, scenarios, tools};
use std::ffi::OsString;
use std::path::PathBuf;
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
                lab::scenario(scenario.name, &args.kernel, scenarios::SEED)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(BenchCommand::Pack) => {
            let directory = pack()?;
            println!("{}: copy it to a host and run {}/run --help", directory.display(), directory.display());
            Ok(ExitCode::SUCCESS)
        }
        Some(BenchCommand::Host(options)) => {
            host::check(&options)?;
            let words: Vec<OsString> =
                std::env::args_os().skip_while(|word| word != "host").skip(1).collect();
            let status =
                Command::new(pack()?.join("run")).args(words).status().context("cannot start the pack")?;
            Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// Builds what a pack has, linked statically, and makes the pack.
pub(crate) fn pack() -> Result<PathBuf> {
    let dirs = LabDirs::locate()?;
    tools::ensure()?;
    let mut command = Command::new(step::cargo_path());
    command.args(["build", "--release", "--quiet", "--target", build::TARGET]);
    command.args(["--package", "lowtide-lab", "--package", "lowtide"]);
    for program in PROGRAMS {
        command.args(["--bin", program]);
    }
    let status = command.env("RUSTFLAGS", "-C target-feature=+crt-static").status();
    let status = status.context("cannot start cargo")?;
    ensure!(status.success(), "the static build failed with {status}");
    make(&dirs, &dirs.static_programs(build::TARGET))
}
