//! The `lowtide` command.

mod commands;
mod logging;
mod options;

use std::process::ExitCode;

use clap::Parser;

use crate::options::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    commands::run(&arguments).unwrap_or_else(|error| {
        eprintln!("lowtide: {error:#}");
        ExitCode::FAILURE
    })
}
