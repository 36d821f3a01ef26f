//! Idle ages of pages drawn at random, where there is no MGLRU: against the truth of a tenant, at what cost,
//! and whether that stays the same with 64 GiB of addresses that are mapped and not used. At the end the lab
//! takes more of the tenant than is cold, and the daemon has to say how much of that was.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::look::{now, seconds, sleep_until};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Counters, Daemon, Tenant, Zram, generations, knobs, report};
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
    name: "sampled",
    about: "idle ages and precision of pages drawn at random, against the truth of a tenant; at the same cost with 64 GiB mapped and not used",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// A tenth is always in use, a fifth every 30 s, and the rest never.
const TENANT: [&str; 17] = [
    "--hot",
    "20M",
    "--warm",
    "40M",
    "--warm-every",
    "30s",
    "--cold",
    "140M",
    "--ages",
    "30s,60s,120s",
    "--truth",
    "--interval",
    "500ms",
    "--pause",
    "100ms",
    "--burst",
    "1024",
];
/// Its tenants: what they have besides.
const RUNS: [(&str, &[&str]); 2] = [("dense", &[]), ("sparse", &["--sparse", "64G"])];

/// Where classes begin: an age, and its place among the boundaries of the daemon's histogram.
const AGES: [(f64, usize); 3] = [(30.0, 4), (60.0, 5), (120.0, 6)];
/// From the draw on pages have to be watched for as long as an age and so many seconds more, before their
/// ages can be as old.
const SETTLE: f64 = 20.0;
/// Seconds from the daemon's start.
const END: f64 = 160.0;
const COLD_AFTER: f64 = 60.0;
/// More than is cold.
const TAKEN: &str = "170M";
/// After a sweep of the warm part, so that its pages have been idle for a while but are not cold.
const AFTER_SWEEP: f64 = 12.0;
const WARM_EVERY: f64 = 30.0;

