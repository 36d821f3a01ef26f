//! A storm: for a minute the host is asked for 1.5 times its DRAM, while lowtide has just begun to offload a
//! tenant's cold memory.
//!
//! Two runs of the same, one without lowtide. The tenant's rate of work says when the host has recovered; the
//! kernel counts its OOM kills.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::look::{now, sleep_until};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "storm",
    about: "1.5 times DRAM is asked for in a minute, zram: no OOM kill more than without lowtide, and the tenant recovers as soon",
    machine: || Machine {
        // They are counted in both runs.
        oom_expected: true,
        ..Machine::deterministic().with_memory(512 * MIB).with_limit(Duration::from_mins(25))
    },
    programs: &["lowtide"],
    guest,
    judge,
};

/// Seconds from the tenant's start.
const STORM_AT: f64 = 26.0;
const LOOK_EVERY: f64 = 2.0;
const END: f64 = 110.0;

const TENANT: [&str; 8] = ["--hot", "40M", "--warm", "0", "--cold", "100M", "--duration", "112s"];
/// With the tenant's 140 MiB 1.5 times what 512 MiB leave to processes and page cache, all of it touched
/// twice a minute.
const DEMAND: [&str; 10] =
    ["--hot", "20M", "--warm", "0", "--cold", "0", "--scan", "540M", "--scan-every", "30s"];

const POLICY: &str = "
interval: 2s
hotness: { interval: 5s }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 10s
    slo: { memory_pressure: 0.5%, io_pressure: 0.5% }
    limits: { per_minute: 100%, floor: 16MiB }
";

/// Recovered is who works at this share of the rate before the storm, at so many reports in a row.
const RECOVERED: f64 = 0.9;
const IN_A_ROW: usize = 3;
/// Reports come once a second, and a turn of lowtide every other.
const TOLERANCE: f64 = 3.0;
/// Three turns: what was asked for before the host was seen to be short.
const SEEN_AFTER: f64 = 6.0;

/// The tenant's rate of work in the second before a moment.
type Rate = (f64, f64);

/// One run.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    kind: String,
    rates: Vec<Rate>,
    /// When the demand began to be filled, and when it ended.
    storm: (f64, f64),
    /// It lived to its end.
    demand_survived: bool,
    /// During the run: OOM kills, and how often a task reclaimed for itself.
    oom_kills: u64,
    stalls: u64,
    looks: Vec<Seen>,
}

/// What the daemon says at a moment.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    at: f64,
    reason: String,
    /// Why anonymous memory was left out.
    file_only: Option<String>,
    /// Bytes asked for so far.
    requested: u64,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(1024 * MIB), 100)?;
    report::emit(&run("without", None)?)?;
    report::emit(&run("with", Some(POLICY))?)
}

fn run(name: &str, policy: Option<&str>) -> Result<Run> {
    let (cgroup, others) =
        (Cgroup::create(&format!("tenants/{name}"))?, Cgroup::create(&format!("demand/{name}"))?);
    let before = (knobs::vmstat("oom_kill")?, knobs::vmstat("allocstall")?);
    let tenant = Tenant::start(name, &cgroup, &TENANT)?;
    let start = now()?;
    let daemon = policy.map(|policy| Daemon::start(name, policy)).transpose()?;
    let storm = std::thread::spawn({
        let (name, others) = (format!("demand-{name}"), others.clone());
        move || demand(&name, &others, start + STORM_AT)
    });
    let looks = watch(daemon.as_ref(), &cgroup, start + END)?;
    let (begun, ended, demand_survived) = storm.join().ok().context("the demand's thread has failed")??;
    let reports = tenant.reports()?;
    let rates = reports.iter().map(|report| (report.clock, report.interval_rate)).collect();
    tenant.finish()?;
    if let Some(daemon) = daemon {
        println!("{}", daemon.explain(&cgroup.name())?);
        println!("{}", daemon.log()?);
        daemon.stop()?;
    }
    cgroup.remove()?;
    others.remove()?;
    Ok(Run {
        kind: name.into(),
        rates,
        storm: (begun, ended),
        demand_survived,
        oom_kills: knobs::vmstat("oom_kill")? - before.0,
        stalls: knobs::vmstat("allocstall")? - before.1,
        looks,
    })
}

/// Fills its memory, scans it for a minute, and is gone; returns from when to when, and whether nobody killed
/// it.
fn demand(name: &str, cgroup: &Cgroup, at: f64) -> Result<(f64, f64, bool)> {
    sleep_until(at)?;
    let begun = now()?;
    let args = [&DEMAND[..], &["--duration", "60s"]].concat();
    let ended = Tenant::start(name, cgroup, &args).and_then(Tenant::finish);
    if let Err(error) = &ended {
        println!("the demand has not lived to its end: {error:#}");
    }
    Ok((begun, now()?, ended.is_ok()))
}

/// Looks every other second until then.
fn watch(daemon: Option<&Daemon>, cgroup: &Cgroup, until: f64) -> Result<Vec<Seen>> {
    let mut looks = Vec::new();
    while now()? < until {
        // A question that finds no memory in a storm is one look less.
        looks.extend(daemon.and_then(|daemon| look(daemon, cgroup).ok()));
        sleep_until((now()? + LOOK_EVERY).min(until))?;
    }
    Ok(looks)
}

