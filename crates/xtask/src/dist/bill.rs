//! What the program is linked with: licences with their texts, and a bill of materials.

use super::toolchain::Toolchain;
use super::{Dist, program, text, tools};
use anyhow::{Context, Result};
use lowtide_lab::process::{output_of, say};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What Rust's own library is made of, beside the licences.
pub(super) const LIBRARY: &str = "rust-library-copyright.html";

/// The licence texts of everything in it.
pub(super) fn licences(dist: &Dist, toolchain: &Toolchain) -> Result<PathBuf> {
    let made = dist.into.join("third-party-licences.txt");
    let from = dist.top.join("packaging/licences");
    say("collecting the licences (cargo-about)");
    let mut command = Command::new(tools::path(dist, "cargo-about"));
    command.args(["about", "generate", "--offline", "--locked", "--fail", "--manifest-path"]);
    command.arg(dist.top.join("crates/cli/Cargo.toml")).arg("--config").arg(from.join("about.toml"));
    command.arg("--output-file").arg(&made).arg(from.join("about.hbs"));
    output_of(&mut command)?;
    let mut file = OpenOptions::new().append(true).open(&made).context("cargo-about wrote nothing")?;
    file.write_all(toolchain.licences()?.as_bytes()).context("cannot write the licences")?;
    let page = toolchain.library_page();
    fs::copy(&page, made.with_file_name(LIBRARY))
        .with_context(|| format!("cannot copy {}", page.display()))?;
    Ok(made)
}

/// Everything in it, in CycloneDX's form.
pub(super) fn materials(dist: &Dist, toolchain: &Toolchain) -> Result<()> {
    const NAME: &str = "lowtide.cdx";
    let crates = dist.top.join("crates");
    let mut command = Command::new(tools::path(dist, "cargo-cyclonedx"));
    command.args(["cyclonedx", "-q", "--format", "json", "--spec-version", "1.5", "--no-build-deps"]);
    command.args(["--target", program::TARGET, "--override-filename", NAME]);
    command.arg("--manifest-path").arg(crates.join("cli/Cargo.toml"));
    output_of(command.env("SOURCE_DATE_EPOCH", dist.epoch.to_string()))?;
    let file = format!("{NAME}.json");
    let bill = fs::read_to_string(crates.join("cli").join(&file)).context("cargo-cyclonedx wrote nothing")?;
    remove_all(&crates, &file)?;
    // Where it was built is nobody's business, and not the same everywhere.
    let bill = bill.replace(&format!("file://{}", text(&dist.top)?), "file://.");
    let mut bill = serde_json::from_str(&bill).context("what cargo-cyclonedx wrote is no JSON")?;
    toolchain.add_to(&mut bill)?;
    let bill = serde_json::to_string_pretty(&bill)?;
    fs::write(dist.into.join(&file), bill + "\n").context("cannot write the bill of materials")
}

/// It writes one beside every manifest of the workspace, whichever was asked for.
fn remove_all(crates: &Path, file: &str) -> Result<()> {
    for entry in fs::read_dir(crates)? {
        let path = entry?.path().join(file);
        if path.is_file() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}
