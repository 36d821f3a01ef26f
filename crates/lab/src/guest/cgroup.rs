//! cgroup v2 groups for tenants. (The cgroups-rs crate has no memory.reclaim and panics on vanished groups.)

use super::knobs;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where init mounts cgroup v2.
pub const ROOT: &str = "/sys/fs/cgroup";

/// A cgroup made by a scenario.
#[derive(Debug, Clone)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Creates `name`, such as `tenants/web`, with the memory and io controllers enabled for it.
    pub fn create(name: &str) -> Result<Self> {
        let mut path = PathBuf::from(ROOT);
        for part in Path::new(name.trim_matches('/')) {
            enable_controllers(&path)?;
            path.push(part);
            if !path.is_dir() {
                fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
            }
        }
        Ok(Self { path })
    }

    /// The cgroup at a directory that is there already.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path from the cgroup root, as policies and `lowtide status` name it.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.path.strip_prefix(ROOT).unwrap_or(&self.path);
        format!("/{}", name.display())
    }

    /// The text of one of its files.
    pub fn read(&self, file: &str) -> Result<String> {
        knobs::read(self.path.join(file))
    }

    /// A file that holds one number.
    pub fn read_number(&self, file: &str) -> Result<u64> {
        let text = self.read(file)?;
        text.parse().with_context(|| format!("{} has {text:?}", self.path.join(file).display()))
    }

    /// One value of a `name value` file such as `memory.stat`.
    pub fn stat(&self, file: &str, name: &str) -> Result<u64> {
        let text = self.read(file)?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = value.with_context(|| format!("{} has no {name}", self.path.join(file).display()))?;
        value.parse().with_context(|| format!("{name} of {} is {value:?}", self.path.join(file).display()))
    }

    /// Writes one of its files.
    pub fn write(&self, file: &str, value: &str) -> Result<()> {
        knobs::write(self.path.join(file), value)
    }

    /// Moves a process into it.
    pub fn add(&self, process: u32) -> Result<()> {
        self.write("cgroup.procs", &process.to_string())
    }

    /// A command that starts inside this cgroup.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(helper());
        command.arg("exec-in").arg(&self.path).arg("--").arg(program);
        command
    }

    /// The lab's own program in this cgroup; its arguments are to be added.
    #[must_use]
    pub fn helper(&self) -> Command {
        self.command(&helper())
    }

    /// As [`Cgroup::command`], with a directory as the program's root.
    #[must_use]
    pub fn command_in(&self, root: &Path, program: &str) -> Command {
        let mut command = Command::new(helper());
        command.arg("exec-in").arg("--root").arg(root).arg(&self.path).arg("--").arg(program);
        command
    }

    /// As [`Cgroup::command_in`], as a user that is not root.
    #[must_use]
    pub fn command_as(&self, user: u32, root: &Path, program: &str) -> Command {
        let mut command = Command::new(helper());
        command.arg("exec-in").arg("--user").arg(user.to_string()).arg("--root").arg(root).arg(&self.path);
        command.arg("--").arg(program);
        command
    }

    /// Kills what runs in it and removes it.
    pub fn remove(self) -> Result<()> {
        self.write("cgroup.kill", "1")?;
        for _ in 0..100 {
            if fs::remove_dir(&self.path).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::remove_dir(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))
    }
}

/// The lab's own program: in a pack this very one, else the one in PATH.
#[must_use]
pub fn helper() -> String {
    let this = std::env::current_exe().unwrap_or_default();
    let is_bench = this.file_name().is_some_and(|name| name == crate::bench::PROGRAM);
    if is_bench { this.to_string_lossy().into_owned() } else { "lab-guest".to_owned() }
}

fn enable_controllers(parent: &Path) -> Result<()> {
    knobs::write(parent.join("cgroup.subtree_control"), "+memory +io")
}

/// Moves this process into a cgroup.
pub fn enter(path: &Path) -> Result<()> {
    knobs::write(path.join("cgroup.procs"), &std::process::id().to_string())
}
