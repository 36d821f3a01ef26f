//! What a hostile tenant makes below its own cgroup.

use crate::guest::{Cgroup, cgroup, knobs};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How much of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowd {
    /// Cgroups in one directory, without a process.
    pub(super) flat: usize,
    /// Levels below each other.
    pub(super) deep: usize,
    /// Cgroups with a process at the deepest level.
    pub(super) leaves: usize,
    /// Cgroups with a process that has memory to give, below the tenant's own.
    pub(super) holders: usize,
    /// The same without zswap, so that their pages go to the disk.
    pub(super) hung: usize,
}

/// The tenant, and its processes.
pub(super) struct Hostile {
    top: Cgroup,
    children: Vec<Child>,
}

const HELD: &str = "2M";
/// More pages than the disk's queue has places, whatever is left to it.
const HUNG: &str = "8M";
/// Names that a host's own services have, or that a terminal would obey.
const NAMES: [&str; 4] = ["ssh.service", "docker-x.scope", "\u{1b}[2J\u{1b}[31mred", "\u{202e}txt.exe"];

impl Hostile {
    /// Makes all of it.
    pub(super) fn make(crowd: Crowd) -> Result<Self> {
        let top = Cgroup::create("evil/tenant/box")?;
        let mut hostile = Self { top, children: Vec::new() };
        hostile.crowd(crowd)?;
        for number in 0..crowd.holders {
            hostile.hold(&format!("holders/{number}"))?;
        }
        for number in 0..crowd.hung {
            // Not among those that come and go: before 7.3 a removal waits for the write, with a lock that
            // all others want.
            let hung = hostile.hold_much(&format!("hung/{number}"), HUNG)?;
            hung.write("memory.zswap.max", "0")?;
        }
        for name in NAMES {
            hostile.hold(&format!("names/{name}/inside"))?;
        }
        // What is granted counts, not what is claimed; and what may not be swapped is not asked for.
        let claims = hostile.hold("claims/low")?;
        claims.write("memory.low", "max")?;
        hostile.hold("no-swap/inside")?;
        hostile.at("no-swap").write("memory.swap.max", "0")?;
        Ok(hostile)
    }

    /// Asks for pages of metrics, and lets cgroups come and go, until the end.
    pub(super) fn begin(&mut self, address: &str) -> Result<()> {
        let churned = Cgroup::create(&format!("{}/churned", self.top.name()))?;
        let asking = Cgroup::create(&format!("{}/asking", self.top.name()))?;
        let mut command = asking.helper();
        command.args(["greedy", "--address", address, "--churn"]).arg(churned.path());
        self.children.push(start(command)?);
        Ok(())
    }

    /// How many cgroups there are below it.
    pub(super) fn cgroups(&self) -> Result<u64> {
        self.top.stat("cgroup.stat", "nr_descendants")
    }

    /// Ends its processes. Its cgroups stay.
    pub(super) fn end(mut self) -> Result<()> {
        self.top.write("cgroup.kill", "1")?;
        for child in &mut self.children {
            child.wait()?;
        }
        Ok(())
    }

    fn at(&self, name: &str) -> Cgroup {
        Cgroup::at(&self.top.path().join(name))
    }

    fn crowd(&mut self, crowd: Crowd) -> Result<()> {
        let flat = Cgroup::create(&format!("{}/flat", self.top.name()))?;
        knobs::write(flat.path().join("cgroup.subtree_control"), "+memory")?;
        for number in 0..crowd.flat {
            make(&flat.path().join(number.to_string()))?;
        }
        let deepest = deep(&Cgroup::create(&format!("{}/deep", self.top.name()))?, crowd.deep)?;
        for number in 0..crowd.leaves {
            let leaf = deepest.join(number.to_string());
            make(&leaf)?;
            self.children.push(start_in(&Cgroup::at(&leaf), HELD)?);
        }
        Ok(())
    }

    fn hold(&mut self, name: &str) -> Result<Cgroup> {
        self.hold_much(name, HELD)
    }

    fn hold_much(&mut self, name: &str, held: &str) -> Result<Cgroup> {
        let cgroup = Cgroup::create(&format!("{}/{name}", self.top.name()))?;
        self.children.push(start_in(&cgroup, held)?);
        Ok(cgroup)
    }
}

/// One below the other. Paths of files end at PATH_MAX, so each is made from within the one above.
fn deep(top: &Cgroup, levels: usize) -> Result<PathBuf> {
    let mut path = top.path().to_owned();
    for _ in 0..levels {
        knobs::write(path.join("cgroup.subtree_control"), "+memory")?;
        path.push("d");
        make(&path)?;
    }
    knobs::write(path.join("cgroup.subtree_control"), "+memory")?;
    Ok(path)
}

fn make(path: &Path) -> Result<()> {
    fs::create_dir(path).with_context(|| format!("cannot create {}", path.display()))
}

/// This process enters the cgroup first: its child is born there, and needs no second program to move it.
fn start_in(cgroup: &Cgroup, held: &str) -> Result<Child> {
    cgroup::enter(cgroup.path())?;
    let mut command = Command::new(cgroup::helper());
    command.args(["hold", held]);
    let child = start(command);
    cgroup::enter(&Path::new(cgroup::ROOT).join(super::HOME))?;
    child
}

fn start(mut command: Command) -> Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start lab-guest")
}
