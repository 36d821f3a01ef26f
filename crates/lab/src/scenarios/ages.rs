//! What the daemon knows of idle ages, against what the tenants know of themselves: three at once, from each
//! source.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::look::{now, seconds};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Tenant, Zram, generations, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "ages",
    about: "histograms of idle ages against the truth of three tenants (steady, scanning, mostly idle), from MGLRU and DAMON",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// Half of the memory of `steady` is in use; `scanning` goes through all of it once a minute; `idle` sleeps.
const TENANTS: [(&str, &[&str]); 3] = [
    ("steady", &["--hot", "20M", "--warm", "15M", "--warm-every", "20s", "--cold", "40M"]),
    ("scanning", &["--hot", "2M", "--warm", "0", "--cold", "0", "--scan", "60M", "--scan-every", "60s"]),
    ("idle", &["--hot", "2M", "--warm", "0", "--cold", "60M"]),
];
/// Several truths a second, so that there is one for the moment of each look.
const COMMON: [&str; 9] =
    ["--ages", "30s,60s,120s", "--truth", "--interval", "500ms", "--pause", "100ms", "--burst", "1024"];

/// Where classes begin: an age, and its place among the boundaries of the daemon's histogram.
const CLASSES: [(f64, usize); 4] = [(0.0, 0), (30.0, 4), (60.0, 5), (120.0, 6)];

const SOURCES: [&str; 2] = ["mglru", "damon"];
/// Time for the ages to become as old as the oldest class.
const SETTLE: Duration = Duration::from_secs(130);
const READINGS: usize = 2;

