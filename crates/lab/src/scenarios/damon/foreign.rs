//! Somebody else's kdamond, made with plain writes.

use crate::guest::knobs;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const KDAMONDS: &str = "/sys/kernel/mm/damon/admin/kdamonds";

/// A kdamond of another program in the first of two directories; the second is vacant.
#[derive(Debug)]
pub(super) struct Foreign {
    pid: String,
    files: BTreeMap<PathBuf, String>,
}

impl Foreign {
    pub(super) fn start() -> Result<Self> {
        let at = |file: &str| format!("{KDAMONDS}/0/contexts/0/{file}");
        knobs::write(format!("{KDAMONDS}/nr_kdamonds"), "2")?;
        knobs::write(format!("{KDAMONDS}/0/contexts/nr_contexts"), "1")?;
        knobs::write(at("operations"), "paddr")?;
        knobs::write(at("monitoring_attrs/intervals/sample_us"), "50000")?;
        knobs::write(at("monitoring_attrs/intervals/aggr_us"), "1000000")?;
        knobs::write(at("targets/nr_targets"), "1")?;
        knobs::write(at("targets/0/regions/nr_regions"), "1")?;
        knobs::write(at("targets/0/regions/0/start"), "1048576")?;
        knobs::write(at("targets/0/regions/0/end"), "134217728")?;
        knobs::write(at("schemes/nr_schemes"), "1")?;
        knobs::write(at("schemes/0/access_pattern/age/max"), "77")?;
        knobs::write(format!("{KDAMONDS}/0/state"), "on")?;
        let pid = knobs::read(format!("{KDAMONDS}/0/pid"))?;
        let mut files = BTreeMap::new();
        list(&Path::new(KDAMONDS).join("0"), &mut files)?;
        Ok(Self { pid, files })
    }

    pub(super) fn pid(&self) -> &str {
        &self.pid
    }

    /// Every file as it was, and the same thread.
    pub(super) fn is_untouched(&self) -> Result<()> {
        let mut files = BTreeMap::new();
        list(&Path::new(KDAMONDS).join("0"), &mut files)?;
        ensure!(files.len() > 30, "the foreign kdamond has only {} files", files.len());
        for (path, before) in &self.files {
            let now = files.get(path).map_or("nothing", String::as_str);
            ensure!(
                now == before,
                "{} of the foreign kdamond: {before:?} has become {now:?}",
                path.display()
            );
        }
        ensure!(knobs::read(format!("{KDAMONDS}/0/state"))? == "on", "the foreign kdamond does not run");
        Ok(())
    }

    pub(super) fn stop(self) -> Result<()> {
        ensure!(kdamonds()? == [self.pid], "not the foreign kdamond alone is left");
        knobs::write(format!("{KDAMONDS}/0/state"), "off")?;
        knobs::write(format!("{KDAMONDS}/nr_kdamonds"), "0")
    }
}

/// Every readable file below a directory.
fn list(directory: &Path, files: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.insert(entry.path(), text);
        }
    }
    Ok(())
}

/// Process ids of all kdamonds, from the names of the kernel's threads.
pub(super) fn kdamonds() -> Result<Vec<String>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if name.starts_with("kdamond.") {
            pids.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    pids.sort();
    Ok(pids)
}
