//! The daemon acting on each source of idle ages that the kernel has, one after the other on the same tenant:
//! how much of what is cold it finds, how much of what it moves is really cold, and what the source costs.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::look::{seconds, sleep_until};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Counters, Daemon, Tenant, Zram, generations, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::ages::AgeRow;
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "sources",
    about: "the daemon with each source of idle ages, for 150 s on a fresh tenant: found, moved wrongly, cost",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// Seconds of a tenant's life at which it is looked at; the first is `cold_after` and a minute more.
const MARKS: [f64; 2] = [90.0, 150.0];
const COLD: u64 = 120 * MIB;
const COLD_AFTER: f64 = 30.0;
const TENANT: [&str; 15] = [
    "--hot",
    "40M",
    "--warm",
    "30M",
    "--warm-every",
    "20s",
    "--cold",
    "120M",
    "--ages",
    "30s",
    "--truth",
    "--pause",
    "100ms",
    "--burst",
    "1024",
];

/// Without a daemon, with the source that it chooses, and with DAMON where that was not its choice.
const NOBODY: &str = "nobody";
const AUTO: &str = "auto";
const DAMON: &str = "damon";

/// As in the scenario `hotness`.
fn config(source: &str) -> String {
    format!(
        "
interval: 2s
hotness: {{ source: {source}, interval: 5s }}
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 30s
    slo: {{ memory_pressure: 0.5%, io_pressure: 0.5%, promotion_rate: 2%/min }}
    limits: {{ per_minute: 100%, floor: 16MiB }}
"
    )
}

/// A tenant's life.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    kind: String,
    wanted: String,
    /// What the daemon says about its source.
    source: String,
    why: String,
    /// Share of a core that the source took, looks and all.
    cpu: f64,
    looks: u64,
    marks: Vec<Report>,
    counters: Counters,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    generations::switch_on()?;
    knobs::make_room_for_damon()?;
    report::emit(&run(NOBODY)?)?;
    let auto = run(AUTO)?;
    report::emit(&auto)?;
    let has_damon = Path::new("/sys/kernel/mm/damon/admin").exists();
    if has_damon && !auto.source.contains(DAMON) {
        report::emit(&run(DAMON)?)?;
    }
    Ok(())
}

fn run(wanted: &str) -> Result<Row> {
    let cgroup = Cgroup::create(&format!("tenants/{wanted}"))?;
    let tenant = Tenant::start(wanted, &cgroup, &TENANT)?;
    let ready = tenant.reports()?.first().context("the tenant is ready")?.clock;
    let daemon = (wanted != NOBODY).then(|| Daemon::start(wanted, &config(wanted))).transpose()?;
    let mut marks = Vec::new();
    for mark in MARKS {
        sleep_until(ready + mark)?;
        marks.push(tenant.truth()?);
    }
    let counters = Counters::read(&cgroup)?;
    let status = daemon.as_ref().map_or(Ok(Value::Null), Daemon::status)?;
    if let Some(daemon) = daemon {
        println!("{}", daemon.explain(&cgroup.name())?);
        daemon.stop()?;
    }
    tenant.stop()?;
    cgroup.remove()?;
    let sampling = &status["sampling"];
    let text = |field: &str| sampling[field].as_str().unwrap_or_default().to_owned();
    Ok(Row {
        kind: "row".into(),
        wanted: wanted.into(),
        source: text("source"),
        why: text("why"),
        cpu: seconds(&sampling["cpu"]).context("no CPU of looks")? / MARKS[1],
        looks: sampling["looks"].as_u64().unwrap_or_default(),
        marks,
        counters,
    })
}

fn judge(outcome: &Outcome) -> Result<()> {
    let rows: Vec<Row> = outcome.all("row")?;
    let nobody = rows.first().context("there are rows")?;
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    println!("                         cold part gone at   moved   cold when  through-   source's");
    println!("wanted   source          90 s      150 s       /MiB    it moved       put   CPU, core   looks");
    for row in &rows {
        row.print(nobody);
    }
    let mut verdict = Verdict::default();
    for row in rows.iter().skip(1) {
        println!("{}: {}", row.wanted, row.why);
        verdict.expect(!row.source.is_empty(), format!("{}: there is a source of idle ages", row.wanted));
        verdict.expect(
            row.moved(0.0) <= row.moved_by_kernel(),
            format!("{}: {:.1} MiB found gone", row.wanted, mib(row.moved(0.0))),
        );
    }
    verdict.expect(nobody.moved_by_kernel() == 0, "nothing moves by itself");
    verdict.finish()
}

impl Row {
    /// Bytes found gone that had been idle for so long.
    fn moved(&self, idle: f64) -> u64 {
        let truth = self.marks.last().and_then(|report| report.truth.as_ref());
        let rows = truth.into_iter().flat_map(|truth| &truth.ages);
        let rows = rows.filter(|row: &&AgeRow| row.at_least >= idle);
        rows.map(|row| row.moved).max().unwrap_or_default()
    }

    /// Also what came back before a lookup found it gone.
    fn moved_by_kernel(&self) -> u64 {
        self.counters.stolen
    }

    fn print(&self, nobody: &Self) {
        let gone = |report: &Report| {
            let truth = report.truth.as_ref();
            format!("{:>5.1} %", truth.map_or(0.0, |truth| mib(truth.cold.gone()) / mib(COLD)) * 100.0)
        };
        let gone: Vec<_> = self.marks.iter().map(gone).collect();
        let moved = mib(self.moved_by_kernel());
        let cold = match self.moved_by_kernel() {
            0 => "-".to_owned(),
            _ => format!("{:.1} %", mib(self.moved(COLD_AFTER)) / moved * 100.0),
        };
        let rate = |row: &Self| row.marks.last().map_or(0.0, |report| report.rate);
        println!(
            "{:<8} {:<12} {} {moved:>10.1} {cold:>11} {:>9.4} {:>9.3} % {:>7}",
            self.wanted,
            self.source,
            gone.join("   "),
            rate(self) / rate(nobody),
            self.cpu * 100.0,
            self.looks,
        );
    }
}
