//! Other programs as steps: said before they run, judged by their status.

use anyhow::{Context, Result, ensure};
use lowtide_lab::process::say;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

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

/// Builds a test program without running it, and says where it is.
pub(crate) fn test_program(package: &str, test: &str) -> Result<PathBuf> {
    let output = Command::new(cargo_path())
        .args(["test", "--quiet", "--package", package, "--test", test])
        .args(["--no-run", "--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "building the test {test} of {package} ended with {}", output.status);
    let messages = String::from_utf8(output.stdout).context("what cargo printed")?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let programs = messages.filter(|message| message["target"]["name"] == test);
    let path = programs.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    path.with_context(|| format!("cargo built no program for the test {test} of {package}"))
}
