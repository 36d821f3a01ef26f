//! Page cache of files that were just written belongs to who wrote them. It is dropped, so that it is charged
//! to who reads them next.

use anyhow::{Context, Result};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::{self, File};
use std::path::Path;

/// Writes all files of a directory to their disk and drops their page cache.
pub fn forget(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            forget(&path)?;
        } else if kind.is_file() {
            let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
            file.sync_data().with_context(|| format!("cannot write {} to its disk", path.display()))?;
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
                .with_context(|| format!("cannot drop the page cache of {}", path.display()))?;
        }
    }
    Ok(())
}
