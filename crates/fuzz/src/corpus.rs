use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// What was captured from kernels by tests/fixtures/capture.sh, the configurations of the repository, and
/// what runtimes keep.
#[derive(Debug)]
pub struct Corpus {
    /// By path from the top of the repository.
    files: BTreeMap<String, Vec<u8>>,
    /// The contents of any of them, for a file that holds what belongs into another.
    pub foreign: Vec<Vec<u8>>,
}

/// Where it is.
const PLACES: [&str; 6] =
    ["tests/fixtures", "tests/bad-config", "tests/run", "policies", "systemd", "crates/pods/tests/node"];

impl Corpus {
    /// Reads all of it; a few MiB.
    pub fn read() -> Result<Self> {
        let mut files = BTreeMap::new();
        for place in PLACES {
            collect(&top().join(place), place, &mut files).with_context(|| format!("cannot read {place}"))?;
        }
        let mut foreign: Vec<Vec<u8>> = files.values().cloned().collect();
        foreign.sort_unstable();
        foreign.dedup();
        Ok(Self { files, foreign })
    }

    /// The different contents of the files whose path ends so.
    #[must_use]
    pub fn ending(&self, path: &str) -> Vec<Vec<u8>> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        for (name, contents) in &self.files {
            if name.ends_with(path) && !found.contains(contents) {
                found.push(contents.clone());
            }
        }
        found
    }
}

/// The top of the repository.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn collect(place: &Path, name: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        // A name that is no text, or has a backslash, is one of the captured cgroups.
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), &name, files)?;
        } else if kind.is_file() {
            files.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}
