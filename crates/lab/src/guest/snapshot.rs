//! Every setting of the host that lowtide could have changed, as the kernel shows it.

use super::{cgroup, knobs};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Directories whose writable files are all taken, with what is below them.
const TREES: [&str; 7] = [
    cgroup::ROOT,
    "/proc/sys/vm",
    "/sys/kernel/mm",
    "/sys/devices/virtual/block",
    "/sys/module/zswap/parameters",
    "/sys/module/zram/parameters",
    "/sys/module/damon_stat/parameters",
];

/// Single files beside them.
const FILES: [&str; 2] =
    ["/proc/sys/kernel/numa_balancing", "/proc/sys/kernel/numa_balancing_promote_rate_limit_MBps"];

/// Writable files that show a measurement or a membership and not a setting.
const NO_SETTINGS: [&str; 9] = [
    "cgroup.procs",
    "cgroup.threads",
    "cpu.pressure",
    "io.pressure",
    "irq.pressure",
    "memory.pressure",
    "memory.peak",
    "memory.swap.peak",
    // A bit for each page of the machine.
    "bitmap",
];

/// The settings at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    values: BTreeMap<PathBuf, String>,
}

impl Snapshot {
    /// Reads every one of them.
    pub fn take() -> Result<Self> {
        let mut values = BTreeMap::new();
        for tree in TREES.map(Path::new).into_iter().filter(|tree| tree.is_dir()) {
            walk(tree, &mut values)?;
        }
        for file in FILES.map(Path::new).into_iter().filter(|file| file.is_file()) {
            values.insert(file.to_owned(), knobs::read(file)?);
        }
        values.insert("/sys/block".into(), names("/sys/block")?);
        values.insert("/proc/swaps".into(), swaps(&knobs::read("/proc/swaps")?));
        Ok(Self { values })
    }

    /// How many settings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What is not as it was in `before`, one line each.
    #[must_use]
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let gone = before.values.keys().filter(|path| !self.values.contains_key(*path));
        let gone = gone.map(|path| format!("{}: gone", path.display()));
        let changed = self.values.iter().filter(|(path, value)| before.values.get(*path) != Some(value));
        let changed = changed.map(|(path, value)| {
            let was = before.values.get(path).map_or("not there", String::as_str);
            format!("{}: was `{was}`, is `{value}`", path.display())
        });
        gone.chain(changed).collect()
    }
}

/// Which block devices there are.
fn names(directory: &str) -> Result<String> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {directory}"))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names.join(" "))
}

fn walk(directory: &Path, values: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        let path = entry.path();
        let kind = entry.file_type().with_context(|| format!("cannot look at {}", path.display()))?;
        if kind.is_dir() {
            walk(&path, values)?;
        } else if kind.is_file() && is_setting(&path)? {
            values.insert(path.clone(), value(&path));
        }
    }
    Ok(())
}

/// Root may read everything, so the file's mode says whether there is something to read and to write.
fn is_setting(path: &Path) -> Result<bool> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if NO_SETTINGS.contains(&name) {
        return Ok(false);
    }
    let found = fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    Ok(found.permissions().mode() & 0o600 == 0o600)
}

/// That a file cannot be read now is a value too: it has to stay so.
fn value(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim_end().to_owned(),
        Err(error) => format!("unreadable: {error}"),
    }
}

/// Devices, sizes and priorities, without what is used.
fn swaps(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let kept = words.iter().enumerate().filter(|(column, _)| *column != 3);
        kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_of_a_swap_device_is_no_setting() {
        let text = "Filename Type Size Used Priority\n/dev/zram0 partition 524284 1024 100";
        assert_eq!(swaps(text), "Filename Type Size Priority\n/dev/zram0 partition 524284 100");
    }

    #[test]
    fn each_kind_of_difference_is_named() {
        let take = |values: &[(&str, &str)]| {
            let owned = values.iter().map(|(path, value)| (PathBuf::from(path), (*value).to_owned()));
            Snapshot { values: owned.collect() }
        };
        let before = take(&[("/a", "1"), ("/b", "1")]);
        let after = take(&[("/b", "2"), ("/c", "3")]);
        assert_eq!(
            after.differences(&before),
            ["/a: gone", "/b: was `1`, is `2`", "/c: was `not there`, is `3`"]
        );
        assert!(before.differences(&before).is_empty());
    }

    #[test]
    fn only_writable_files_are_settings() {
        let directory = tempfile::tempdir().unwrap();
        for (name, mode) in [("knob", 0o644), ("figure", 0o444), ("command", 0o200), ("memory.peak", 0o644)] {
            let path = directory.path().join(name);
            fs::write(&path, "1\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let mut values = BTreeMap::new();
        walk(directory.path(), &mut values).unwrap();
        assert_eq!(values.into_iter().collect::<Vec<_>>(), [(directory.path().join("knob"), "1".into())]);
    }
}
