//! What the bench makes on a host is written down before it is made, so that it can be undone after a kill.

use crate::guest::{Cgroup, knobs};
use crate::process::{output, output_of};
use anyhow::{Context, Result};
use lowtide_kernfs::{Root, swap_off};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the record of a host is, whatever directory a run works in: the next start finds it.
pub const PATH: &str = "/run/lowtide-bench.record";

/// One thing that is made, in the order of making.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "made", rename_all = "snake_case")]
pub enum Made {
    /// A directory with all that is in it.
    Directory {
        /// Its path.
        path: PathBuf,
    },
    /// What lowtide sets, which it journals below its directory.
    Daemon {
        /// Its configuration and its state are there.
        directory: PathBuf,
    },
    /// A module of the kernel.
    Module {
        /// Its name.
        name: String,
    },
    /// A zram device.
    Zram {
        /// Its number.
        index: u32,
    },
    /// A swap device.
    Swap {
        /// Its file.
        device: PathBuf,
    },
    /// Controllers of the cgroup root that were off for its children.
    Controllers {
        /// Such as `io`.
        names: Vec<String>,
    },
    /// A cgroup with all cgroups and processes in it.
    Cgroup {
        /// Its directory.
        path: PathBuf,
    },
}

impl Made {
    /// Takes it away. What was never made, or is gone already, is fine.
    fn undo(&self) -> Result<()> {
        match self {
            Self::Directory { path } if path.is_dir() => {
                fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))
            }
            Self::Daemon { directory } if directory.join("state").is_dir() => restore(directory),
            Self::Module { name } if Path::new("/sys/module").join(name).is_dir() => {
                output("modprobe", &["-r", name]).map(drop)
            }
            Self::Zram { index } if Path::new(&format!("/sys/block/zram{index}")).is_dir() => {
                knobs::write("/sys/class/zram-control/hot_remove", &index.to_string())
            }
            Self::Swap { device } if is_swap(device)? => {
                swap_off(&Root::open("/")?, device).context("cannot switch swap off")
            }
            Self::Controllers { names } => {
                let off: Vec<_> = names.iter().map(|name| format!("-{name}")).collect();
                knobs::write("/sys/fs/cgroup/cgroup.subtree_control", &off.join(" "))
            }
            Self::Cgroup { path } if path.is_dir() => remove_tree(path),
            Self::Directory { .. }
            | Self::Daemon { .. }
            | Self::Module { .. }
            | Self::Zram { .. }
            | Self::Swap { .. }
            | Self::Cgroup { .. } => Ok(()),
        }
    }
}

/// Puts back what a daemon that was killed had set; the pack has the program beside this one.
fn restore(directory: &Path) -> Result<()> {
    let lowtide = std::env::current_exe().context("cannot find this program")?.with_file_name("lowtide");
    let mut command = Command::new(lowtide);
    output_of(command.arg("restore").arg("--config").arg(directory.join("lowtide.yaml"))).map(drop)
}

fn is_swap(device: &Path) -> Result<bool> {
    let swaps = knobs::read("/proc/swaps")?;
    let device = device.to_string_lossy();
    Ok(swaps.lines().any(|line| line.split_whitespace().next() == Some(&*device)))
}

/// Kills all that runs in a cgroup and below it, then removes it from the deepest up.
fn remove_tree(path: &Path) -> Result<()> {
    knobs::write(path.join("cgroup.kill"), "1")?;
    for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    Cgroup::at(path).remove()
}

/// The record, locked for one run at a time.
#[derive(Debug)]
pub struct Record {
    file: Flock<File>,
}

impl Record {
    /// Opens it; an error if another run has it.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::options().read(true).append(true).create(true).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error);
        let file = file.with_context(|| format!("{} is locked: a bench is running", path.display()))?;
        Ok(Self { file })
    }

    /// Writes down what is about to be made, to the disk.
    pub fn note(&mut self, made: &Made) -> Result<()> {
        let line = format!("{}\n", serde_json::to_string(made)?);
        self.file.write_all(line.as_bytes()).context("cannot write the record")?;
        self.file.sync_data().context("cannot write the record to its disk")
    }

    /// What it has; a last line that was cut off names nothing that was made.
    pub fn made(&mut self) -> Result<Vec<Made>> {
        let mut text = String::new();
        self.file.rewind().context("cannot read the record")?;
        self.file.read_to_string(&mut text).context("cannot read the record")?;
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole
            .map(|line| serde_json::from_str(line).with_context(|| format!("record line {line:?}")))
            .collect()
    }

    /// Undoes all of it, the last first, and empties the record if nothing is left. Says what it undid.
    pub fn undo(&mut self) -> Result<usize> {
        let made = self.made()?;
        let mut failed = Vec::new();
        for one in made.iter().rev() {
            if let Err(error) = one.undo() {
                failed.push(format!("{error:#}"));
            }
        }
        anyhow::ensure!(
            failed.is_empty(),
            "not everything could be cleaned up: {}; see {PATH}",
            failed.join("; ")
        );
        self.file.set_len(0).context("cannot empty the record")?;
        Ok(made.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &Path) -> Record {
        Record::open(path).unwrap()
    }

    #[test]
    fn what_a_killed_run_made_is_undone_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let (path, work) = (directory.path().join("record"), directory.path().join("work"));
        let mut killed = record(&path);
        killed.note(&Made::Directory { path: work.clone() }).unwrap();
        killed.note(&Made::Directory { path: directory.path().join("never-made") }).unwrap();
        fs::create_dir(&work).unwrap();
        fs::write(work.join("file"), "x").unwrap();
        drop(killed);
        let mut next = record(&path);
        assert_eq!(next.undo().unwrap(), 2);
        assert!(!work.exists());
        assert!(next.made().unwrap().is_empty());
    }

    #[test]
    fn a_line_cut_off_by_the_kill_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record");
        fs::write(&path, "{\"made\":\"zram\",\"index\":3}\n{\"made\":\"sw").unwrap();
        assert_eq!(record(&path).made().unwrap(), [Made::Zram { index: 3 }]);
    }

    #[test]
    fn only_one_run_has_the_record() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record");
        let _first = record(&path);
        let error = Record::open(&path).unwrap_err();
        assert!(error.to_string().contains("a bench is running"));
    }
}
