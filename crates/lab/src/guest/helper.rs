//! What the lab's own program does for its scenarios in other processes.

use super::peers::{adaptivemm, senpai};
use super::{Cgroup, cgroup};
use crate::work::{bursts, compile, greedy, load, neighbour, reader};
use anyhow::{Context, Result};
use clap::Subcommand;
use nix::unistd::{Gid, Uid, chroot, setgid, setgroups, setuid};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of these.
#[derive(Debug, Subcommand)]
pub enum Helper {
    /// Move into a cgroup, then become another program.
    ExecIn {
        /// The directory that shall be its root.
        #[arg(long)]
        root: Option<PathBuf>,
        /// The user and the group that it shall be.
        #[arg(long)]
        user: Option<u32>,
        /// The cgroup's directory.
        cgroup: PathBuf,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Squeeze a cgroup as senpai.py does, until SIGTERM.
    Senpai {
        /// The cgroup's directory.
        cgroup: PathBuf,
        /// How it squeezes.
        #[command(flatten)]
        settings: senpai::Settings,
    },
    /// Send requests to redis and nginx, and measure each.
    Load(load::Settings),
    /// Compile again and again, and measure each compile.
    Compile(compile::Settings),
    /// Touch a mapped device from its beginning to its end, again and again.
    Reader(reader::Settings),
    /// Take memory in bursts and give it back, and measure each first touch.
    Bursts(bursts::Settings),
    /// Set the watermarks as Oracle's adaptivemm does, until SIGTERM.
    Adaptivemm(adaptivemm::Settings),
    /// Ask for pages of metrics, and let cgroups come and go, until killed.
    Greedy(greedy::Settings),
    /// Run for an instant on a processor, again and again, until killed.
    Neighbour(neighbour::Settings),
}

impl Helper {
    /// Does it.
    pub fn run(self) -> Result<()> {
        match self {
            Self::ExecIn { root, user, cgroup, command } => exec_in(root.as_deref(), user, &cgroup, &command),
            Self::Senpai { cgroup, settings } => senpai::run(&Cgroup::at(&cgroup), settings),
            Self::Load(settings) => load::run(&settings),
            Self::Compile(settings) => compile::run(&settings),
            Self::Reader(settings) => reader::run(&settings),
            Self::Bursts(settings) => bursts::run(&settings),
            Self::Adaptivemm(settings) => adaptivemm::run(&settings),
            Self::Greedy(settings) => greedy::run(&settings),
            Self::Neighbour(settings) => neighbour::run(&settings),
        }
    }
}

fn exec_in(root: Option<&Path>, user: Option<u32>, cgroup: &Path, command: &[String]) -> Result<()> {
    cgroup::enter(cgroup)?;
    if let Some(root) = root {
        chroot(root).with_context(|| format!("cannot make {} the root", root.display()))?;
        std::env::set_current_dir("/").context("cannot go to the new root")?;
    }
    if let Some(user) = user {
        setgroups(&[]).context("cannot leave root's groups")?;
        setgid(Gid::from_raw(user)).context("cannot change the group")?;
        setuid(Uid::from_raw(user)).context("cannot change the user")?;
    }
    let (program, args) = command.split_first().context("no command given")?;
    Err(Command::new(program).args(args).exec()).with_context(|| format!("cannot start {program}"))
}
