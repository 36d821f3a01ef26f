//! What a row of the benchmark reports, piece by piece, and the row put together again.

use super::load::Report;
use super::usage::Usage;
use crate::guest::zram::ZramUse;
use crate::size::mib;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A row at one moment of its load. Sizes are bytes, times are processor time since the load began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Always `mark`.
    pub kind: String,
    /// The row's name.
    pub row: String,
    /// Seconds since the load began.
    pub at: u64,
    /// By the server's name.
    pub servers: BTreeMap<String, Usage>,
    /// DRAM that zram has taken since the load began.
    pub zram: i64,
    /// What zram holds in all.
    pub zram_use: ZramUse,
    /// Of the agents: user space, kernel, and what they reclaim themselves.
    pub agents: Duration,
    /// Of the kernel's own threads of memory management.
    pub kernel_threads: Duration,
}

/// The end of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// Always `served`.
    pub kind: String,
    /// The row's name.
    pub row: String,
    /// What the generator of requests measured.
    pub load: Report,
    /// Bytes of nginx's files that are in the page cache at the end.
    pub cached: u64,
    /// Bytes of nginx's files.
    pub files: u64,
}

/// What `lowtide explain` said of a server's cgroup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Always `explained`.
    pub kind: String,
    /// The row's name.
    pub row: String,
    /// Seconds since the load began.
    pub at: u64,
    /// The cgroup.
    pub cgroup: String,
    /// Its words.
    pub text: String,
}

/// A finished row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// In the order of time; the first is the moment at which the load began.
    pub marks: Vec<Mark>,
    /// How it ended.
    pub served: Served,
}

impl Row {
    /// Of all that was reported, what belongs to the row of this name.
    pub fn of(name: &str, marks: &[Mark], served: &[Served]) -> Result<Self> {
        let marks: Vec<_> = marks.iter().filter(|mark| mark.row == name).cloned().collect();
        let served = served.iter().find(|served| served.row == name);
        let served = served.with_context(|| format!("the row {name} has not ended"))?.clone();
        anyhow::ensure!(marks.len() > 1, "the row {name} was not looked at");
        Ok(Self { name: name.to_owned(), marks, served })
    }

    /// DRAM of both servers at a mark, in MiB.
    #[must_use]
    pub fn dram(mark: &Mark) -> f64 {
        mark.servers.values().map(|usage| mib(usage.counters.current)).sum()
    }

    /// DRAM that another row has more than this one, less what zram takes here, in MiB.
    #[must_use]
    pub fn saved(&self, than: &Self) -> f64 {
        Self::dram(than.last()) - Self::dram(self.last()) - signed_mib(self.last().zram - than.last().zram)
    }

    /// The mark at the end.
    #[must_use]
    pub fn last(&self) -> &Mark {
        // A row has two marks at least.
        &self.marks[self.marks.len() - 1]
    }

    /// Of a server's counter, what was added between the first mark and the last, summed over both.
    #[must_use]
    pub fn added(&self, counter: impl Fn(&Usage) -> f64) -> f64 {
        let sum = |mark: &Mark| mark.servers.values().map(&counter).sum::<f64>();
        sum(self.last()) - sum(&self.marks[0])
    }

    /// Share of redis' anonymous memory that is in swap at the end.
    #[must_use]
    pub fn keys_out(&self) -> f64 {
        self.last().servers.get("redis").map_or(0.0, Usage::anonymous_out)
    }

    /// Share of nginx's files that is not in the page cache at the end.
    #[must_use]
    pub fn files_out(&self) -> f64 {
        1.0 - mib(self.served.cached) / mib(self.served.files)
    }
}

/// Bytes of a difference as MiB.
#[must_use]
pub fn signed_mib(bytes: i64) -> f64 {
    mib(bytes.unsigned_abs()).copysign(if bytes < 0 { -1.0 } else { 1.0 })
}
