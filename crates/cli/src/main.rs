//! The `lowtide` command.

mod commands;
mod logging;
mod output;

use std::{io::Write, process::ExitCode};

use clap::Parser;

use lowtide_cli::options::Arguments;
use lowtide_policy::Problems;

use crate::output::Lost;

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => commands::run(&arguments).unwrap_or_else(|error| fail(&error)),
        Err(told) => tell(&told),
    }
}

/// The help, the version, or what is wrong with the command line.
fn tell(told: &clap::Error) -> ExitCode {
    match told.print().and_then(|()| std::io::stdout().flush()) {
        Ok(()) => ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(u8::MAX)),
        Err(_) => ExitCode::from(output::LOST),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let lost = error.downcast_ref::<Lost>();
    if !lost.is_some_and(Lost::is_closed_pipe) {
        // If that is lost as well, the status is all that can be told.
        let _ = output::complain(&format!("lowtide: {}", in_full(error)));
    }
    match lost {
        Some(_) => ExitCode::from(output::LOST),
        // A configuration that is wrong has an exit status of its own, whatever was asked.
        None if error.is::<Problems>() => ExitCode::from(commands::BAD_CONFIG),
        None => ExitCode::FAILURE,
    }
}

/// The error and its causes. Errors that are logged name their cause in their own sentence: it is not said
/// twice.
fn in_full(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.contains(&cause) {
        true => text,
        false if text.is_empty() => cause,
        false => format!("{text}: {cause}"),
    })
}
