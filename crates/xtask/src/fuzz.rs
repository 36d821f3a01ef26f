//! `cargo xtask fuzz`: builds `lowtide-fuzz` as the product is built, and runs it.

use crate::build;
use anyhow::{Context, Result};
use clap::Args;
use lowtide_lab::{dirs::LabDirs, process::say};
use std::process::{Command, ExitCode};

/// The package, and its program.
pub(crate) const PACKAGE: &str = "lowtide-fuzz";

/// Drive every parser and both doors with mutations of captured files; `cargo xtask fuzz --help` says with
/// which options.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct FuzzArgs {
    /// What the program is given: --list, --parser NAME, --seconds N, --inputs N, --seed N.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// Builds it, and runs it with these options.
pub(crate) fn run(args: &FuzzArgs) -> Result<ExitCode> {
    build::release(&["lowtide", PACKAGE])?;
    Ok(if fuzz(&args.options)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs what was built; true if nothing was found.
pub(crate) fn fuzz(options: &[String]) -> Result<bool> {
    say(&format!("fuzzing: {PACKAGE} {}", options.join(" ")));
    let program = LabDirs::locate()?.release_program(PACKAGE);
    let status = Command::new(&program).args(options).status();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        say(&format!("FAILED: fuzzing ({status})"));
    }
    Ok(status.success())
}
