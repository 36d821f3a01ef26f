//! Who works on the servers' memory.

use super::image::Image;
use crate::guest::{Cgroup, Daemon, Peer};
use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};

/// One agent, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Agents {
    /// Memory stays where it is.
    Nobody,
    /// senpai.py's law, one process for each cgroup. Its own lower bound, 100 MiB, is made for larger
    /// servers.
    Senpai,
    /// The program oomd with its plugin Senpai, from Debian's package.
    Oomd,
    /// The daemon.
    Lowtide,
}

/// Nobody goes below this.
const FLOOR: u64 = 8 << 20;

impl Agents {
    /// As tables name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Senpai => "senpai",
            Self::Oomd => "oomd",
            Self::Lowtide => "lowtide",
        }
    }
}

/// What an agent has to know.
#[derive(Debug)]
pub struct Place<'a> {
    /// The cgroup whose children are the servers'.
    pub parent: &'a Cgroup,
    /// The servers' cgroups.
    pub servers: Vec<&'a Cgroup>,
    /// The agent's own cgroup.
    pub own: &'a Cgroup,
    /// Where its configuration and its log go.
    pub directory: PathBuf,
    /// The image that has oomd.
    pub oomd: Option<PathBuf>,
}

/// An agent at work, in a cgroup of its own.
#[derive(Debug)]
pub enum Running {
    /// None.
    Nobody,
    /// One for each server.
    Senpai(Vec<Peer>),
    /// oomd.
    Oomd(Child),
    /// The daemon.
    Lowtide(Box<Daemon>),
}

impl Running {
    /// Starts it.
    pub fn start(agents: Agents, place: &Place) -> Result<Self> {
        let floor = FLOOR.to_string();
        Ok(match agents {
            Agents::Nobody => Self::Nobody,
            Agents::Senpai => {
                let peer = |server: &&Cgroup| {
                    let peer = Peer::start("senpai", server, &["--min-size", &floor])?;
                    place.own.add(peer.id()).map(|()| peer)
                };
                Self::Senpai(place.servers.iter().map(peer).collect::<Result<_>>()?)
            }
            Agents::Oomd => {
                let oomd = start_oomd(place)?;
                place.own.add(oomd.id())?;
                Self::Oomd(oomd)
            }
            Agents::Lowtide => {
                let daemon = Daemon::launch_in(&place.directory, &lowtide(place.parent))?;
                place.own.add(daemon.id())?;
                Self::Lowtide(Box::new(daemon))
            }
        })
    }

    /// The daemon, if it is one.
    #[must_use]
    pub fn lowtide(&self) -> Option<&Daemon> {
        match self {
            Self::Lowtide(daemon) => Some(daemon),
            Self::Nobody | Self::Senpai(_) | Self::Oomd(_) => None,
        }
    }

    /// Ends it.
    pub fn stop(self) -> Result<()> {
        match self {
            Self::Nobody => Ok(()),
            Self::Senpai(peers) => peers.into_iter().try_for_each(Peer::stop),
            Self::Oomd(mut child) => {
                let ended = child.try_wait().context("cannot ask for oomd")?;
                anyhow::ensure!(ended.is_none(), "oomd ended by itself");
                kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)
                    .context("cannot end oomd")?;
                child.wait().map(drop).context("cannot wait for oomd")
            }
            Self::Lowtide(daemon) => daemon.stop(),
        }
    }
}

/// Defaults, but for how long memory must have been idle, how fast it may go, and how far down.
fn lowtide(parent: &Cgroup) -> String {
    let parent = parent.name();
    format!(
        "hotness: {{}}\npolicies:\n  - name: servers\n    match: [{parent}/*]\n    mode: full\n    cold_after: 30s\n\
         \x20   limits: {{ per_minute: 20%, floor: 8MiB }}\n"
    )
}

/// Its plugin's defaults, but for the lower bound and for `immediate_backoff`, which is what Meta runs.
fn start_oomd(place: &Place) -> Result<Child> {
    let root = place.oomd.as_deref().context("no image has oomd")?;
    let parent = place.parent.name();
    let senpai = json!({
        "cgroup": format!("{}/*", parent.trim_start_matches('/')),
        "limit_min_bytes": FLOOR.to_string(), "immediate_backoff": "true",
    });
    let ruleset = json!({
        "name": "senpai",
        "detectors": [["always", { "name": "continue", "args": {} }]],
        "actions": [{ "name": "senpai", "args": senpai }],
    });
    let file = |name: &str| place.directory.join(name);
    fs::create_dir_all(file("run")).context("cannot create oomd's directory")?;
    fs::write(file("oomd.json"), serde_json::to_string_pretty(&json!({ "rulesets": [ruleset] }))?)
        .context("cannot write oomd's configuration")?;
    let log = File::create(file("oomd.log")).context("cannot create oomd's log")?;
    let mut command = Image::at(root).command("oomd");
    command.arg("--config").arg(file("oomd.json")).arg("--kmsg-override").arg(file("kills"));
    command.arg("--runtime-dir").arg(file("run"));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("cannot start oomd")
}
