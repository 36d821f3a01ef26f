//! The main job: a tenant's cold memory leaves DRAM and the tenant does not notice.

use super::Scenario;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::report::Report;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "offload",
    about: "40 MiB hot, 30 MiB warm every 20 s, 120 MiB cold, zram: 180 s without lowtide, 180 s with it",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

const SECONDS: u64 = 180;

const TENANT: [&str; 10] =
    ["--hot", "40M", "--warm", "30M", "--warm-every", "20s", "--cold", "120M", "--duration", "180s"];

const POLICY: &str = "
interval: 2s
hotness: { source: none }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 25s
    slo: { memory_pressure: 0.5%, io_pressure: 0.5%, promotion_rate: 2%/min }
    limits: { per_minute: 40%, floor: 16MiB }
";

/// One look at the tenant while it runs.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    kind: String,
    /// Seconds since the daemon's start.
    at: u64,
    current: u64,
    offloaded: u64,
    /// Cumulative stall, microseconds.
    stall: u64,
    price: f64,
    accuracy: f64,
    promotion: f64,
    decision: String,
    /// Uncompressed bytes back so far.
    back: u64,
}

/// The tenant's last report of one of the two runs.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    kind: String,
    report: Report,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let alone = run("without", None)?;
    report::emit(&Run { kind: "without".into(), report: alone })?;
    let with = run("with", Some(POLICY))?;
    report::emit(&Run { kind: "with".into(), report: with })
}

fn run(name: &str, policy: Option<&str>) -> Result<Report> {
    let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
    let tenant = Tenant::start(name, &cgroup, &TENANT)?;
    let daemon = policy.map(|policy| Daemon::start(name, policy)).transpose()?;
    if let Some(daemon) = &daemon {
        for at in (0..SECONDS - 4).step_by(4) {
            std::thread::sleep(Duration::from_secs(4));
            report::emit(&look(daemon, &cgroup, &format!("/tenants/{name}"), at + 4)?)?;
        }
        println!("{}", daemon.explain(&format!("/tenants/{name}"))?);
    }
    let report = tenant.finish()?;
    daemon.map_or(Ok(()), Daemon::stop)?;
    cgroup.remove()?;
    Ok(report)
}

fn look(daemon: &Daemon, cgroup: &Cgroup, path: &str, at: u64) -> Result<Look> {
    let target = daemon.target(path)?;
    let decision = &target["decision"];
    let figures = &decision["figures"];
    let stall = cgroup.read("memory.pressure")?;
    let stall = stall.lines().next().and_then(|line| line.rsplit_once("total=")).context("no total")?.1;
    Ok(Look {
        kind: "look".into(),
        at,
        current: cgroup.read_number("memory.current")?,
        offloaded: figures["offloaded"].as_u64().unwrap_or_default(),
        stall: stall.parse()?,
        price: figures["price"].as_f64().unwrap_or_default(),
        accuracy: figures["accuracy"].as_f64().unwrap_or_default(),
        promotion: figures["promotion_rate"].as_f64().unwrap_or_default(),
        decision: format!(
            "{} {} {}",
            decision["action"]["kind"].as_str().unwrap_or_default(),
            decision["reason"].as_str().unwrap_or_default(),
            decision["action"]["amount"]
                .as_u64()
                .map(|amount| format!("{:.1}", mib(amount)))
                .unwrap_or_default()
        ),
        back: cgroup.stat("memory.stat", "workingset_refault_anon")? * 4096,
    })
}

fn judge(outcome: &Outcome) -> Result<()> {
    let looks = outcome.results.iter().filter(|value| value["kind"] == "look");
    let looks: Vec<Look> = looks.map(Look::deserialize).collect::<Result<_, _>>()?;
    print_curve(&looks);
    let without: Run = outcome.result("without")?;
    let with: Run = outcome.result("with")?;
    let ratio = with.report.rate / without.report.rate;
    println!(
        "throughput {:.0} without, {:.0} with lowtide: {ratio:.4}",
        without.report.rate, with.report.rate
    );
    let truth = with.report.truth.context("the last report says where the pages are")?;
    for (name, places) in [("hot", truth.hot), ("warm", truth.warm), ("cold", truth.cold)] {
        println!("{name:>6} {:>6.1} MiB in DRAM, {:>6.1} MiB gone", mib(places.resident), mib(places.gone()));
    }
    let gone = mib(truth.cold.gone()) / 120.0;
    let worst = worst_minute(&looks).context("the run was shorter than two minutes")?;
    println!(
        "{:.1} % of the cold part gone; worst minute after the first: {worst:.1} ms stalled",
        gone * 100.0
    );
    ensure!(gone >= 0.8, "less than 80 % of the cold part has left DRAM");
    ensure!(ratio >= 0.98, "throughput is not within 2 % of the run without lowtide");
    ensure!(worst <= SLO_MILLIS, "the pressure SLO of {SLO_MILLIS} ms a minute did not hold");
    Ok(())
}

/// 0.5 % of a minute.
const SLO_MILLIS: f64 = 300.0;

fn print_curve(looks: &[Look]) {
    println!("   s    DRAM  offl.   back  stall/ms  price  stayed  back/min  decision");
    for look in looks {
        println!(
            "{:>4} {:>7.1} {:>6.1} {:>6.1} {:>9.1} {:>6.3} {:>7.3} {:>9.4}  {}",
            look.at,
            mib(look.current),
            mib(look.offloaded),
            mib(look.back),
            millis(look.stall),
            look.price,
            look.accuracy,
            look.promotion,
            look.decision
        );
    }
}

/// The most that the tenant stalled on memory in any minute that begins after the first, in milliseconds.
fn worst_minute(looks: &[Look]) -> Option<f64> {
    let later = looks.iter().filter(|look| look.at >= 60);
    let minutes = later.filter_map(|from| {
        let to = looks.iter().find(|to| to.at == from.at + 60)?;
        Some(millis(to.stall - from.stall))
    });
    minutes.reduce(f64::max)
}

fn millis(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1e3
}
