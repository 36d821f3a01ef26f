//! What a reclaim request is for, what has become of it, and what it did.

use std::time::Duration;

use crate::{cgroup::ByType, stored::Stored, units::Bytes};

/// Which memory a reclaim request may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Page cache only: `swappiness=0`, or there is no swap.
    File,
    /// Anonymous memory as long as there is some of it that may go: `swappiness=200`.
    Anon,
    /// Whatever the kernel finds coldest.
    #[default]
    Any,
    /// Anonymous memory of DRAM, to slower nodes.
    Demote,
    /// Anonymous memory of slower nodes, to swap.
    Sink,
}

impl Scope {
    /// Whether it is about page cache alone.
    #[must_use]
    pub const fn is_file(self) -> bool {
        matches!(self, Self::File)
    }
}

/// What has become of the last reclaim request to a cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pending {
    /// There was none, or it has ended.
    #[default]
    Nothing,
    /// It waits for others to end.
    Queued,
    /// It is being written.
    InFlight,
}

impl Pending {
    /// Whether there is one that has not ended.
    #[must_use]
    pub const fn is_any(self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

/// What one reclaim request did, measured around the writes themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Effect {
    /// What the request was for.
    #[serde(default)]
    pub scope: Scope,
    /// Bytes asked of the kernel; less than decided if the request was stopped between two chunks.
    pub requested: Bytes,
    /// By how much memory.current fell; zero if it rose, since the tenant goes on allocating meanwhile.
    pub freed: Bytes,
    /// By how much the offloaded bytes rose.
    pub offloaded: Bytes,
    /// By how much anonymous memory on slower nodes rose; only for [`Scope::Demote`].
    #[serde(default)]
    pub demoted: Bytes,
    /// What zram devices took in meanwhile; `None` where nobody looked, or where another request was written
    /// at the same time.
    #[serde(default)]
    pub stored: Option<Stored>,
    /// Kernel CPU that the writing thread spent.
    pub cpu: Duration,
    /// Time that the writes took on the wall.
    pub wall: Duration,
    /// The kernel answered EAGAIN: less than asked could be found.
    pub partial: bool,
    /// The request was cut short by a pressure trigger or by refaults seen between two chunks.
    pub stopped: bool,
    /// The cgroup was gone.
    pub vanished: bool,
}

impl Effect {
    /// What the kernel took from DRAM for the request.
    ///
    /// It answers EAGAIN unless it reclaimed all that was asked (mm/memcontrol.c, memory_reclaim), so without
    /// EAGAIN the request itself is the figure: what the tenant allocated meanwhile hides part of it from
    /// memory.current. With EAGAIN only the measured difference is known: with zswap, whose pool stays
    /// charged to the cgroup, the offloaded bytes; for page cache, which is not offloaded, the freed ones.
    /// Evictions from one node say nothing of how far they came, so there the measured difference is the
    /// figure.
    #[must_use]
    pub fn taken(&self) -> ByType {
        match self.scope {
            // What the kernel could not demote it may have swapped out.
            Scope::Demote => return ByType { anon: self.demoted + self.offloaded, file: Bytes::ZERO },
            Scope::Sink => return ByType { anon: self.offloaded, file: Bytes::ZERO },
            Scope::File | Scope::Anon | Scope::Any => {}
        }
        let measured = self.freed.max(self.offloaded);
        let taken = if self.partial || self.vanished { measured } else { measured.max(self.requested) };
        let anon = self.offloaded.min(taken);
        ByType { anon, file: taken - anon }
    }
}
