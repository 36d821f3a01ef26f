//! The `lowtide` command.

mod commands;
mod logging;

use std::process::ExitCode;

use clap::Parser;

use lowtide_cli::options::Arguments;
use lowtide_policy::Problems;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    commands::run(&arguments).unwrap_or_else(|error| {
        eprintln!("lowtide: {}", in_full(&error));
        // A configuration that is wrong has an exit status of its own, whatever was asked.
        if error.is::<Problems>() { ExitCode::from(commands::BAD_CONFIG) } else { ExitCode::FAILURE }
    })
}

/// The error and its causes. Errors that are logged name their cause in their own sentence: it is not said twice.
fn in_full(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.contains(&cause) {
        true => text,
        false if text.is_empty() => cause,
        false => format!("{text}: {cause}"),
    })
}