fn look(daemon: &Daemon, cgroup: &Cgroup) -> Result<Seen> {
    let target = daemon.target(&cgroup.name())?;
    let decision = &target["decision"];
    Ok(Seen {
        at: now()?,
        reason: decision["reason"].as_str().unwrap_or_default().to_owned(),
        file_only: decision["file_only"].as_str().map(ToOwned::to_owned),
        requested: target["account"]["requested"].as_u64().context("no account of the tenant")?,
    })
}

fn judge(outcome: &Outcome) -> Result<()> {
    let (without, with): (Run, Run) = (outcome.result("without")?, outcome.result("with")?);
    let mut recovered = Vec::new();
    for run in [&without, &with] {
        let (begun, ended) = run.storm;
        let before = mean(&run.rates, begun - 10.0, begun).context("no report before the storm")?;
        let during = mean(&run.rates, begun, ended).unwrap_or_default();
        let after = recovered_after(&run.rates, ended, before * RECOVERED);
        println!(
            "{:>8}: storm of {:.1} s, demand {}; {} OOM kills, {} stalls; rate {before:.0} before, {during:.0} during; recovered after {}",
            run.kind,
            ended - begun,
            if run.demand_survived { "lived" } else { "was killed" },
            run.oom_kills,
            run.stalls,
            after.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds:.1} s")),
        );
        recovered.push(after);
    }
    let mut verdict = Verdict::default();
    verdict.expect(without.stalls >= 100, "tasks had to reclaim for themselves: it is a storm");
    verdict.expect(with.stalls >= 100, "and it is one with lowtide");
    verdict
        .expect(with.oom_kills <= without.oom_kills, "no OOM kill that would not have come without lowtide");
    verdict
        .expect(with.demand_survived || !without.demand_survived, "who lives without lowtide lives with it");
    let as_soon = match recovered[..] {
        [Some(without), Some(with)] => with <= without + TOLERANCE,
        _ => false,
    };
    verdict.expect(as_soon, format!("recovered as soon as without lowtide, within {TOLERANCE:.0} s"));
    judge_requests(&with, &mut verdict);
    println!("{:.0} s wall on {}", outcome.wall.as_secs_f64(), outcome.kernel);
    verdict.finish()
}

/// It was at work before, and stood back.
fn judge_requests(with: &Run, verdict: &mut Verdict) {
    let (begun, ended) = with.storm;
    let asked_at = |moment: f64| {
        let looks = with.looks.iter().take_while(|look| look.at <= moment);
        looks.last().map_or(0, |look| look.requested)
    };
    let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
    let during = with.looks.iter().filter(|look| (begun..ended).contains(&look.at));
    for look in during {
        *reasons.entry(look.file_only.as_ref().unwrap_or(&look.reason)).or_default() += 1;
    }
    println!("decisions during the storm: {reasons:?}");
    let looks: u32 = reasons.values().sum();
    verdict.expect(looks >= 10, format!("the daemon answered {looks} times during the storm"));
    let before = mib(asked_at(begun));
    verdict.expect(before >= 10.0, format!("{before:.1} MiB asked for before the storm"));
    let during = mib(asked_at(ended) - asked_at(begun + SEEN_AFTER));
    verdict.expect(
        during <= 4.0,
        format!("{during:.1} MiB asked for in the storm, from {SEEN_AFTER:.0} s after its beginning on"),
    );
}

/// The mean rate from one moment to another.
fn mean(rates: &[Rate], from: f64, to: f64) -> Option<f64> {
    let within: Vec<f64> =
        rates.iter().filter(|(at, _)| *at > from && *at <= to).map(|(_, rate)| *rate).collect();
    let count = u32::try_from(within.len()).ok().filter(|count| *count > 0)?;
    Some(within.iter().sum::<f64>() / f64::from(count))
}

/// Seconds from a moment until the rate has come to a level, and stays there for some reports.
fn recovered_after(rates: &[Rate], from: f64, level: f64) -> Option<f64> {
    let after: Vec<_> = rates.iter().filter(|(at, _)| *at > from).collect();
    let mut rows = after.windows(IN_A_ROW);
    let row = rows.find(|row| row.iter().all(|(_, rate)| *rate >= level))?;
    Some(row.first()?.0 - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_is_when_the_rate_is_back_and_stays() {
        let rates: Vec<Rate> =
            (1..).map(f64::from).zip([9.0, 9.0, 2.0, 9.0, 3.0, 9.0, 9.0, 9.0, 1.0]).collect();
        assert_eq!(recovered_after(&rates, 3.5, 9.0), Some(2.5));
        assert_eq!(recovered_after(&rates, 3.5, 3.0), Some(0.5));
        assert_eq!(recovered_after(&rates, 6.5, 9.0), None, "too few reports");
        assert_eq!(mean(&rates, 1.0, 3.0), Some(5.5));
        assert_eq!(mean(&rates, 20.0, 30.0), None);
    }
}
