//! Looks at a tenant from outside: the kernel's own counters of its cgroup, and what the daemon says about
//! it.

use super::{Cgroup, Daemon};
use crate::size::{PAGE, mib};
use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Seconds on the guest's monotonic clock.
pub fn now() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).context("cannot read the clock")?;
    Ok(Duration::from(time).as_secs_f64())
}

/// Sleeps until [`now`] is `moment`; returns at once if it has passed.
pub fn sleep_until(moment: f64) -> Result<()> {
    std::thread::sleep(Duration::from_secs_f64((moment - now()?).max(0.0)));
    Ok(())
}

/// Seconds of a duration in the daemon's JSON; `None` where it has none.
#[must_use]
pub fn seconds(time: &Value) -> Option<f64> {
    time.as_f64()
}

/// The kernel's figures of one cgroup; counters are since its creation. Sizes are bytes, stalls seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Monotonic time of the look.
    pub at: f64,
    /// memory.current.
    pub current: u64,
    /// memory.swap.current.
    pub swap: u64,
    /// Anonymous memory in DRAM.
    pub anon: u64,
    /// Page cache in DRAM.
    pub file: u64,
    /// Scanned by reclaim, whether it went or not.
    pub scanned: u64,
    /// Reclaimed.
    pub stolen: u64,
    /// Faulted back: anonymous pages, and page cache of the working set.
    pub back: u64,
    /// Time with some task stalled on memory.
    pub memory_stall: f64,
    /// Time with some task stalled on I/O.
    pub io_stall: f64,
}

impl Counters {
    /// Reads them.
    pub fn read(cgroup: &Cgroup) -> Result<Self> {
        let stat = cgroup.read("memory.stat")?;
        let value = |name: &str| {
            let value = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value = value.with_context(|| format!("memory.stat has no {name}"))?;
            value.parse::<u64>().with_context(|| format!("{name} in memory.stat is {value:?}"))
        };
        let pages = |name| anyhow::Ok(value(name)? * PAGE as u64);
        Ok(Self {
            at: now()?,
            current: cgroup.read_number("memory.current")?,
            // Without the file there is no swap accounting, and nothing to account for.
            swap: cgroup.read_number("memory.swap.current").unwrap_or_default(),
            anon: value("anon")?,
            file: value("file")?,
            scanned: pages("pgscan")?,
            stolen: pages("pgsteal")?,
            back: pages("workingset_refault_anon")? + pages("workingset_activate_file")?,
            memory_stall: stall(&cgroup.read("memory.pressure")?)?,
            io_stall: stall(&cgroup.read("io.pressure")?)?,
        })
    }
}

/// `total=` of the first line of a pressure file, `some`, in seconds.
fn stall(text: &str) -> Result<f64> {
    let total = text.lines().next().and_then(|line| line.rsplit_once("total="));
    let micros: u64 = total.context("a pressure file without total")?.1.parse()?;
    Ok(Duration::from_micros(micros).as_secs_f64())
}

/// What the daemon decided last about a cgroup, from `lowtide status --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// `hold` or `reclaim`.
    pub action: String,
    /// Why this and not more.
    pub reason: String,
    /// Why anonymous memory was left out.
    pub file_only: Option<String>,
    /// For a reclaim: `file` or `any`.
    pub scope: Option<String>,
    /// For a reclaim: bytes asked for.
    pub amount: u64,
    /// Today's price.
    pub price: f64,
    /// Of what went, the share that stayed away.
    pub accuracy: f64,
    /// Share of DRAM faulted back in the last minute.
    pub promotion: f64,
}

impl Decided {
    /// From one `decision` of the daemon's JSON.
    #[must_use]
    pub fn of(decision: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let action = &decision["action"];
        let figures = &decision["figures"];
        Self {
            action: text(&action["kind"]).unwrap_or_default(),
            reason: text(&decision["reason"]).unwrap_or_default(),
            file_only: text(&decision["file_only"]),
            scope: text(&action["scope"]),
            amount: action["amount"].as_u64().unwrap_or_default(),
            price: figures["price"].as_f64().unwrap_or_default(),
            accuracy: figures["accuracy"].as_f64().unwrap_or_default(),
            promotion: figures["promotion_rate"].as_f64().unwrap_or_default(),
        }
    }

    /// In a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        let why = self.file_only.as_ref().filter(|why| **why != self.reason);
        let narrowed = why.map(|why| format!(", file only: {why}")).unwrap_or_default();
        if self.amount > 0 {
            format!("{} {:.1} MiB ({}{narrowed})", self.action, mib(self.amount), self.reason)
        } else {
            format!("{} ({}{narrowed})", self.action, self.reason)
        }
    }
}

/// Both at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Always `look`.
    pub kind: String,
    /// Which run of the scenario.
    pub run: String,
    /// The cgroup's path.
    pub path: String,
    /// The kernel's figures.
    pub counters: Counters,
    /// What the daemon decided last.
    pub decided: Decided,
    /// Bytes asked of the kernel so far.
    pub requested: u64,
}

impl Look {
    /// Looks once.
    pub fn take(run: &str, daemon: &Daemon, cgroup: &Cgroup) -> Result<Self> {
        Self::at(run, &daemon.status()?, cgroup)
    }

    /// Looks at one of several cgroups, with what [`Daemon::status`] said of all: asking costs the guest a
    /// process.
    pub fn at(run: &str, status: &Value, cgroup: &Cgroup) -> Result<Self> {
        let path = cgroup.name();
        let target = status["cgroups"].as_array().and_then(|all| all.iter().find(|one| one["path"] == path));
        let target = target.with_context(|| format!("{path} is no target: {status}"))?;
        Ok(Self {
            kind: "look".to_owned(),
            run: run.to_owned(),
            counters: Counters::read(cgroup)?,
            decided: Decided::of(&target["decision"]),
            requested: target["account"]["requested"].as_u64().unwrap_or_default(),
            path,
        })
    }

    /// The first line of a table of looks.
    pub const HEADER: &str =
        "       s    DRAM    swap   anon   file   back  stall/ms  price  stayed  back/min  decision";

    /// One line of the table; `start` is the moment that counts as zero.
    #[must_use]
    pub fn row(&self, start: f64) -> String {
        let Self { counters, decided, .. } = self;
        format!(
            "{:>8.1} {:>7.1} {:>7.1} {:>6.1} {:>6.1} {:>6.1} {:>9.1} {:>6.3} {:>7.3} {:>9.4}  {}",
            counters.at - start,
            mib(counters.current),
            mib(counters.swap),
            mib(counters.anon),
            mib(counters.file),
            mib(counters.back),
            counters.memory_stall * 1e3,
            decided.price,
            decided.accuracy,
            decided.promotion,
            decided.summary()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_read_from_the_daemons_json() {
        let decision = serde_json::json!({
            "action": { "kind": "reclaim", "amount": 1_048_576, "scope": "file" },
            "reason": "headroom", "file_only": "no_swap", "figures": { "price": 0.5 },
        });
        let decided = Decided::of(&decision);
        assert_eq!(decided.scope.as_deref(), Some("file"));
        assert_eq!(decided.summary(), "reclaim 1.0 MiB (headroom, file only: no_swap)");
    }

    #[test]
    fn the_stall_is_the_total_of_some() {
        let text = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 total=3";
        assert_eq!(stall(text).unwrap(), 1.5);
        assert!(stall("").is_err());
    }
}
