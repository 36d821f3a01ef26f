//! Whether a host can be used, and what is made on it.

use super::options::Options;
use super::record::{Made, Record};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Zram, cgroup, knobs};
use crate::process::output_of;
use crate::size::mib;
use crate::work::agents::Agents;
use anyhow::{Context, Result, bail, ensure};
use lowtide_kernfs::{Root, swap_on};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The controllers that the groups need.
const CONTROLLERS: [&str; 2] = ["memory", "io"];
/// Of the priorities of swap devices: it is used first.
const HIGHEST: u16 = 32_767;
/// The cgroup that has all others.
pub const GROUPS: &str = "lowtide-bench";

/// Refuses a host that was not meant, or that cannot do it. Changes nothing.
pub fn check(options: &Options) -> Result<()> {
    ensure!(
        options.this_host_may_be_changed,
        "this makes cgroups, a zram device, swap on it and load on this host: say --this-host-may-be-changed if it may"
    );
    ensure!(nix::unistd::geteuid().is_root(), "this needs root");
    let controllers = knobs::read(Path::new(cgroup::ROOT).join("cgroup.controllers"));
    let controllers = controllers.context("no cgroup v2 is mounted at /sys/fs/cgroup")?;
    for controller in CONTROLLERS {
        let there = controllers.split_whitespace().any(|name| name == controller);
        ensure!(there, "cgroup v2 has no controller {controller} here: {controllers:?}");
    }
    ensure!(
        Path::new("/proc/pressure/memory").exists(),
        "this kernel measures no pressure: boot it with psi=1"
    );
    ensure!(options.groups.len() > 1, "--groups needs two at least");
    let needed = options.size.work().memory() * options.groups.len() as u64;
    let there = available()?;
    ensure!(
        needed < there,
        "the groups need {:.0} MiB of memory, and {:.0} MiB are available: choose a smaller --size",
        mib(needed),
        mib(there)
    );
    Ok(())
}

fn available() -> Result<u64> {
    let text = knobs::read("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).context("/proc/meminfo has no MemAvailable")
}

/// What a run has on the host.
#[derive(Debug)]
pub struct Host {
    /// The directory of the run.
    pub directory: PathBuf,
    /// The device that all groups swap to.
    pub zram: Zram,
}

/// Makes it, each thing noted before.
pub fn set_up(options: &Options, record: &mut Record, busybox: &Path) -> Result<Host> {
    let directory = options.work.join(format!("lowtide-bench-{}", std::process::id()));
    record.note(&Made::Directory { path: directory.clone() })?;
    std::fs::create_dir(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    if !Path::new("/sys/class/zram-control").is_dir() {
        record.note(&Made::Module { name: "zram".into() })?;
        crate::guest::modules::load("zram", &["num_devices=0"])?;
    }
    let room = options.size.work().memory() * options.groups.len() as u64;
    let zram = swap(record, options.zram.unwrap_or(room), busybox)?;
    enable_controllers(record)?;
    let path = Path::new(cgroup::ROOT).join(GROUPS);
    if path.exists() {
        bail!("{} is there already, and not of a run that was recorded", path.display());
    }
    // Undone after the cgroup, in which the daemon is killed, and before the directory.
    let daemon = agent_directory(&directory, Agents::Lowtide);
    record.note(&Made::Daemon { directory: daemon })?;
    record.note(&Made::Cgroup { path })?;
    Cgroup::create(GROUPS)?;
    Ok(Host { directory, zram })
}

/// Where the files of a group are, in the directory of the run.
#[must_use]
pub fn group_directory(directory: &Path, agents: Agents) -> PathBuf {
    directory.join(agents.name())
}

/// Where those of its agent are.
#[must_use]
pub fn agent_directory(directory: &Path, agents: Agents) -> PathBuf {
    group_directory(directory, agents).join("agent")
}

/// A device has no size, and takes nothing, before its number is noted.
fn swap(record: &mut Record, size: u64, busybox: &Path) -> Result<Zram> {
    let zram = Zram::add()?;
    record.note(&Made::Zram { index: zram.index() })?;
    zram.set_up(&ZramOptions::lz4(size))?;
    let device = zram.device();
    output_of(Command::new(busybox).arg("mkswap").arg(&device))?;
    record.note(&Made::Swap { device: device.clone() })?;
    swap_on(&Root::open("/")?, &device, Some(HIGHEST)).context("cannot switch swap on")?;
    Ok(zram)
}

fn enable_controllers(record: &mut Record) -> Result<()> {
    let on = knobs::read(Path::new(cgroup::ROOT).join("cgroup.subtree_control"))?;
    let missing = CONTROLLERS.iter().filter(|name| !on.split_whitespace().any(|word| word == **name));
    let names: Vec<String> = missing.map(ToString::to_string).collect();
    if names.is_empty() { Ok(()) } else { record.note(&Made::Controllers { names }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn without_the_word_every_host_is_refused() {
        let error = check(&Line::parse_from(["run"]).options).unwrap_err().to_string();
        assert!(error.contains("--this-host-may-be-changed"), "{error}");
    }
}
