//! Cgroups come and go a hundred times a second for a minute: the daemon neither stumbles nor grows.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, ProcessUse, Zram, cgroup, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::MIB;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "churn",
    about: "100 cgroups a second created and removed for 60 s under a policy in full mode",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

const PERIOD: Duration = Duration::from_millis(10);
const CHURNED: u64 = 6000;
/// A look after so many. Not after a multiple of the daemon's interval: then all looks would fall into the same
/// part of its turns, and in one part hardly anybody who was asked is still alive.
const LOOK_EVERY: u64 = 970;
/// What the second half of the churn may add to the peak. The allocator grows in steps of up to 1.1 MiB (in a
/// run five times as long, from the second minute on, once); an account that is not forgotten is over 1 KiB
/// for each of the half's 3000 cgroups.
const GROWTH: u64 = 2 * MIB;
/// A cgroup lives this many periods.
const ALIVE: usize = 250;
/// Every so many has a process, which lives as long as it.
const POPULATED: u64 = 20;
const HELD: &str = "3M";

/// Everything is cold at once and nothing has a floor, so that each tick reclaims from cgroups that are about
/// to go.
const CONFIG: &str = "
interval: 1s
hotness: { interval: 1s }
metrics: { listen: 127.0.0.1:9464 }
policies:
  - name: churn
    match: [/churn/*]
    mode: full
    cold_after: 2s
    slo: { memory_pressure: 50%, io_pressure: 50%, promotion_rate: 100%/min }
    limits: { per_minute: 100%, floor: 0B }
";

/// The daemon at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Look {
    kind: String,
    what: String,
    at: f64,
    process: ProcessUse,
    targets: usize,
    /// Bytes of the whole `lowtide status --json`.
    status: usize,
    /// Lines of /metrics.
    series: usize,
    /// Targets that were asked for memory so far, of those alive.
    reclaimed: usize,
    dying: u64,
    /// What its descriptors lead to when it is at rest, numbers of inodes aside.
    open: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    kind: String,
    created: u64,
    removed: u64,
    seconds: f64,
    /// How late the slowest mkdir or rmdir made the churn.
    worst_call: Duration,
    swapped_out: u64,
    dying_before_stop: u64,
    dying_after_stop: u64,
    complaints: Vec<String>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let steady = Cgroup::create("churn/steady")?;
    let mut holder = hold(&steady)?;
    let daemon = Daemon::start("churn", CONFIG)?;
    let started = Instant::now();
    sleep(Duration::from_secs(5));
    report::emit(&at_rest(&daemon, "before", started)?)?;
    let mut churn = Churn::default();
    let begun = Instant::now();
    for turn in 0..CHURNED {
        churn.turn(turn)?;
        if turn % LOOK_EVERY == LOOK_EVERY - 1 {
            report::emit(&look(&daemon, "churning", started)?)?;
        }
        sleep((begun + PERIOD * u32::try_from(turn + 1)?).saturating_duration_since(Instant::now()));
    }
    let seconds = begun.elapsed().as_secs_f64();
    while churn.remove_oldest()? {}
    // Threads of the blocking pool end after an idle second.
    sleep(Duration::from_secs(15));
    report::emit(&at_rest(&daemon, "after", started)?)?;
    let complaints = complaints(&daemon.log()?);
    let dying_before_stop = dying()?;
    daemon.stop()?;
    sleep(Duration::from_secs(5));
    report::emit(&Summary {
        kind: "summary".into(),
        created: churn.created,
        removed: churn.removed,
        seconds,
        worst_call: churn.worst_call,
        swapped_out: knobs::vmstat("pswpout")?,
        dying_before_stop,
        dying_after_stop: dying()?,
        complaints,
    })?;
    holder.kill()?;
    holder.wait().map(drop).context("cannot wait for lab-guest")
}

/// The cgroups that live now, oldest first.
#[derive(Default)]
struct Churn {
    alive: VecDeque<(PathBuf, Option<Child>)>,
    created: u64,
    removed: u64,
    worst_call: Duration,
}

impl Churn {
    fn turn(&mut self, turn: u64) -> Result<()> {
        let path = PathBuf::from(cgroup::ROOT).join(format!("churn/{turn}"));
        self.timed(|| std::fs::create_dir(&path))
            .with_context(|| format!("cannot create {}", path.display()))?;
        self.created += 1;
        let process = (turn.is_multiple_of(POPULATED)).then(|| hold(&Cgroup::at(&path))).transpose()?;
        self.alive.push_back((path, process));
        if self.alive.len() > ALIVE {
            self.remove_oldest()?;
        }
        Ok(())
    }

    /// False if there is none.
    fn remove_oldest(&mut self) -> Result<bool> {
        let Some((path, process)) = self.alive.pop_front() else { return Ok(false) };
        if let Some(mut process) = process {
            process.kill()?;
            process.wait()?;
        }
        self.timed(|| std::fs::remove_dir(&path))
            .with_context(|| format!("cannot remove {}", path.display()))?;
        self.removed += 1;
        Ok(true)
    }

    fn timed(&mut self, call: impl FnOnce() -> std::io::Result<()>) -> std::io::Result<()> {
        let started = Instant::now();
        let done = call();
        self.worst_call = self.worst_call.max(started.elapsed());
        done
    }
}

fn hold(cgroup: &Cgroup) -> Result<Child> {
    let mut command = cgroup.command("lab-guest");
    command.args(["hold", HELD]).stdin(Stdio::null());
    command.spawn().context("cannot start lab-guest")
}

fn look(daemon: &Daemon, what: &str, started: Instant) -> Result<Look> {
    let status = daemon.status()?;
    let targets = status["cgroups"].as_array().context("status has no cgroups")?;
    let reclaimed = targets.iter().filter(|target| target["account"]["requested"].as_u64() > Some(0)).count();
    let page = crate::guest::http::get("127.0.0.1:9464", "/metrics")?;
    Ok(Look {
        kind: "look".into(),
        what: what.into(),
        at: started.elapsed().as_secs_f64(),
        process: ProcessUse::of(daemon.id())?,
        targets: targets.len(),
        status: status.to_string().len(),
        series: page.body.lines().filter(|line| !line.starts_with('#')).count(),
        reclaimed,
        dying: dying()?,
        open: Vec::new(),
    })
}

/// A look without the files that happen to be open because the daemon is just reading them.
fn at_rest(daemon: &Daemon, what: &str, started: Instant) -> Result<Look> {
    let mut look = look(daemon, what, started)?;
    for _ in 0..20 {
        sleep(Duration::from_millis(50));
        let open = open(daemon.id())?;
        if look.open.is_empty() || open.len() < look.open.len() {
            look.process.descriptors = open.len();
            look.open = open;
        }
    }
    Ok(look)
}

fn open(process: u32) -> Result<Vec<String>> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{process}/fd"))? {
        // One may be closed meanwhile.
        if let Ok(target) = std::fs::read_link(entry?.path()) {
            let target = target.to_string_lossy();
            open.push(target.split('[').next().unwrap_or_default().to_owned());
        }
    }
    open.sort();
    Ok(open)
}

/// What is open after and was not before, but for the pressure trigger of a target that was asked for memory
/// meanwhile, and the file of the history, which is opened with the first minute.
fn left_open(before: &[String], after: &[String]) -> Vec<String> {
    let mut known = before.to_vec();
    let mut is_new = |target: &&String| match known.iter().position(|known| known == *target) {
        Some(position) => {
            known.swap_remove(position);
            false
        }
        None => true,
    };
    let is_meant = |target: &&String| target.ends_with("memory.pressure") || target.contains("/history/");
    after.iter().filter(|target| is_new(target) && !is_meant(target)).cloned().collect()
}

fn dying() -> Result<u64> {
    Cgroup::at(cgroup::ROOT.as_ref()).stat("cgroup.stat", "nr_dying_descendants")
}

/// Lines of the daemon's log above the level of information.
fn complaints(log: &str) -> Vec<String> {
    let is_complaint = |line: &&str| line.contains("WARN") || line.contains("ERROR");
    log.lines().filter(is_complaint).map(ToOwned::to_owned).collect()
}

fn judge(outcome: &Outcome) -> Result<()> {
    let looks: Vec<Look> = outcome.all("look")?;
    let summary: Summary = outcome.result("summary")?;
    println!(
        "    s            targets  asked  descr.  threads  RSS/KiB  peak/KiB  CPU/s  status/KiB  series  dying"
    );
    for look in &looks {
        println!(
            "{:>5.1}  {:<9} {:>8} {:>6} {:>7} {:>8} {:>8} {:>9} {:>6.2} {:>11} {:>7} {:>6}",
            look.at,
            look.what,
            look.targets,
            look.reclaimed,
            look.process.descriptors,
            look.process.threads,
            look.process.resident / 1024,
            look.process.peak / 1024,
            look.process.cpu.as_secs_f64(),
            look.status / 1024,
            look.series,
            look.dying
        );
    }
    println!(
        "{} cgroups created, {} removed in {:.1} s; slowest mkdir or rmdir {:.1} ms; {} pages swapped out",
        summary.created,
        summary.removed,
        summary.seconds,
        summary.worst_call.as_secs_f64() * 1e3,
        summary.swapped_out
    );
    println!("kernel {}, {:.0} s wall", outcome.kernel, outcome.wall.as_secs_f64());
    summary.complaints.iter().take(10).for_each(|line| println!("{line}"));
    verdict(&looks, &summary)
}

fn verdict(looks: &[Look], summary: &Summary) -> Result<()> {
    let find = |what| looks.iter().find(|look| look.what == what).with_context(|| format!("no look {what}"));
    let (before, churning, after) = (find("before")?, find("churning")?, find("after")?);
    let during: Vec<_> = looks.iter().filter(|look| look.what == "churning").collect();
    // The peak and not what is resident at the moment of a look, which may fall into the drawing of a page of
    // metrics.
    let (halfway, last) =
        (during.get(during.len() / 2).context("no look")?, during.last().context("no look")?);
    let mut verdict = Verdict::default();
    verdict.expect(summary.removed == CHURNED, "every cgroup was created and removed");
    verdict.expect(summary.seconds < 66.0, "100 a second were");
    verdict.expect(last.targets > 100, "the daemon saw them");
    verdict
        .expect(looks.iter().any(|look| look.reclaimed > 1), "and reclaimed from those that had something");
    verdict.expect(summary.complaints.is_empty(), "no line of the log above the level of information");
    verdict.expect(after.targets == before.targets, "the targets that are gone are forgotten");
    verdict.expect(after.series <= before.series + 20, "and their series");
    // The one that stays has its last sixteen decisions by then, with all of their figures.
    verdict.expect(after.status <= before.status + 24 * 1024, "and their accounts");
    let left = left_open(&before.open, &after.open);
    verdict.expect(left.is_empty(), format!("no descriptor is left open, {left:?}"));
    // One may be at work just then, before as after.
    verdict.expect(after.process.threads <= before.process.threads + 2, "no thread is left");
    verdict.expect(
        last.process.peak <= halfway.process.peak + GROWTH,
        "the second half of the churn needs hardly more memory than the first",
    );
    verdict.expect(
        last.process.descriptors <= churning.process.descriptors + 40,
        "nor does the number of descriptors",
    );
    verdict.expect(
        summary.dying_before_stop <= summary.dying_after_stop + 5,
        "no removed cgroup was held by the daemon",
    );
    verdict.finish()
}
