//! A host that uses up its memory: cold memory leaves before kswapd has to look for some.
//!
//! Two runs of the same, one without lowtide: two tenants of which most is cold, one much larger than the
//! other, and memory that grows by some MiB a second until there is none left.

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
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "short",
    about: "memory grows until none is free, zram: cold memory has left by then, and kswapd has less to do",
    machine: || Machine::deterministic().with_memory(640 * MIB).with_limit(Duration::from_mins(25)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// Seconds from the tenants' start.
const GROWS_AT: f64 = 50.0;
const END: f64 = 120.0;
const LOOK_EVERY: f64 = 2.0;
/// What grows each time that is looked, and in all.
const STEP: usize = 10 << 20;
const GROWTH: usize = 330 << 20;

const LARGE: [&str; 8] = ["--hot", "20M", "--warm", "0", "--cold", "160M", "--duration", "122s"];
const SMALL: [&str; 8] = ["--hot", "10M", "--warm", "0", "--cold", "30M", "--duration", "122s"];

/// What goes goes at the usual pace: it is worth it, and in time. Haste (reason `running_short`) would come
/// where that is not enough, which the tests of the core show.
const POLICY: &str = "
interval: 3s
hotness: { interval: 10s }
policies:
  - name: tenants
    match: [/tenants/*]
    mode: full
    cold_after: 20s
    limits: { per_minute: 60%, floor: 8MiB }
";

/// One run.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    kind: String,
    /// When memory began to grow.
    grew_at: f64,
    /// During the run: what kswapd reclaimed, in bytes, and how often a task had to.
    kswapd: u64,
    stalls: u64,
    /// Operations of the two tenants a second, from then on.
    rates: [f64; 2],
    looks: Vec<[Seen; 2]>,
}

/// What the daemon says of a tenant at a moment.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    at: f64,
    reason: String,
    /// Bytes asked for so far.
    requested: u64,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    report::emit(&run("without", None)?)?;
    report::emit(&run("with", Some(POLICY))?)
}

fn run(name: &str, policy: Option<&str>) -> Result<Run> {
    let groups = [
        Cgroup::create(&format!("tenants/{name}-large"))?,
        Cgroup::create(&format!("tenants/{name}-small"))?,
    ];
    let large = Tenant::start(&format!("{name}-large"), &groups[0], &LARGE)?;
    let small = Tenant::start(&format!("{name}-small"), &groups[1], &SMALL)?;
    let start = now()?;
    let before = (knobs::vmstat("pgsteal_kswapd")?, knobs::vmstat("allocstall")?);
    let daemon = policy.map(|policy| Daemon::start(name, policy)).transpose()?;
    let (mut grown, mut looks) = (Vec::new(), Vec::new());
    let grew_at = start + GROWS_AT;
    while now()? < start + END {
        if now()? >= grew_at && grown.len() * STEP < GROWTH {
            grown.push(vec![1_u8; STEP]);
        }
        if let Some(daemon) = &daemon {
            looks.push([look(daemon, &groups[0])?, look(daemon, &groups[1])?]);
        }
        sleep_until(now()? + LOOK_EVERY)?;
    }
    let kswapd = (knobs::vmstat("pgsteal_kswapd")? - before.0) * 4096;
    let stalls = knobs::vmstat("allocstall")? - before.1;
    let rates = [rate(&large, grew_at)?, rate(&small, grew_at)?];
    drop(grown);
    large.finish()?;
    small.finish()?;
    if let Some(daemon) = daemon {
        println!("{}", daemon.explain(&groups[0].name())?);
        daemon.stop()?;
    }
    groups.into_iter().try_for_each(Cgroup::remove)?;
    Ok(Run { kind: name.into(), grew_at, kswapd, stalls, rates, looks })
}

/// The mean from a moment on.
fn rate(tenant: &Tenant, from: f64) -> Result<f64> {
    let rates: Vec<f64> = tenant
        .reports()?
        .iter()
        .filter(|report| report.clock > from)
        .map(|report| report.interval_rate)
        .collect();
    let count =
        u32::try_from(rates.len()).ok().filter(|count| *count > 0).context("no report since memory grew")?;
    Ok(rates.iter().sum::<f64>() / f64::from(count))
}

fn look(daemon: &Daemon, cgroup: &Cgroup) -> Result<Seen> {
    let target = daemon.target(&cgroup.name())?;
    Ok(Seen {
        at: now()?,
        reason: target["decision"]["reason"].as_str().unwrap_or_default().to_owned(),
        requested: target["account"]["requested"].as_u64().context("no account of the tenant")?,
    })
}

fn judge(outcome: &Outcome) -> Result<()> {
    let (without, with): (Run, Run) = (outcome.result("without")?, outcome.result("with")?);
    for (name, run) in [("without", &without), ("with", &with)] {
        println!(
            "{name:>8}: kswapd reclaimed {:.1} MiB, {} stalls; operations a second {:.0} and {:.0}",
            mib(run.kswapd),
            run.stalls,
            run.rates[0],
            run.rates[1]
        );
    }
    for [large, small] in &with.looks {
        println!(
            "{:>6.1} s: large {} ({:.1} MiB so far), small {} ({:.1} MiB)",
            large.at - with.grew_at,
            large.reason,
            mib(large.requested),
            small.reason,
            mib(small.requested)
        );
    }
    let mut verdict = Verdict::default();
    judge_requests(&with, &mut verdict);
    verdict.expect(mib(without.kswapd) >= 40.0, "without lowtide kswapd has to look for memory");
    verdict.expect(with.kswapd * 2 <= without.kswapd, "with it kswapd reclaims at most half of that");
    verdict.expect(with.stalls <= without.stalls, "and no task more often");
    for (tenant, (with, without)) in ["large", "small"].iter().zip(with.rates.iter().zip(&without.rates)) {
        verdict.expect(
            with / without >= 0.98,
            format!("the {tenant} tenant works at {:.3} of its rate without lowtide", with / without),
        );
    }
    println!("{:.0} s wall on {}", outcome.wall.as_secs_f64(), outcome.kernel);
    verdict.finish()
}

/// Most from who has most.
fn judge_requests(with: &Run, verdict: &mut Verdict) {
    let [large, small] = [0, 1].map(|tenant| with.looks.last().map_or(0, |looks| looks[tenant].requested));
    verdict
        .expect(mib(large) >= 60.0, format!("{:.1} MiB asked of the larger tenant in the end", mib(large)));
    verdict.expect(large >= 2 * small, format!("and {:.1} MiB of the smaller", mib(small)));
}
