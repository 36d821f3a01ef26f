//! `cargo xtask`: the developer's commands.

mod build;
mod lab;

use clap::{Parser, Subcommand};
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
    /// Real kernels in virtual machines.
    #[command(subcommand)]
    Lab(lab::LabCommand),
}

fn main() -> ExitCode {
    let Command::Lab(command) = Args::parse().command;
    match lab::run(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
