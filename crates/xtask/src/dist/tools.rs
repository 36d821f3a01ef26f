//! What packs: Debian's own packages, and two of cargo's below `target/tools`.

use super::Dist;
use crate::step;
use anyhow::{Context, Result, ensure};
use lowtide_lab::process::say;
use lowtide_lab::tools::{Needed, install};
use std::path::PathBuf;
use std::process::Command;

/// In the lab's machines its `rpm` installs the package, too.
pub(super) const RPM: Needed = ("rpmbuild", "rpm", "packs the .rpm");
const BUILDAH: Needed = ("buildah", "buildah", "makes the container image");

/// Name and version.
const CARGO: [(&str, &str); 2] = [("cargo-about", "0.9.3"), ("cargo-cyclonedx", "0.5.9")];

/// Installs what is missing, and says so.
pub(super) fn ensure(dist: &Dist) -> Result<()> {
    install(&[RPM, BUILDAH])?;
    for (name, version) in CARGO {
        if path(dist, name).is_file() {
            continue;
        }
        say(&format!("{name} is missing: installing it into target/tools"));
        let mut command = Command::new(step::cargo_path());
        command.args(["install", "--quiet", "--locked", "--root"]).arg(dist.top.join("target/tools"));
        command.arg(format!("{name}@{version}"));
        if name == "cargo-about" {
            command.args(["--features", "cli"]);
        }
        let status = command.status().context("cannot start cargo")?;
        ensure!(status.success(), "installing {name} ended with {status}");
    }
    Ok(())
}

/// What the image takes, alone.
pub(super) fn buildah() -> Result<()> {
    install(&[BUILDAH])
}

/// Where one of cargo's tools is.
pub(super) fn path(dist: &Dist, name: &str) -> PathBuf {
    dist.top.join("target/tools/bin").join(name)
}
