//! Tar files that are the same each time.

use super::{Dist, text};
use anyhow::Result;
use lowtide_lab::process::{output, say};
use std::path::Path;

/// Packs `what`, below `directory`, into a file of `dist` with this name. A link is packed as what it leads
/// to.
pub(super) fn pack(dist: &Dist, name: &str, directory: &Path, what: &str, options: &[&str]) -> Result<()> {
    let file = dist.into.join(name);
    let time = format!("--mtime=@{}", dist.epoch);
    let same = [
        "--dereference",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mode=u+rw,go+r,go-w",
    ];
    let place = ["--create", "--file", text(&file)?, "--directory", text(directory)?, what];
    output("tar", &[&same[..], &[&time], options, &place].concat())?;
    say(&format!("made {}", file.display()));
    Ok(())
}
