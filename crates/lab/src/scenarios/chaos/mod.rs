//! Two good tenants alone, and beside one that is hostile in every way that a tenant can be: the good ones
//! are not to feel it, and the daemon neither. One of them is left to settle, the other one touches all of
//! its memory while reclaim is under way.

mod hang;
mod hostile;

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::look::{now, sleep_until};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Counters, Daemon, Tenant, Watchdog, Zram, cgroup, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, PAGE, mib};
use anyhow::{Context, Result, ensure};
use hang::Hang;
use hostile::{Crowd, Hostile};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "chaos",
    about: "beside a tenant with thousands of cgroups, deep ones, odd names, churn and 16 greedy scrapers another one is served as without it",
    machine: || machine(2048 * MIB, Duration::from_mins(30)),
    programs: &["lowtide"],
    guest: || guest(Crowd { flat: 2000, deep: 200, leaves: 30, holders: 60, hung: 0 }),
    judge: |outcome| judge(outcome, 0),
};

/// As many and as deep as a kernel lets one tenant make with a few gigabytes, and writes to `memory.reclaim`
/// that hang in its disk.
pub(super) const CROWD: Scenario = Scenario {
    name: "chaos_crowd",
    about: "the same with 50 000 cgroups, 1000 levels deep among them, and four reclaim writes that hang",
    machine: || machine(6144 * MIB, Duration::from_hours(2)).with_packed("dmsetup"),
    programs: &["lowtide"],
    guest: || guest(Crowd { flat: 48_000, deep: 1000, leaves: 300, holders: 300, hung: HUNG }),
    judge: |outcome| judge(outcome, 4),
};

/// Cgroups whose writes are to hang. Each has its own way from the top, and one subtree may have so many
/// under way that four of them do.
const HUNG: usize = 8;

fn machine(memory: u64, limit: Duration) -> Machine {
    Machine::deterministic().with_memory(memory).with_limit(limit)
}

/// Where the daemon and this process are.
const HOME: &str = "lab";
/// Of a daemon that has put everything back.
const LAST_WORDS: &str = "lowtide stopped";
const METRICS: &str = "127.0.0.1:9464";
const INTERVAL: f64 = 6.0;
const WATCHDOG: Duration = Duration::from_secs(20);