/// The floor keeps it from acting: what is measured is what it knows.
fn config(source: &str) -> String {
    format!(
        "
interval: 2s
hotness: {{ source: {source}, interval: 30s, cpu: 1% }}
policies:
  - name: watched
    match: [/ages/*]
    mode: full
    cold_after: 60s
    limits: {{ floor: 1GiB }}
"
    )
}

/// One tenant's histogram at one look.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    kind: String,
    source: String,
    /// What the daemon says the source is.
    named: String,
    tenant: String,
    /// The moment it is true for, on the monotonic clock.
    at: f64,
    /// Anonymous bytes of each of [`CLASSES`].
    classes: Vec<u64>,
}

/// What a source cost.
#[derive(Debug, Serialize, Deserialize)]
struct Cost {
    kind: String,
    source: String,
    why: String,
    looks: u64,
    cpu: f64,
    seconds: f64,
}

/// All truths of one tenant.
#[derive(Debug, Serialize, Deserialize)]
struct Truths {
    kind: String,
    tenant: String,
    reports: Vec<Report>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    generations::switch_on()?;
    let start = |(name, args): &(&str, &[&str])| {
        let args: Vec<_> = args.iter().chain(&COMMON).copied().collect();
        Tenant::start(name, &Cgroup::create(&format!("ages/{name}"))?, &args)
    };
    let tenants: Vec<Tenant> = TENANTS.iter().map(start).collect::<Result<_>>()?;
    knobs::make_room_for_damon()?;
    SOURCES.iter().try_for_each(|source| watch(source))?;
    for (tenant, (name, _)) in tenants.into_iter().zip(TENANTS) {
        let reports = tenant.reports()?.into_iter().filter(|report| report.truth.is_some()).collect();
        tenant.stop()?;
        report::emit(&Truths { kind: "truths".into(), tenant: name.into(), reports })?;
    }
    Ok(())
}

fn watch(source: &str) -> Result<()> {
    let started = now()?;
    let daemon = Daemon::start(&format!("ages-{source}"), &config(source))?;
    sleep(SETTLE);
    for _ in 0..READINGS {
        let (status, at) = after_a_look(&daemon)?;
        for cgroup in status["cgroups"].as_array().context("status has no cgroups")? {
            if let Some(seen) = seen(source, cgroup, at)? {
                report::emit(&seen)?;
            }
        }
    }
    let sampling = &daemon.status()?["sampling"];
    report::emit(&Cost {
        kind: "cost".into(),
        source: source.into(),
        why: sampling["why"].as_str().unwrap_or_default().into(),
        looks: sampling["looks"].as_u64().unwrap_or_default(),
        cpu: seconds(&sampling["cpu"]).context("no CPU of looks")?,
        seconds: now()? - started,
    })?;
    println!("{}", daemon.explain("/ages/scanning")?);
    daemon.stop()
}

/// The status of the first turn after a new look, and when that turn was. Gives up after a while: a source
/// that is not there never looks, and DAMON by physical address, where three cgroups cost as many walks
/// through all memory, once a minute.
fn after_a_look(daemon: &Daemon) -> Result<(Value, f64)> {
    let looks = |status: &Value| status["sampling"]["looks"].as_u64();
    let mut status = daemon.status()?;
    let before = looks(&status);
    for _ in 0..450 {
        if looks(&status) != before {
            break;
        }
        // Each is a process: more often costs minutes on the wall, and the scan goes on by 0.2 MiB meanwhile.
        sleep(Duration::from_millis(200));
        status = daemon.status()?;
    }
    Ok((status, now()?))
}

fn seen(source: &str, cgroup: &Value, at: f64) -> Result<Option<Seen>> {
    let hotness = &cgroup["hotness"];
    if hotness.is_null() {
        return Ok(None);
    }
    let classes = hotness["histogram"]["classes"].as_array().context("no classes")?;
    let anon: Vec<u64> = classes.iter().map(|class| class["anon"].as_u64().unwrap_or_default()).collect();
    let ends = CLASSES.iter().skip(1).map(|(_, index)| *index).chain([anon.len()]);
    let sums = CLASSES.iter().zip(ends).map(|((_, from), to)| anon[*from..to].iter().sum()).collect();
    let path = cgroup["path"].as_str().unwrap_or_default();
    Ok(Some(Seen {
        kind: "seen".into(),
        source: source.into(),
        named: hotness["source"].as_str().unwrap_or_default().into(),
        tenant: path.rsplit('/').next().unwrap_or_default().into(),
        at: at - seconds(&hotness["data_age"]).context("no age of the data")?,
        classes: sums,
    }))
}

fn judge(outcome: &Outcome) -> Result<()> {
    let seen: Vec<Seen> = outcome.all("seen")?;
    let truths: Vec<Truths> = outcome.all("truths")?;
    let costs: Vec<Cost> = outcome.all("cost")?;
    let mut verdict = Verdict::default();
    for Cost { source, why, looks, cpu, seconds, .. } in &costs {
        println!("\n{source}: {why}; {looks} looks, {:.3} % of a core", cpu / seconds * 100.0);
        println!("               idle, MiB:  0-30 s         30-60 s        60-120 s       120 s-");
        let of_source: Vec<_> = seen.iter().filter(|seen| seen.source == *source).collect();
        for seen in &of_source {
            let truth = truths.iter().find(|truths| truths.tenant == seen.tenant).context("no truth")?;
            let truth = truth.at(seen.at)?;
            print_row(seen, &truth);
            if source == "mglru" {
                expect_near(&mut verdict, seen, &truth);
            }
        }
        if source == "mglru" {
            let all = TENANTS.len() * READINGS;
            verdict.expect(of_source.len() == all, format!("{} of {all} histograms", of_source.len()));
            verdict.expect(cpu / seconds <= 0.01, "looks take at most 1 % of a core");
        }
    }
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

impl Truths {
    /// Bytes in DRAM of each class, from the truth that is nearest to a moment.
    fn at(&self, moment: f64) -> Result<Vec<u64>> {
        let distance = |report: &Report| (report.clock - moment).abs();
        let nearest = self.reports.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let report = nearest.context("the tenant never told the truth")?;
        let ages = &report.truth.as_ref().context("no truth")?.ages;
        let at_least = |age: f64| ages.iter().find(|row| row.at_least >= age).map_or(0, |row| row.dram);
        let begins: Vec<u64> = CLASSES.iter().map(|(age, _)| at_least(*age)).collect();
        let ends = begins.iter().skip(1).copied().chain([0]);
        Ok(begins.iter().zip(ends).map(|(begin, end)| begin - end).collect())
    }
}

fn print_row(seen: &Seen, truth: &[u64]) {
    let cells: Vec<_> = seen
        .classes
        .iter()
        .zip(truth)
        .map(|(seen, truth)| format!("{:>5.1} of {:>4.1}", mib(*seen), mib(*truth)))
        .collect();
    println!("{:>12} {:>11}  {}", seen.named, seen.tenant, cells.join("   "));
}

/// Each class within 10 % of its bytes, or within 2 % of the tenant's where the class is next to empty: the
/// tenant has a little memory besides its parts.
fn expect_near(verdict: &mut Verdict, seen: &Seen, truth: &[u64]) {
    let all: u64 = truth.iter().sum();
    for ((estimate, truth), (age, _)) in seen.classes.iter().zip(truth).zip(CLASSES) {
        let allowed = (mib(*truth) * 0.1).max(mib(all) * 0.02);
        let error = (mib(*estimate) - mib(*truth)).abs();
        verdict.expect(
            error <= allowed,
            format!("{}, idle {age:.0} s and more: {error:.1} MiB off, {allowed:.1} allowed", seen.tenant),
        );
    }
}
