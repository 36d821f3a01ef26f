//! What two samples say: sizes as they are, counters as rates.

mod host;
mod looks;
mod rate;
mod recorded;
mod tenants;
mod tiers;

use std::{
    collections::VecDeque,
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;

pub use host::{Counted, Event, Fill, Host, Kswapd, Pressure, Reclaim, Size, Zone};
pub use rate::{change, per_second};
pub use tenants::{Account, Decision, Entry, Moment, Tenant, WorkingSet};
pub use tiers::{Cost, Sunk, Tier};

use crate::sample::{self, Daemon, Sample, Silence, Status};
use tenants::Moments;

/// All that is shown of one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Model {
    /// Seconds since 1970.
    pub at: u64,
    /// The time that the host's rates are over; `None` with one sample, which has none.
    pub over: Option<Duration>,
    /// Who told of the tenants.
    pub daemon: Informant,
    /// The host.
    pub host: Host,
    /// Where offloaded pages can live.
    pub tiers: Vec<Tier>,
    /// The targets, as the daemon goes through them; none if it does not answer.
    pub tenants: Vec<Tenant>,
    /// What could not be read, and what the daemon says is wrong.
    pub problems: Vec<String>,
}

/// The daemon, if it answers.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Informant {
    /// It does.
    Answers {
        /// Since its start.
        uptime: Duration,
        /// Turns of its loop.
        ticks: u64,
        /// Offloaded, less what the tiers take for it, less the daemon itself. Bytes, may be negative.
        net_saved: i64,
        /// Its own memory.
        own: lowtide_core::Bytes,
        /// Where idle ages come from, if from anywhere.
        idle_ages: Option<String>,
    },
    /// Nobody was asked: it is a minute of the history.
    Recorded {
        /// Its first second, in seconds since 1970.
        begin: u64,
        /// Turns of the daemon in it.
        ticks: u64,
        /// Offloaded by lowtide, less what the tiers take for it, less the daemon itself. Bytes, may be
        /// negative.
        net_saved: i64,
        /// The daemon's memory.
        own: lowtide_core::Bytes,
    },
    /// It does not: only what the kernel tells is shown.
    Silent {
        /// The socket that was asked.
        socket: String,
        /// What happened.
        why: String,
    },
}

/// What is kept of earlier samples, so that the next one has rates and a past.
#[derive(Debug, Default)]
pub struct Past {
    host: Option<(Duration, sample::Host)>,
    /// The daemon's turns are longer than the time between two samples: its rates are made from two turns,
    /// not two samples.
    turn: Option<Box<Status>>,
    turn_before: Option<Box<Status>>,
    moments: Moments,
}

impl Past {
    /// What the sample says, together with those before it.
    pub fn take(&mut self, sample: Sample) -> Model {
        let Sample { at, clock, host, daemon } = sample;
        let before = self.host.take();
        let over =
            before.as_ref().map(|(earlier, _)| clock.saturating_sub(*earlier)).filter(|over| !over.is_zero());
        let earlier = before.as_ref().map(|(_, host)| host);
        let drawn = Host::new(&host, earlier, over);
        let mut problems = host.problems.clone();
        let informant = match daemon {
            Daemon::Answers(status) => {
                problems.extend(status.problems.iter().chain(&status.sampling.problem).cloned());
                let informant = Informant::of(&status);
                self.turned(status);
                informant
            }
            Daemon::Silent(Silence { socket, why }) => {
                (self.turn, self.turn_before) = (None, None);
                Informant::Silent { socket: socket.to_string_lossy().into_owned(), why }
            }
        };
        let status = self.turn.as_deref();
        let tiers = Tier::all(&host.tiers, earlier.map(|host| &*host.tiers), over, status);
        let tenants = status.map(|status| self.moments.tenants(status, self.turn_before.as_deref()));
        self.host = Some((clock, host));
        Model {
            at: at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            over,
            daemon: informant,
            host: drawn,
            tiers,
            tenants: tenants.unwrap_or_default(),
            problems,
        }
    }

    /// Takes in an answer, which is about the same turn as the last one until the daemon has done the next.
    fn turned(&mut self, status: Box<Status>) {
        let last = self.turn.as_deref().map(|last| (last.uptime, last.ticks));
        match last {
            Some((uptime, ticks)) if (uptime, ticks) == (status.uptime, status.ticks) => {}
            // Another daemon: its counters of turns begin anew.
            Some((uptime, ticks)) if status.uptime < uptime || status.ticks < ticks => {
                self.turn_before = None;
                self.moments = Moments::default();
                self.turn = Some(status);
            }
            _ => self.turn_before = self.turn.replace(status),
        }
    }
}

impl Informant {
    fn of(status: &Status) -> Self {
        Self::Answers {
            uptime: status.uptime,
            ticks: status.ticks,
            net_saved: status.net_saved,
            own: status.own,
            idle_ages: status.sampling.source.clone(),
        }
    }
}

impl Model {
    /// The tenant of this id.
    #[must_use]
    pub fn tenant(&self, id: u64) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.id == id)
    }
}

/// Adds to a past that does not grow without bound.
fn push_bounded<T>(past: &mut VecDeque<T>, item: T, most: usize) {
    past.push_back(item);
    if past.len() > most {
        past.pop_front();
    }
}
