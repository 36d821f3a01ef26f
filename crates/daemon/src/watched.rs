//! Notices that a configuration file was changed, by looking at each tick: a few stat(2) calls, and no watch
//! that an editor's rename could lose.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

/// Files and what they looked like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Watched {
    files: Vec<(PathBuf, Option<Looks>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Looks {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Watched {
    /// Looks at `files` (and directories, for files that come and go in them).
    #[must_use]
    pub(crate) fn new(files: Vec<PathBuf>) -> Self {
        let look = |path: PathBuf| {
            let looks = fs::metadata(&path).ok().map(|found| Looks {
                inode: found.ino(),
                size: found.size(),
                changed: (found.mtime(), found.mtime_nsec()),
            });
            (path, looks)
        };
        Self { files: files.into_iter().map(look).collect() }
    }

    /// Looks again; true if anything is not as it was the last time.
    pub(crate) fn changed(&mut self) -> bool {
        let now = Self::new(self.files.iter().map(|(path, _)| path.clone()).collect());
        let changed = now != *self;
        *self = now;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_writing_replacing_removing_and_new_files() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.yaml");
        fs::write(&file, "1").unwrap();
        let mut watched = Watched::new(vec![file.clone(), directory.path().to_owned()]);
        assert!(!watched.changed());
        fs::write(&file, "22").unwrap();
        assert!(watched.changed());
        assert!(!watched.changed());
        fs::write(directory.path().join("b.yaml"), "1").unwrap();
        assert!(watched.changed());
        fs::remove_file(&file).unwrap();
        assert!(watched.changed());
        assert!(!watched.changed());
    }
}
