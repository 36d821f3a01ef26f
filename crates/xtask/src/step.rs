//! Other programs as steps: said before they run, judged by their status.

use anyhow::{Context, Result, ensure};
use lowtide_lab::process::say;
use std::ffi::OsString;
use std::process::Command;

/// A cargo command; true if it ended well.
pub(crate) fn cargo(name: &str, arguments: &[&str]) -> Result<bool> {
    say(&format!("{name}: cargo {}", arguments.join(" ")));
    let status = Command::new(cargo_path()).args(arguments).status().context("cannot start cargo")?;
    if !status.success() {
        say(&format!("FAILED: {name} ({status})"));
    }
    Ok(status.success())
}

/// Which cargo runs this.
pub(crate) fn cargo_path() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A lab command that must end well.
pub(crate) fn lab(arguments: &[&str]) -> Result<()> {
    let status = myself(&["lab"])?.args(arguments).status().context("cannot start xtask")?;
    ensure!(status.success(), "`cargo xtask lab {}` ended with {status}", arguments.join(" "));
    Ok(())
}

/// This program again, with other arguments.
pub(crate) fn myself(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find xtask itself")?);
    command.args(arguments);
    Ok(command)
}
