//! Block devices of the device mapper, whose behaviour can be changed while they are in use.

use super::{knobs, modules};
use crate::process::output_of;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a mapped device does with what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Hands it on.
    Linear,
    /// Hands it on, reads after so long, in whole milliseconds. Below 50 ms the kernel polls (6.8 and later),
    /// which takes counted time of a processor: `flush_worker_fn`, drivers/md/dm-delay.c.
    SlowReads(Duration),
    /// Fails every write.
    FailingWrites,
    /// Fails everything.
    Failing,
}

/// A device of the device mapper over all of another device. The scenario packs `dmsetup`.
#[derive(Debug)]
pub struct Mapped {
    name: &'static str,
    below: PathBuf,
}

impl Mapped {
    /// Makes `/dev/mapper/NAME`: a node of its own, as there is no udev to make it a link to `/dev/dm-0`.
    pub fn create(name: &'static str, below: &Path, behaviour: Behaviour) -> Result<Self> {
        for module in ["dm-mod", "dm-delay", "dm-flakey"] {
            modules::load(module, &[])?;
        }
        let mapped = Self { name, below: below.to_owned() };
        dmsetup(&["create", name, "--table", &mapped.table(behaviour)?])?;
        Ok(mapped)
    }

    /// Changes what it does from now on. What it has under way ends first.
    pub fn change(&self, behaviour: Behaviour) -> Result<()> {
        dmsetup(&["load", self.name, "--table", &self.table(behaviour)?])?;
        dmsetup(&["suspend", "--nolockfs", self.name])?;
        dmsetup(&["resume", self.name])
    }

    /// Lies over another device of the same size from now on. What is under way ends first.
    pub fn move_to(&mut self, below: &Path) -> Result<()> {
        below.clone_into(&mut self.below);
        self.change(Behaviour::Linear)
    }

    /// Takes it away; nobody may use it any more.
    pub fn remove(self) -> Result<()> {
        dmsetup(&["remove", self.name])
    }

    /// The device file.
    #[must_use]
    pub fn device(&self) -> PathBuf {
        Path::new("/dev/mapper").join(self.name)
    }

    fn table(&self, behaviour: Behaviour) -> Result<String> {
        let name =
            self.below.file_name().and_then(|name| name.to_str()).context("device path is not text")?;
        let sectors = knobs::read(format!("/sys/class/block/{name}/size"))?;
        Ok(table(&sectors, &self.below.to_string_lossy(), behaviour))
    }
}

fn table(sectors: &str, below: &str, behaviour: Behaviour) -> String {
    let target = match behaviour {
        Behaviour::Linear => format!("linear {below} 0"),
        Behaviour::SlowReads(time) => format!("delay {below} 0 {} {below} 0 0", time.as_millis()),
        // Never up, always down.
        Behaviour::FailingWrites => format!("flakey {below} 0 0 1 1 error_writes"),
        Behaviour::Failing => "error".to_owned(),
    };
    format!("0 {sectors} {target}")
}

fn dmsetup(arguments: &[&str]) -> Result<()> {
    // Without udev it makes the nodes itself, if told so.
    output_of(Command::new("dmsetup").args(arguments).env("DM_DISABLE_UDEV", "1").stdin(Stdio::null()))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let table = |behaviour| table("8192", "/dev/nullb0", behaviour);
        assert_eq!(table(Behaviour::Linear), "0 8192 linear /dev/nullb0 0");
        let slow = Behaviour::SlowReads(Duration::from_millis(60));
        assert_eq!(table(slow), "0 8192 delay /dev/nullb0 0 60 /dev/nullb0 0 0");
        assert_eq!(table(Behaviour::FailingWrites), "0 8192 flakey /dev/nullb0 0 0 1 1 error_writes");
        assert_eq!(table(Behaviour::Failing), "0 8192 error");
    }
}
