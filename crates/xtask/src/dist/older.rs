//! The sources of an earlier commit.

use super::text;
use anyhow::{Context, Result};
use lowtide_lab::process::{output, say};
use std::fs;
use std::path::{Path, PathBuf};

/// Below `target`, in a directory of its own that is kept, so that the second build of a commit is quick.
pub(super) fn sources(top: &Path, commit: &str) -> Result<PathBuf> {
    let repository = text(top)?;
    let named = format!("{commit}^{{commit}}");
    let found = output("git", &["-C", repository, "rev-parse", "--verify", "--quiet", &named])
        .with_context(|| format!("{commit} is no commit of this repository"))?;
    let found = found.trim();
    let older = top.join("target/older").join(found);
    if !older.is_dir() {
        say(&format!("taking the sources of {found}"));
        // What ends halfway is not taken for all of it the next time.
        let (archive, part) = (older.with_extension("tar"), older.with_extension("part"));
        fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
        let file = format!("--output={}", text(&archive)?);
        output("git", &["-C", repository, "archive", &file, found])?;
        output("tar", &["--extract", "--file", text(&archive)?, "--directory", text(&part)?])?;
        fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))?;
        fs::rename(&part, &older).with_context(|| format!("cannot rename {}", part.display()))?;
    }
    Ok(older)
}
