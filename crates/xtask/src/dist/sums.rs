//! SHA256SUMS of everything else.

use anyhow::{Context, Result};
use lowtide_lab::process::output_of;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The file that has them, as `sha256sum --check` reads it.
pub(super) const NAME: &str = "SHA256SUMS";

/// Writes it.
pub(super) fn write(directory: &Path) -> Result<()> {
    let entries = fs::read_dir(directory)?;
    let names = entries.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
    let mut names: Vec<_> = names.into_iter().filter(|name| name != NAME).collect();
    names.sort();
    let sums = output_of(Command::new("sha256sum").args(&names).current_dir(directory))?;
    fs::write(directory.join(NAME), sums).with_context(|| format!("cannot write {NAME}"))
}
