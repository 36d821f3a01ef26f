//! `lowtide explain CGROUP --at TIME`: what was seen of a cgroup then, and what was decided.

mod text;

use std::{path::Path, time::Duration};

use lowtide_core::{Bytes, Ratio, Reason, escaped};
use lowtide_history::{Change, Did, Minute, Part, PassedOver, ReadError, Tenant, read};

pub use text::text;

use crate::{period::elsewhere, time};

/// Decisions so long before are told.
const BEFORE: Duration = Duration::from_mins(15);
/// A moment that is so close to a minute is in it: clocks are set, and seconds are whole.
const SLACK: u64 = 2;
/// Cgroups named where the one that was asked for was none.
const NAMED: usize = 5;

/// What is known of a cgroup at a moment. Sizes are bytes, moments seconds since 1970.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Then {
    /// The moment that was asked for.
    pub at: u64,
    /// When the minute began that it is in.
    pub begin: u64,
    /// When it ended.
    pub end: u64,
    /// The cgroup.
    pub path: String,
    /// Its policy.
    pub policy: String,
    /// The last decision in that minute.
    pub decision: Verdict,
    /// The figures of that minute.
    pub seen: Seen,
    /// Decisions of that minute and of those before it that were not like the one before, newest first.
    pub decisions: Vec<Decided>,
    /// What of the history could not be read.
    pub passed_over: PassedOver,
}

/// What was decided, and why.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Verdict {
    /// What was to be done.
    pub action: Did,
    /// The number of the reason.
    pub number: u8,
    /// Its name; `None` for one that this lowtide does not know.
    pub reason: Option<Reason>,
    /// The number of the reason why anonymous memory was left out, where the policy would have allowed it.
    pub file_only: Option<u8>,
}

/// A decision that was not like the one before.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Decided {
    /// When.
    pub at: u64,
    /// How much was asked for.
    pub amount: Bytes,
    /// What, and why.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// A cgroup in a minute, as [`Tenant`] has it.
#[derive(Debug, Clone, serde::Serialize)]
#[expect(missing_docs, reason = "they are those of Tenant")]
pub struct Seen {
    pub dram: Bytes,
    pub dram_peak: Bytes,
    pub working_set: Option<Bytes>,
    pub parts: Vec<SeenPart>,
    pub memory_stall: Option<Duration>,
    pub memory_pressure_peak: Option<Ratio>,
    pub io_stall: Option<Duration>,
    pub io_pressure_peak: Option<Ratio>,
    pub slowdown: Option<Ratio>,
    pub headroom: Ratio,
    pub price: Ratio,
    pub refaulted: Bytes,
    pub requested: Bytes,
    pub effective: Bytes,
    pub reclaim_cpu: Duration,
    pub written: Bytes,
}

/// Memory of a cgroup in one tier, on average.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SeenPart {
    /// Kind and device.
    pub tier: String,
    /// Uncompressed bytes that lowtide sent there.
    pub offloaded: Bytes,
    /// DRAM that the tier takes for those.
    pub resident: Bytes,
    /// Uncompressed bytes that somebody else sent there.
    pub others: Bytes,
}

impl From<&Part> for SeenPart {
    fn from(Part { tier, offloaded, resident, others, .. }: &Part) -> Self {
        Self { tier: tier.to_string(), offloaded: *offloaded, resident: *resident, others: *others }
    }
}

impl From<&Tenant> for Seen {
    fn from(tenant: &Tenant) -> Self {
        Self {
            dram: tenant.dram,
            dram_peak: tenant.dram_peak,
            working_set: tenant.working_set,
            parts: tenant.parts.iter().map(SeenPart::from).collect(),
            memory_stall: tenant.memory_stall,
            memory_pressure_peak: tenant.memory_pressure_peak,
            io_stall: tenant.io_stall,
            io_pressure_peak: tenant.io_pressure_peak,
            slowdown: tenant.slowdown,
            headroom: tenant.headroom,
            price: tenant.price,
            refaulted: tenant.refaulted,
            requested: tenant.requested,
            effective: tenant.effective,
            reclaim_cpu: tenant.reclaim_cpu,
            written: tenant.written,
        }
    }
}

