//! A tenant that takes what it can get from the daemon: its page, and its attention for cgroups that come and
//! go.

use crate::guest::http;
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// What it does, until it is killed.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where the page of metrics is.
    #[arg(long)]
    address: String,
    /// Clients that ask for it one request after the other.
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// A cgroup below which others come and go.
    #[arg(long)]
    churn: PathBuf,
}

/// Between two requests of a client. Without it nothing else runs on a single emulated processor, whose
/// second takes ten of a wall clock then.
const BREATH: Duration = Duration::from_millis(50);
/// A cgroup comes, and another one goes, each time.
const PERIOD: Duration = Duration::from_millis(50);
/// So many are there at a time.
const ALIVE: u64 = 40;

/// Asks and makes.
pub fn run(settings: &Settings) -> Result<()> {
    for _ in 0..settings.clients {
        let address = settings.address.clone();
        thread::spawn(move || {
            loop {
                // Whether it is refused does not matter to it.
                drop(http::get(&address, "/metrics"));
                thread::sleep(BREATH);
            }
        });
    }
    for turn in 0.. {
        come_and_go(&settings.churn, turn)?;
        thread::sleep(PERIOD);
    }
    Ok(())
}

fn come_and_go(parent: &Path, turn: u64) -> Result<()> {
    let comes = parent.join(format!("churn-{turn}"));
    fs::create_dir(&comes).with_context(|| format!("cannot create {}", comes.display()))?;
    if let Some(goes) = turn.checked_sub(ALIVE) {
        let goes = parent.join(format!("churn-{goes}"));
        fs::remove_dir(&goes).with_context(|| format!("cannot remove {}", goes.display()))?;
    }
    Ok(())
}