/// The floor keeps it from acting: what is measured is what it knows.
const CONFIG: &str = "
interval: 2s
hotness: { interval: 15s, cpu: 1% }
policies:
  - name: watched
    match: [/sampled/*]
    mode: full
    cold_after: 60s
    limits: { floor: 1GiB }
";

/// The daemon's histogram at one look, with the truth of that moment.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    kind: String,
    run: String,
    /// Seconds since the daemon's start.
    t: f64,
    source: String,
    pages: u64,
    /// Share of the memory that is idle for at least each of [`AGES`]; and the truth.
    idle: [f64; 3],
    truth: [f64; 3],
    /// Half of the 95 % interval that the daemon tells for the first of them.
    error: f64,
}

/// What a run cost.
#[derive(Debug, Serialize, Deserialize)]
struct Cost {
    kind: String,
    run: String,
    looks: u64,
    cpu: f64,
    seconds: f64,
}

/// What left DRAM at the end.
#[derive(Debug, Serialize, Deserialize)]
struct Gone {
    kind: String,
    /// Share of it that was cold, by the daemon, and by so many pages.
    told: Option<f64>,
    pages: f64,
    /// And by the tenant.
    truth: f64,
    moved: u64,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    generations::switch_off()?;
    knobs::make_room_for_damon()?;
    RUNS.iter().try_for_each(run)
}

fn run((name, more): &(&str, &[&str])) -> Result<()> {
    let cgroup = Cgroup::create(&format!("sampled/{name}"))?;
    let args: Vec<_> = TENANT.iter().chain(*more).copied().collect();
    let tenant = Tenant::start(name, &cgroup, &args)?;
    let started = now()?;
    let daemon = Daemon::start(&format!("sampled-{name}"), CONFIG)?;
    let mut looks = 0;
    while now()? < started + END {
        sleep(Duration::from_secs(1));
        let status = daemon.status()?;
        let sampling = &status["sampling"];
        let so_far = sampling["looks"].as_u64().unwrap_or_default();
        if so_far != looks {
            tell(name, &status, &tenant, started)?;
        }
        looks = so_far;
    }
    let sampling = &daemon.status()?["sampling"];
    println!("{sampling}");
    report::emit(&Cost {
        kind: "cost".into(),
        run: (*name).into(),
        looks,
        cpu: seconds(&sampling["cpu"]).context("no CPU of looks")?,
        seconds: now()? - started,
    })?;
    if *name == "dense" {
        take(&cgroup, &tenant, &daemon)?;
    }
    daemon.stop()?;
    tenant.stop()?;
    cgroup.remove()
}

/// Reports what the daemon knows, beside the truth of the same moment.
fn tell(name: &str, status: &Value, tenant: &Tenant, started: f64) -> Result<()> {
    let cgroup = &status["cgroups"][0];
    let hotness = &cgroup["hotness"];
    if hotness.is_null() {
        return Ok(());
    }
    let at = now()? - seconds(&hotness["data_age"]).context("no age of the data")?;
    let classes = hotness["histogram"]["classes"].as_array().context("no classes")?;
    let bytes = |class: &Value| class["anon"].as_f64().unwrap_or_default();
    let all: f64 = classes.iter().map(bytes).sum();
    let idle = AGES.map(|(_, first)| classes.iter().skip(first).map(bytes).sum::<f64>() / all);
    let nearest = |report: &Report| (report.clock - at).abs();
    let reports = tenant.reports()?.into_iter().filter(|report| report.truth.is_some());
    let truth = reports.min_by(|a, b| nearest(a).total_cmp(&nearest(b))).context("no truth")?;
    report::emit(&Seen {
        kind: "seen".into(),
        run: name.into(),
        t: at - started,
        source: hotness["source"].as_str().unwrap_or_default().into(),
        pages: hotness["resolution"]["pages"].as_u64().unwrap_or_default(),
        idle,
        truth: AGES.map(|(age, _)| share_idle(&truth, age)),
        error: hotness["what_if"][3]["could_go_error"].as_f64().unwrap_or_default() / all,
    })
}

fn share_idle(report: &Report, age: f64) -> f64 {
    let rows = report.truth.as_ref().map(|truth| truth.ages.as_slice()).unwrap_or_default();
    let at_least = |age: f64| rows.iter().find(|row| row.at_least >= age).map_or(0.0, |row| mib(row.dram));
    at_least(age) / at_least(0.0)
}

/// Takes more than is cold, as nobody should, and asks what the daemon thinks of that.
fn take(cgroup: &Cgroup, tenant: &Tenant, daemon: &Daemon) -> Result<()> {
    let t = tenant.truth()?;
    let since_sweep = t.t % WARM_EVERY;
    sleep_until(t.clock + AFTER_SWEEP + WARM_EVERY - since_sweep)?;
    // Some of it may be in use again before it is written: then the kernel says that it could not take all.
    if let Err(error) = cgroup.write("memory.reclaim", TAKEN) {
        println!("{error:#}");
    }
    // What came back before the tenant looked is in the kernel's count alone, and was not cold.
    let stolen = Counters::read(cgroup)?.stolen;
    let truth = tenant.truth()?;
    let rows = truth.truth.as_ref().map(|truth| truth.ages.as_slice()).unwrap_or_default();
    let moved = |age: f64| rows.iter().find(|row| row.at_least >= age).map_or(0, |row| row.moved);
    let before = daemon.status()?["sampling"]["looks"].as_u64();
    for _ in 0..60 {
        sleep(Duration::from_secs(1));
        if daemon.status()?["sampling"]["looks"].as_u64() != before {
            break;
        }
    }
    sleep(Duration::from_secs(3));
    let target = daemon.target(&cgroup.name())?;
    let precision = &target["hotness"]["precision"];
    println!("{}", daemon.explain(&cgroup.name())?);
    report::emit(&Gone {
        kind: "gone".into(),
        told: precision["share"].as_f64(),
        pages: precision["pages"].as_f64().unwrap_or_default(),
        truth: mib(moved(COLD_AFTER)) / mib(stolen.max(moved(0.0))),
        moved: stolen.max(moved(0.0)),
    })
}

fn judge(outcome: &Outcome) -> Result<()> {
    let seen: Vec<Seen> = outcome.all("seen")?;
    let costs: Vec<Cost> = outcome.all("cost")?;
    let gone: Gone = outcome.result("gone")?;
    let mut verdict = Verdict::default();
    for Seen { run, t, source, pages, idle, truth, error, .. } in &seen {
        let percent = |shares: &[f64; 3]| shares.map(|share| format!("{:>5.1}", share * 100.0)).join(" ");
        println!(
            "{run:>7} {t:>6.1} s, {source}, {pages} pages: idle for 30, 60, 120 s {} % of {} %, ±{:.1}",
            percent(idle),
            percent(truth),
            error * 100.0
        );
        verdict.expect(source == "sampled", format!("{run}: ages from sampled pages"));
        for ((idle, truth), (age, _)) in idle.iter().zip(truth).zip(AGES) {
            let off = (idle - truth).abs() * 100.0;
            if *t >= age + SETTLE {
                verdict.expect(off <= 3.0, format!("{run}: {off:.2} points off at {age:.0} s of idleness"));
            }
        }
    }
    for (name, _) in RUNS {
        let oldest = seen.iter().filter(|seen| seen.run == name).map(|seen| seen.t).fold(0.0, f64::max);
        verdict.expect(oldest >= AGES[2].0 + SETTLE, format!("{name}: looked at until {oldest:.0} s"));
    }
    let share = |cost: &Cost| cost.cpu / cost.seconds * 100.0;
    for cost in &costs {
        println!("{:>7}: {} looks, {:.3} s of CPU in {:.0} s", cost.run, cost.looks, cost.cpu, cost.seconds);
        verdict.expect(share(cost) <= 0.5, format!("{}: {:.3} % of a core", cost.run, share(cost)));
    }
    if let [dense, sparse] = costs.as_slice() {
        let ratio = share(sparse) / share(dense);
        verdict.expect(
            (0.8..=1.2).contains(&ratio),
            format!("64 GiB more, not used, cost {ratio:.3} times as much"),
        );
    }
    let told = gone.told.context("the daemon has not told how much of what left was cold")?;
    let off = (told - gone.truth).abs() * 100.0;
    verdict.expect(
        off <= 5.0,
        format!(
            "{:.1} % of {:.0} MiB that left was cold, by {:.0} pages; {:.1} % by the tenant",
            told * 100.0,
            mib(gone.moved),
            gone.pages,
            gone.truth * 100.0
        ),
    );
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