const CONFIG: &str = "
interval: 6s
hotness: { interval: 10s }
metrics: { listen: 127.0.0.1:9464 }
tiers: { zswap: { enabled: ZSWAP } }
policies:
  - name: good
    match: [/tenants/*]
    mode: full
    cold_after: 20s
    slo: { memory_pressure: 0.5%, io_pressure: 1% }
    limits: { per_minute: 80%, floor: 16MiB }
  - name: anybody
    match: ['/evil/**']
    mode: full
    cold_after: 20s
    limits: { floor: 1MiB }
";

const TENANT: [&str; 8] = ["--hot", "20M", "--warm", "10M", "--warm-every", "15s", "--cold", "120M"];
/// When so much is gone there is more to ask for in every turn, and the touch meets that.
const UNDERWAY: u64 = 40 * MIB;
/// Until then.
const PATIENCE: f64 = 90.0;
/// From the touch on what is taken is watched: longer than a turn.
const WATCHED: f64 = 8.0;
/// Until most of what is cold is gone.
const SETTLES: f64 = 100.0;

/// What became of the good tenants, and of the daemon.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    kind: String,
    name: String,
    /// Below the hostile tenant.
    cgroups: u64,
    /// Bytes in swap of the one that settled.
    offloaded: u64,
    /// Bytes in swap of the other one when it touched all of its memory.
    touched: u64,
    /// Seconds from that touch until the last page went.
    stopped: f64,
    /// Bytes that went meanwhile.
    taken: u64,
    /// Why, as `explain` says of its last decision.
    decision: String,
    /// The mean time between two turns.
    turn: f64,
    /// The longest time between two signs of life to systemd's watchdog, which wants one in [`WATCHDOG`].
    silence: Duration,
    /// From SIGTERM to the end.
    end: Duration,
    resident: u64,
    /// Requests that hang, as `status` says at the end.
    hung: u64,
}

fn guest(crowd: Crowd) -> Result<()> {
    knobs::set_huge_pages("never")?;
    let mut hang = if crowd.hung > 0 {
        Some(Hang::prepare(2048 * MIB)?)
    } else {
        Zram::swap(&ZramOptions::lz4(1024 * MIB), 100)?;
        None
    };
    let config = CONFIG.replace("ZSWAP", if hang.is_some() { "true" } else { "false" });
    // As on a host with systemd, no tenant has more processor time than another because it has more
    // processes.
    Cgroup::create(HOME)?;
    knobs::write("/sys/fs/cgroup/cgroup.subtree_control", "+cpu")?;
    cgroup::enter(Cgroup::create(HOME)?.path())?;
    report::emit(&run("alone", &config, None)?)?;
    let begun = Instant::now();
    let mut hostile = Hostile::make(crowd)?;
    println!("{} cgroups were made in {:.0} s", hostile.cgroups()?, begun.elapsed().as_secs_f64());
    if let Some(hang) = &mut hang {
        hang.begin()?;
    }
    report::emit(&run("beside", &config, Some(&mut hostile))?)?;
    hostile.end()
}

fn run(name: &str, config: &str, hostile: Option<&mut Hostile>) -> Result<Run> {
    let (cgroup, tenant) = good(&format!("{name}-settles"))?;
    let (other, active) = good(&format!("{name}-touches"))?;
    let watchdog = Watchdog::new(name, WATCHDOG)?;
    let mut daemon = Daemon::start_watched(name, config, &watchdog)?;
    let cgroups = match hostile {
        None => 0,
        Some(hostile) => {
            hostile.begin(METRICS)?;
            hostile.cgroups()?
        }
    };
    let (begun, first) = (now()?, turns(&daemon)?);
    wait_until_underway(&other, begun)?;
    let before = Counters::read(&other)?;
    active.touch_all()?;
    let (stopped, taken) = last_taken(&other, &before)?;
    sleep_until(begun + SETTLES)?;
    let turn = (now()? - begun) / (turns(&daemon)? - first);
    let decision = daemon.target(&cgroup.name())?["decision"]["reason"]
        .as_str()
        .context("nothing was decided")?
        .to_owned();
    println!("{}", daemon.explain(&cgroup.name())?);
    let offloaded = Counters::read(&cgroup)?.swap;
    let resident = crate::guest::ProcessUse::of(daemon.id())?.peak;
    let hung = hanging(&daemon)?;
    let end = end(&mut daemon)?;
    println!("{}", complaints(&daemon.log()?));
    tenant.stop()?;
    active.stop()?;
    let (kind, name) = ("run".into(), name.into());
    let silence = watchdog.longest_silence();
    let touched = before.swap;
    Ok(Run {
        kind,
        name,
        cgroups,
        offloaded,
        touched,
        stopped,
        taken,
        decision,
        turn,
        silence,
        end,
        resident,
        hung,
    })
}

/// How many requests hang, by the problem that `status` has of them.
fn hanging(daemon: &Daemon) -> Result<u64> {
    let status = daemon.status()?;
    let problems = status["problems"].as_array().context("status has no problems")?;
    let told =
        problems.iter().filter_map(|problem| problem.as_str()?.split_once(" of the reclaim requests hang"));
    Ok(told.filter_map(|(count, _)| count.parse::<u64>().ok()).sum())
}

/// From SIGTERM until it has put everything back and says so. After that a thread that hangs in the kernel
/// keeps the process there until its disk answers, whatever it does (`do_exit`): that is waited for, and does
/// not count.
fn end(daemon: &mut Daemon) -> Result<Duration> {
    let ending = Instant::now();
    daemon.signal(Signal::SIGTERM)?;
    while !daemon.log()?.contains(LAST_WORDS) {
        ensure!(ending.elapsed() < 10 * WATCHDOG, "it does not end: {}", daemon.log()?);
        sleep_until(now()? + 0.05)?;
    }
    let end = ending.elapsed();
    let status = daemon.wait()?;
    ensure!(status.success(), "lowtide ended with {status}: {}", daemon.log()?);
    Ok(end)
}

fn good(name: &str) -> Result<(Cgroup, Tenant)> {
    let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
    let tenant = Tenant::start(name, &cgroup, &TENANT)?;
    Ok((cgroup, tenant))
}

/// How many turns there were, asked by root's own door.
fn turns(daemon: &Daemon) -> Result<f64> {
    daemon.status()?["ticks"].as_f64().context("status has no ticks")
}

fn wait_until_underway(cgroup: &Cgroup, begun: f64) -> Result<()> {
    loop {
        let sample = Counters::read(cgroup)?;
        if sample.swap >= UNDERWAY {
            return Ok(());
        }
        ensure!(sample.at < begun + PATIENCE, "only {} MiB went in {PATIENCE} s", sample.swap / MIB);
        sleep_until(sample.at + 0.01)?;
    }
}

/// Seconds after `before` when the last page was taken, and the bytes until then.
fn last_taken(cgroup: &Cgroup, before: &Counters) -> Result<(f64, u64)> {
    let (mut stolen, mut last) = (before.stolen, 0.0);
    loop {
        let sample = Counters::read(cgroup)?;
        if sample.stolen > stolen {
            (stolen, last) = (sample.stolen, sample.at - before.at);
        }
        if sample.at > before.at + WATCHED {
            return Ok((last, (stolen - before.stolen) * PAGE as u64));
        }
        sleep_until(sample.at + 0.01)?;
    }
}

/// The first lines of the daemon's log above the level of information.
fn complaints(log: &str) -> String {
    let is_complaint = |line: &&str| line.contains("WARN") || line.contains("ERROR");
    log.lines().filter(is_complaint).take(8).collect::<Vec<_>>().join("\n")
}

fn judge(outcome: &Outcome, hung: u64) -> Result<()> {
    let runs: Vec<Run> = outcome.all("run")?;
    println!(
        "          cgroups  offloaded/MiB  touched/MiB  stopped/s  taken/MiB  turn/s  watchdog/s  SIGTERM/s  peak/MiB  hung  decided"
    );
    for run in &runs {
        println!(
            "{:<8} {:>8} {:>14.1} {:>12.1} {:>10.2} {:>10.1} {:>7.2} {:>11.2} {:>10.2} {:>9.1} {:>5}  {}",
            run.name,
            run.cgroups,
            mib(run.offloaded),
            mib(run.touched),
            run.stopped,
            mib(run.taken),
            run.turn,
            run.silence.as_secs_f64(),
            run.end.as_secs_f64(),
            mib(run.resident),
            run.hung,
            run.decision
        );
    }
    println!("kernel {}, {:.0} s wall", outcome.kernel, outcome.wall.as_secs_f64());
    let find = |name| runs.iter().find(|run| run.name == name).with_context(|| format!("no run {name}"));
    let (alone, beside) = (find("alone")?, find("beside")?);
    let mut verdict = Verdict::default();
    verdict.expect(mib(alone.offloaded) > 90.0, "alone, most of what is cold was offloaded");
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let ratio = beside.offloaded as f64 / alone.offloaded as f64;
    verdict.expect((0.95..1.05).contains(&ratio), format!("savings are {ratio:.3} of those alone"));
    verdict.expect(
        beside.stopped <= alone.stopped.max(1.0) * 1.05,
        format!("reclaim stopped {:.2} s after the touch, {:.2} alone", beside.stopped, alone.stopped),
    );
    verdict.expect(beside.decision == alone.decision, "explain says the same of it");
    verdict.expect(alone.hung == 0, "alone, no request hung");
    verdict.expect(beside.hung >= hung, format!("{} requests hung, {hung} were to", beside.hung));
    verdict.expect(beside.turn <= 2.0 * INTERVAL, "a turn came within two intervals");
    verdict.expect(beside.silence < WATCHDOG, "the watchdog never waited too long");
    verdict.expect(beside.end < Duration::from_secs(15), "SIGTERM took less than 15 s");
    verdict.finish()
}
