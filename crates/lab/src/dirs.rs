//! Where the lab keeps its files: everything is below one directory that `cargo clean` removes.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The lab's directory, by default `target/lab` of this workspace.
#[derive(Debug, Clone)]
pub struct LabDirs {
    target: PathBuf,
    root: PathBuf,
}

impl LabDirs {
    /// Finds the lab's directory: `LOWTIDE_LAB_DIR`, else `lab` in cargo's target directory.
    pub fn locate() -> Result<Self> {
        let target = target_dir()?;
        let root = std::env::var_os("LOWTIDE_LAB_DIR").map_or_else(|| target.join("lab"), PathBuf::from);
        fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
        let root = root.canonicalize()?;
        Ok(Self { target, root })
    }

    /// One directory per kernel series.
    #[must_use]
    pub fn kernel(&self, name: &str) -> PathBuf {
        self.root.join("kernels").join(name)
    }

    /// Private apt lists, cache and sources.
    #[must_use]
    pub fn apt(&self) -> PathBuf {
        self.root.join("apt")
    }

    /// Tools that are unpacked but not installed, such as the static busybox.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        self.root.join("tools")
    }

    /// A file directly below the lab's directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Packages for scenarios that install them.
    #[must_use]
    pub fn packages(&self) -> PathBuf {
        self.root.join("packages")
    }

    /// A release build of one of this workspace's programs.
    #[must_use]
    pub fn release_program(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }

    /// Where release builds for one target are, when it is named.
    #[must_use]
    pub fn static_programs(&self, target: &str) -> PathBuf {
        self.target.join(target).join("release")
    }

    /// A fresh directory for the logs and results of one run; of the finished ones only the last twenty are
    /// kept.
    pub fn new_run(&self) -> Result<PathBuf> {
        let runs = self.root.join("runs");
        fs::create_dir_all(&runs).with_context(|| format!("cannot create {}", runs.display()))?;
        remove_old_runs(&runs, 20);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let run = runs.join(format!("{:013}-{}", since.as_millis(), std::process::id()));
        fs::create_dir(&run).with_context(|| format!("cannot create {}", run.display()))?;
        Ok(run)
    }

    /// Waits for, then holds, an exclusive lock on a name, so that two processes do not build the same thing.
    pub fn lock(&self, name: &str) -> Result<File> {
        let path = self.root.join(format!("{name}.lock"));
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

fn target_dir() -> Result<PathBuf> {
    if let Some(target) = std::env::var_os("CARGO_TARGET_DIR") {
        return Ok(PathBuf::from(target));
    }
    let manifest =
        crate::process::output("cargo", &["locate-project", "--workspace", "--message-format", "plain"])
            .context("run this inside the lowtide workspace, or set CARGO_TARGET_DIR")?;
    let workspace = Path::new(manifest.trim()).parent().context("cargo named no workspace")?;
    Ok(workspace.join("target"))
}

/// Best effort: a run that cannot be removed only takes room.
fn remove_old_runs(runs: &Path, keep: usize) {
    let Ok(entries) = fs::read_dir(runs) else { return };
    let mut old: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|run| !is_in_use(run))
        .collect();
    old.sort();
    old.truncate(old.len().saturating_sub(keep));
    for run in old {
        if fs::remove_dir_all(&run).is_err() {
            crate::process::say(&format!("could not remove the old run {}", run.display()));
        }
    }
}

/// The name of a run ends in the id of the process that started it.
fn is_in_use(run: &Path) -> bool {
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once('-').is_some_and(|(_, process)| Path::new("/proc").join(process).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_runs_are_removed() {
        let runs = tempfile::tempdir().unwrap();
        let living = runs.path().join(format!("1-{}", std::process::id()));
        let finished = runs.path().join("2-0");
        let newest = runs.path().join("3-0");
        for run in [&living, &finished, &newest] {
            fs::create_dir(run).unwrap();
        }
        remove_old_runs(runs.path(), 1);
        assert!(living.is_dir() && !finished.exists() && newest.is_dir());
    }
}
