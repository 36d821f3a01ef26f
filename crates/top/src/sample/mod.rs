//! What is looked at, and read from where: plain data, with counters as they are kept.

mod kernel;
mod status;
mod tenant;

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use lowtide_core::{Stall, Tier};
use lowtide_host::{Counters, Kswapd, Meminfo, Zone};
use lowtide_tiers::Traffic;

pub use kernel::Kernel;
pub use status::{Sampling, Status, StatusError, Store};
pub use tenant::{
    Account, Action, Decided, Entry, Figures, Hotness, Memory, Placed, Stalls, Tenant, WorkingSet,
};

/// Everything at one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When, by the system's clock.
    pub at: SystemTime,
    /// When, by a clock that only goes forward. Rates are made with it.
    pub clock: Duration,
    /// What the kernel tells.
    pub host: Host,
    /// What the daemon tells.
    pub daemon: Daemon,
}

/// The host, from files that anybody may read.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// /proc/meminfo.
    pub meminfo: Meminfo,
    /// /proc/vmstat.
    pub counters: Counters,
    /// Zones that have pages, node by node.
    pub zones: Vec<Zone>,
    /// The kswapd threads that /proc shows.
    pub kswapds: Vec<Kswapd>,
    /// Pressure since boot.
    pub pressure: Pressure,
    /// Where offloaded pages can live.
    pub tiers: Vec<TierSample>,
    /// What could not be read, and was left out.
    pub problems: Vec<String>,
}

/// Time stalled since boot; `None` where pressure is not measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pressure {
    /// On memory.
    pub memory: Option<Stall>,
    /// On block I/O.
    pub io: Option<Stall>,
    /// On processors.
    pub cpu: Option<Stall>,
}

/// A tier, and what moved into it and out of it so far.
#[derive(Debug, Clone)]
pub struct TierSample {
    /// What it is and holds.
    pub tier: Tier,
    /// `written` went in, `read` came back; `None` where nobody counts that, as for a swap file.
    pub traffic: Option<Traffic>,
}

/// What the daemon answered.
#[derive(Debug, Clone)]
pub enum Daemon {
    /// This.
    Answers(Box<Status>),
    /// Nothing that could be used.
    Silent(Silence),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// The socket that was asked.
    pub socket: PathBuf,
    /// What happened.
    pub why: String,
}
