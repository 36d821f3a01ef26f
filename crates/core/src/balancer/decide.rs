use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{Fill, Reason, Run, Settings, Store, Strain, track::Track};
use crate::units::Bytes;

/// What is to be done with a store now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Settle {
    /// Nothing.
    Hold,
    /// Mark all pages, so that those that are touched can be told from those that are not.
    Mark,
    /// Move pages to the slower device.
    Sink {
        /// Uncompressed bytes, at most: whole pages of the host.
        amount: Bytes,
        /// From which age on the oldest may be; `None` for the pages that still have their mark.
        from: Option<Duration>,
        /// Nothing younger than this.
        min_age: Duration,
        /// Which of those.
        pages: Pages,
    },
}

/// Which pages sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pages {
    /// First those that did not compress, then the others.
    #[default]
    All,
    /// Those that did not compress alone.
    Incompressible,
}

impl Settle {
    /// The label in `lowtide_balancer_decisions_total`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Mark => "mark",
            Self::Sink { .. } => "sink",
        }
    }
}

/// One decision about one store, why, and from which figures.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Sinking {
    /// The store.
    pub device: Arc<str>,
    /// What is to be done.
    pub settle: Settle,
    /// Why this and not more.
    pub reason: Reason,
    /// The figures it was made from.
    pub figures: Figures,
}

/// The numbers a decision was made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Figures {
    /// How full the store is.
    pub fill: Fill,
    /// Uncompressed bytes above the low mark.
    pub above_low: Bytes,
    /// Bytes a second that come in: of DRAM, or uncompressed where the store has no limit of DRAM.
    pub inflow: Bytes,
    /// Time until it is full if nothing sinks; `None` if it does not fill.
    pub full_in: Option<Duration>,
    /// Time until it is at the low mark if pages sink from now on; `None` if it fills faster than they can.
    pub drained_in: Option<Duration>,
    /// What may still be written to the slower device.
    pub budget_left: Bytes,
    /// Room on the slower device.
    pub room: Bytes,
    /// From this age on pages belong there whatever the fill; `None` if none do, or it is not known.
    pub belong_from: Option<Duration>,
}

/// What a decision is made from besides the store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    /// Monotonic time.
    pub at: Duration,
    /// Time since the boot: no page is older.
    pub uptime: Duration,
    /// What speaks against moving anything.
    pub strain: Strain,
    /// What may still be written to the slower device.
    pub budget_left: Bytes,
    /// From this age on the pages of every cgroup belong on the slower device, at the prices of now, whatever
    /// the fill.
    pub belong_from: Option<Duration>,
    /// A run of the store has not ended.
    pub in_flight: bool,
}

/// What is remembered of each store.
#[derive(Debug, Clone, Default)]
pub struct Balancer {
    tracks: HashMap<Arc<str>, Track>,
}

impl Balancer {
    /// What to do with `store` now.
    pub fn decide(&mut self, store: &Store, settings: &Settings, now: Now) -> Sinking {
        let track = self.tracks.entry(Arc::clone(&store.device)).or_default();
        track.look(store, settings, now.at);
        let figures = track.figures(store, settings, &now);
        let wish = track.wish(settings, &figures);
        let (settle, reason) = match wish {
            Err(reason) => track
                .place(store, settings, &figures, &now)
                .or_else(|| track.place_incompressible(store, settings, &figures, &now))
                .unwrap_or_else(|| (track.mark_ahead(settings, &figures, store, now), reason)),
            Ok(reason) => match track.must_wait(store, settings, &figures, &now) {
                Some(reason) => (Settle::Hold, reason),
                None => track.settle(settings, &figures, &now, store.page(), reason),
            },
        };
        Sinking { device: Arc::clone(&store.device), settle, reason, figures }
    }

    /// Takes in what came of a decision to sink.
    pub fn ran(&mut self, store: &Store, run: Run, now: Duration) {
        self.tracks.entry(Arc::clone(&store.device)).or_default().ran(store, run, now);
    }

    /// All pages of `device` were marked at `now`.
    pub fn marked(&mut self, device: &Arc<str>, now: Duration) {
        self.tracks.entry(Arc::clone(device)).or_default().marked(now);
    }

    /// Forgets every store that is not among `alive`.
    pub fn retain(&mut self, alive: &HashSet<Arc<str>>) {
        self.tracks.retain(|device, _| alive.contains(device));
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
