//! The main job by idle ages: the cold part goes as soon as it is cold, and nothing else goes.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::look::{now, sleep_until};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Counters, Daemon, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "hotness",
    about: "the tenant of `offload` by idle ages: cold within a minute of being 30 s old, and what moved was really cold",
    machine: || Machine::deterministic().with_limit(std::time::Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

const SECONDS: f64 = 120.0;
/// From the daemon's start: cold_after, and half a minute in which all of it may go.
const SOON: f64 = 60.0;
/// cold_after, and a minute more.
const DEADLINE: f64 = 90.0;
const COLD_AFTER: f64 = 30.0;
const COLD: u64 = 120 * MIB;

const TENANT: [&str; 11] =
    ["--hot", "40M", "--warm", "30M", "--warm-every", "20s", "--cold", "120M", "--ages", "30s", "--truth"];

const POLICY: &str = "
interval: 2s
hotness: { interval: 5s }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 30s
    slo: { memory_pressure: 0.5%, io_pressure: 0.5%, promotion_rate: 2%/min }
    limits: { per_minute: 100%, floor: 16MiB }
";

/// The tenant of one of the two runs, a minute after the daemon's start, at the deadline and at the end.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    kind: String,
    soon: Report,
    deadline: Report,
    end: Report,
    counters: Counters,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    run("without", None)?;
    run("with", Some(POLICY))
}

fn run(name: &str, policy: Option<&str>) -> Result<()> {
    let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
    let tenant = Tenant::start(name, &cgroup, &TENANT)?;
    let ready = tenant.reports()?.first().context("the tenant is ready")?.clock;
    let start = now()?;
    let daemon = policy.map(|policy| Daemon::start(name, policy)).transpose()?;
    sleep_until(start + SOON)?;
    let soon = tenant.truth()?;
    sleep_until(ready + DEADLINE)?;
    let deadline = tenant.truth()?;
    sleep_until(ready + SECONDS)?;
    let (end, counters) = (tenant.truth()?, Counters::read(&cgroup)?);
    if let Some(daemon) = daemon {
        println!("{}", daemon.status()?["sampling"]);
        println!("{}", daemon.explain(&cgroup.name())?);
        daemon.stop()?;
    }
    report::emit(&Run { kind: name.into(), soon, deadline, end, counters })?;
    tenant.stop()?;
    cgroup.remove()
}

fn judge(outcome: &Outcome) -> Result<()> {
    let (without, with): (Run, Run) = (outcome.result("without")?, outcome.result("with")?);
    let gone = |report: &Report| {
        let truth = report.truth.as_ref();
        truth.map_or(0.0, |truth| mib(truth.cold.gone()) / mib(COLD))
    };
    let truth = with.end.truth.as_ref().context("the last report says where the pages are")?;
    for (name, places) in [("hot", truth.hot), ("warm", truth.warm), ("cold", truth.cold)] {
        println!("{name:>6} {:>6.1} MiB in DRAM, {:>6.1} MiB gone", mib(places.resident), mib(places.gone()));
    }
    let moved = |idle: f64| {
        let rows = truth.ages.iter().filter(|row| row.at_least >= idle);
        rows.map(|row| row.moved).max().unwrap_or_default()
    };
    // What the kernel moved and no lookup found gone came back within a second: it was not cold.
    let moved_by_kernel = with.counters.stolen.max(moved(0.0));
    let precise = mib(moved(COLD_AFTER)) / mib(moved_by_kernel);
    let ratio = with.end.rate / without.end.rate;
    let mut verdict = Verdict::default();
    let soon = gone(&with.soon);
    verdict.expect(
        soon >= 0.9,
        format!("{:.1} % of the cold part gone {SOON:.0} s after the daemon's start", soon * 100.0),
    );
    let at_deadline = gone(&with.deadline);
    verdict.expect(
        at_deadline >= 0.9,
        format!("{:.1} % of the cold part gone {DEADLINE:.0} s after it was touched", at_deadline * 100.0),
    );
    verdict.expect(
        precise >= 0.95,
        format!("{:.1} % of {:.1} MiB moved had been idle for 30 s", precise * 100.0, mib(moved_by_kernel)),
    );
    verdict.expect(ratio >= 0.99, format!("throughput {ratio:.4} of that without lowtide"));
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
