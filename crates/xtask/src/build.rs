//! Building what a machine runs.

use crate::step;
use anyhow::{Context, Result, ensure};
use lowtide_lab::process::say;
use std::process::Command;

/// What a pack is built for.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the lab's own programs, and the packages named, with the release profile.
pub(crate) fn release(packages: &[&str]) -> Result<()> {
    say("building what runs in the machine (release)");
    let mut command = Command::new(step::cargo_path());
    command.args(["build", "--release", "--quiet", "--package", "lowtide-lab"]);
    for package in packages {
        command.args(["--package", package]);
    }
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "the build failed with {status}");
    Ok(())
}
