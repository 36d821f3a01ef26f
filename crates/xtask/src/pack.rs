//! The directory that runs the benchmark of real servers on any host.

use crate::{build, step};
use anyhow::{Context, Result, ensure};
use lowtide_lab::bench::make::{PROGRAMS, make};
use lowtide_lab::dirs::LabDirs;
use lowtide_lab::tools;
use std::path::PathBuf;
use std::process::Command;

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