impl Verdict {
    fn new(action: Did, number: u8, file_only: Option<u8>) -> Self {
        Self {
            action,
            number,
            reason: Reason::of_number(number),
            file_only: file_only.filter(|why| *why != number),
        }
    }
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub enum ThenError {
    /// There is no history at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is none of the moment.
    #[error("no daemon kept watch at {at}{}", elsewhere(*kept))]
    Nothing {
        /// The moment.
        at: String,
        /// What there is instead.
        kept: Option<(u64, u64)>,
    },
    /// The cgroup was no target then.
    #[error("{path} was no target at {at}{}{}", others(near), unnamed(*summed))]
    NoTarget {
        /// The cgroup.
        path: String,
        /// The moment.
        at: String,
        /// Targets with similar paths.
        near: Vec<String>,
        /// Targets of that minute were not told one by one.
        summed: bool,
    },
}

fn others(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; targets like it: {}", near.join(", ")) }
}

fn unnamed(summed: bool) -> &'static str {
    if summed { ", or one of the smaller ones, which were not told one by one then" } else { "" }
}

fn has(minute: &Minute, at: u64) -> bool {
    let begin = minute.end.saturating_sub(minute.watched.as_secs());
    (begin.saturating_sub(SLACK)..=minute.end.saturating_add(SLACK)).contains(&at)
}

/// Reads the minute that `at` is in, in seconds since 1970, from the history in `directory`; and what of that
/// could not be read.
pub fn minute(directory: &Path, at: u64) -> Result<(Minute, PassedOver), ThenError> {
    find(directory, at, |_, _| {})
}

/// The minute that `at` is in. `each` hears of every one, and whether it is that.
fn find(
    directory: &Path,
    at: u64,
    mut each: impl FnMut(&Minute, bool),
) -> Result<(Minute, PassedOver), ThenError> {
    let (mut found, mut kept) = (None::<Minute>, None::<(u64, u64)>);
    let passed_over = read(directory, 0..=u64::MAX, |minute| {
        let (first, last) = kept.unwrap_or((minute.end, minute.end));
        kept = Some((first.min(minute.end), last.max(minute.end)));
        let is_it = has(&minute, at) && found.is_none();
        each(&minute, is_it);
        if is_it {
            found = Some(minute);
        }
    })?;
    found.map(|minute| (minute, passed_over)).ok_or_else(|| ThenError::Nothing { at: time::shown(at), kept })
}

impl Then {
    /// Reads what the history in `directory` has of the cgroup `path` at `at`, in seconds since 1970.
    pub fn read(directory: &Path, path: &str, at: u64) -> Result<Self, ThenError> {
        let mut decisions = Vec::new();
        let (minute, passed_over) = find(directory, at, |minute, is_it| {
            if is_it || minute.end.saturating_add(BEFORE.as_secs()) >= at && minute.end <= at {
                decisions.extend(decided(minute, path));
            }
        })?;
        let Some(tenant) = minute.tenants.iter().find(|tenant| &*tenant.path == path) else {
            return Err(ThenError::NoTarget {
                path: escaped(path).into_owned(),
                at: time::shown(at),
                near: near(&minute, path),
                summed: minute.tenants.iter().any(|tenant| tenant.path.is_empty()),
            });
        };
        decisions.sort_by_key(|decided| std::cmp::Reverse(decided.at));
        Ok(Self {
            at,
            begin: minute.end.saturating_sub(minute.watched.as_secs()),
            end: minute.end,
            path: path.to_owned(),
            policy: tenant.policy.to_string(),
            decision: Verdict::new(tenant.did, tenant.reason, tenant.file_only),
            seen: tenant.into(),
            decisions,
            passed_over,
        })
    }
}

fn decided(minute: &Minute, path: &str) -> Vec<Decided> {
    let of_it = minute.changes.iter().filter(|change| &*change.path == path);
    let decided = |change: &Change| Decided {
        at: minute.end.saturating_sub(change.before_end.as_secs()),
        amount: change.amount,
        verdict: Verdict::new(change.did, change.reason, change.file_only),
    };
    of_it.map(decided).collect()
}

fn near(minute: &Minute, path: &str) -> Vec<String> {
    let paths = minute.tenants.iter().map(|tenant| &*tenant.path);
    paths.filter(|known| known.contains(path)).take(NAMED).map(|known| escaped(known).into_owned()).collect()
}

#[cfg(test)]
mod tests;
