//! The program: one for every distribution, linked with nothing of the host.

use super::text;
use crate::step;
use anyhow::{Context, Result, ensure};
use lowtide_lab::process::{output, say};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What it is built for: musl's libc is linked in.
pub(super) const TARGET: &str = "x86_64-unknown-linux-musl";

/// Its name among what is published.
pub(super) const NAME: &str = "lowtide-x86_64-linux";

/// Builds it, such that the place where it was built cannot be seen in it.
pub(super) fn build(top: &Path) -> Result<PathBuf> {
    if !has_target()? {
        say(&format!("the standard library for {TARGET} is missing: `rustup target add {TARGET}`"));
        output("rustup", &["target", "add", TARGET]).context("a static program needs it")?;
    }
    say(&format!("building the static program (release, {TARGET})"));
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .context("there is neither CARGO_HOME nor HOME")?;
    let flags =
        [format!("--remap-path-prefix={}=lowtide", text(top)?), format!("--remap-path-prefix={home}=cargo")];
    let status = Command::new(step::cargo_path())
        .args(["build", "--release", "--quiet", "--locked", "--package", "lowtide", "--target", TARGET])
        .args(["--target-dir", text(&top.join("target"))?])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .current_dir(top)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the build failed with {status}");
    Ok(top.join("target").join(TARGET).join("release/lowtide"))
}

fn has_target() -> Result<bool> {
    let library = output("rustc", &["--print", "target-libdir", "--target", TARGET])?;
    Ok(Path::new(library.trim()).is_dir())
}
