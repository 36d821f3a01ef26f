//! The alert rules as they are shipped, in a real Prometheus that scrapes a running daemon: each fires for
//! its cause and not before.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::SSD_NANOSECONDS;
use crate::guest::look::{now, sleep_until};
use crate::guest::prometheus::Alert;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, NullBlock, Prometheus, Tenant, Zram, knobs, mounts, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::spec::STAGE;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "alerts",
    about: "the shipped alert rules in a real Prometheus: each of six fires for its cause, and none before",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(25)),
    programs: &["lowtide", "prometheus"],
    guest,
    judge,
};

const RULES: &str = include_str!("../../../../packaging/prometheus/lowtide.rules.yml");

const PROMETHEUS_CONFIG: &str = "
global: { scrape_interval: 15s, evaluation_interval: 15s }
rule_files: [rules.yml]
scrape_configs:
  - job_name: lowtide
    static_configs: [ { targets: ['127.0.0.1:9464'] } ]
";

/// One cgroup fills zram, of which the balancer may write 10 MiB to the disk below; the other one waits for a
/// slow disk.
const CONFIG: &str = "
interval: 5s
hotness: { source: none }
metrics: { listen: 127.0.0.1:9464 }
balancer:
  watermark: 10%
  low: 5%
  scan_interval: 1s
  min_age: 1s
  rate: 2MiB/s
  write_budget: 10MB/day
policies:
  - { name: filler, match: [/tenants/filler], mode: observe }
  - { name: waiter, match: [/tenants/waiter], mode: full, slo: { io_pressure: 1% } }
";

const FILLER: [&str; 8] = ["--hot", "2M", "--warm", "0", "--cold", "60M", "--pause", "200ms"];
const SWAP: u64 = 50 * MIB;
/// The rule is about 85 %, and the hot part comes back.
const FILLED: u64 = SWAP / 100 * 94;
const BACKING: u64 = 256 * MIB;
/// A write to the slow disk takes a fifth of a second, in which its writer waits and nobody works.
const SLOW_NANOSECONDS: u64 = 200_000_000;
const WAITER: &str =
    "while :; do dd if=/dev/zero of=/dev/nullb1 bs=4096 count=1 conv=fsync 2> /dev/null || sleep 1; done";

/// Seconds between two looks at the alerts, as between two evaluations.
const EVERY: f64 = 15.0;
/// Seconds in which nothing is wrong.
const CALM: f64 = 120.0;
/// Seconds beyond what a rule asks for, in which its alert has to fire.
const SLACK: f64 = 180.0;

/// What is made to fire at once, and then one after the other; with the seconds for which the cause has to
/// last.
const TOGETHER: [(&str, f64); 4] = [
    ("LowtideConfigurationRejected", 300.0),
    ("LowtideTierFilling", 600.0),
    ("LowtideWriteBudgetGone", 600.0),
    ("LowtideSloBroken", 600.0),
];
const STUCK: (&str, f64) = ("LowtideStuck", 300.0);
const DOWN: (&str, f64) = ("LowtideDown", 300.0);

/// From now on there is a reason for an alert.
#[derive(Debug, Serialize, Deserialize)]
struct Cause {
    kind: String,
    alert: String,
    /// Seconds since Prometheus was ready.
    at: f64,
    /// For how long it has to last.
    lasts: f64,
}

/// An alert is in another state than at the look before.
#[derive(Debug, Serialize, Deserialize)]
struct Change {
    kind: String,
    at: f64,
    alert: String,
    state: State,
    /// Its labels, as JSON.
    labels: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Pending,
    Firing,
    Gone,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let below = NullBlock::create(0, BACKING, SSD_NANOSECONDS)?;
    let backing = Some(below.device().to_owned());
    Zram::swap(&ZramOptions { backing, ..ZramOptions::lz4(SWAP) }, 100)?;
    let _slow = NullBlock::create(1, BACKING, SLOW_NANOSECONDS)?;
    let filler = Cgroup::create("tenants/filler")?;
    let tenant = Tenant::start("filler", &filler, &FILLER)?;
    let waiter = Cgroup::create("tenants/waiter")?;
    let daemon = Daemon::start("alerts", CONFIG)?;
    let prometheus = Prometheus::start(PROMETHEUS_CONFIG, Some(RULES))?;
    let mut watch = Watch { start: now()?, states: BTreeMap::new(), prometheus };
    watch.for_seconds(CALM)?;

    fs::write(daemon.config(), "interval: soon\n").context("cannot write a wrong configuration")?;
    fill(&filler)?;
    let mut writer = wait_for_the_disk(&waiter)?;
    watch.until_firing(&TOGETHER)?;
    fail_turns(true)?;
    watch.until_firing(&[STUCK])?;
    fail_turns(false)?;
    daemon.signal(Signal::SIGSTOP)?;
    watch.until_firing(&[DOWN])?;
    daemon.signal(Signal::SIGCONT)?;

    watch.prometheus.stop()?;
    waiter.remove()?;
    writer.wait().context("cannot wait for the writer")?;
    println!("{}", daemon.log()?);
    tenant.stop()?;
    daemon.stop()
}

/// The scenario asks for it, not the daemon: how it gets there is no matter here.
fn fill(filler: &Cgroup) -> Result<()> {
    for _ in 0..60 {
        if swap::used()? >= FILLED {
            return Ok(());
        }
        // EAGAIN is less than asked; the first call makes the kernel age the pages.
        let _ = filler.write("memory.reclaim", "2M");
        sleep(Duration::from_millis(500));
    }
    let used = swap::used()?;
    ensure!(used >= FILLED, "swap holds {:.1} MiB only", mib(used));
    Ok(())
}

fn wait_for_the_disk(waiter: &Cgroup) -> Result<Child> {
    let mut command = waiter.command("sh");
    command.args(["-c", WAITER]).stdin(Stdio::null());
    command.spawn().context("cannot start the writer")
}

/// A daemon that finds nothing in /proc/meminfo cannot observe the host, and answers all the same.
fn fail_turns(fail: bool) -> Result<()> {
    let meminfo = Path::new("/proc/meminfo");
    if !fail {
        return nix::mount::umount(meminfo).context("cannot give /proc/meminfo back");
    }
    let nothing = Path::new(STAGE).join("nothing");
    fs::write(&nothing, "")?;
    mounts::bind_file(&nothing, meminfo)
}

/// Looks at the alerts, and reports what is new.
struct Watch {
    start: f64,
    states: BTreeMap<String, State>,
    prometheus: Prometheus,
}

impl Watch {
    fn for_seconds(&mut self, seconds: f64) -> Result<()> {
        let end = now()? + seconds;
        while now()? < end {
            self.look()?;
            sleep_until((now()? + EVERY).min(end))?;
        }
        Ok(())
    }

    /// There are causes for these from now on.
    fn until_firing(&mut self, expected: &[(&str, f64)]) -> Result<()> {
        let at = now()? - self.start;
        for (alert, lasts) in expected {
            report::emit(&Cause { kind: "cause".into(), alert: (*alert).into(), at, lasts: *lasts })?;
        }
        let longest = expected.iter().map(|(_, lasts)| *lasts).fold(0.0, f64::max);
        let end = now()? + longest + SLACK;
        let fires = |states: &BTreeMap<_, _>, alert: &str| states.get(alert) == Some(&State::Firing);
        while now()? < end && !expected.iter().all(|(alert, _)| fires(&self.states, alert)) {
            sleep_until(now()? + EVERY)?;
            self.look()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        let alerts = self.prometheus.alerts()?;
        let at = now()? - self.start;
        let state = |alert: &Alert| if alert.is_firing { State::Firing } else { State::Pending };
        for alert in &alerts {
            // Of several with one name, the first that fires counts.
            let fires = alerts.iter().any(|other| other.name == alert.name && other.is_firing);
            if fires == alert.is_firing && self.states.get(&alert.name) != Some(&state(alert)) {
                self.states.insert(alert.name.clone(), state(alert));
                change(at, &alert.name, state(alert), &alert.labels)?;
            }
        }
        let is_gone = |name: &String| !alerts.iter().any(|alert| alert.name == *name);
        let gone: Vec<_> = self.states.keys().filter(|name| is_gone(name)).cloned().collect();
        for name in gone {
            self.states.remove(&name);
            change(at, &name, State::Gone, "")?;
        }
        Ok(())
    }
}

fn change(at: f64, alert: &str, state: State, labels: &str) -> Result<()> {
    report::emit(&Change { kind: "change".into(), at, alert: alert.into(), state, labels: labels.into() })
}

fn judge(outcome: &Outcome) -> Result<()> {
    let causes: Vec<Cause> = outcome.all("cause")?;
    let changes: Vec<Change> = outcome.all("change")?;
    println!("       s  alert                         state    labels");
    for Change { at, alert, state, labels, .. } in &changes {
        println!("{at:>8.0}  {alert:<28}  {:<7}  {labels}", format!("{state:?}"));
    }
    let mut verdict = Verdict::default();
    for (alert, _) in TOGETHER.iter().chain([&STUCK, &DOWN]) {
        let cause = causes.iter().find(|cause| cause.alert == *alert);
        let cause = cause.with_context(|| format!("there was no cause for {alert}"))?;
        judge_one(cause, &changes, &mut verdict);
    }
    let has_cause =
        |change: &Change| causes.iter().any(|cause| cause.alert == change.alert && cause.at <= change.at);
    let without: Vec<_> =
        changes.iter().filter(|change| !has_cause(change)).map(|change| &*change.alert).collect();
    verdict.expect(without.is_empty(), format!("no alert is pending without a cause: {without:?}"));
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

fn judge_one(Cause { alert, at, lasts, .. }: &Cause, changes: &[Change], verdict: &mut Verdict) {
    let fired = changes.iter().find(|change| change.alert == *alert && change.state == State::Firing);
    let after = fired.map(|change| change.at - at);
    let said = after.map_or_else(|| "does not fire".to_owned(), |after| format!("fires after {after:.0} s"));
    verdict.expect(
        after.is_some_and(|after| (*lasts..lasts + SLACK).contains(&after)),
        format!("{alert} {said}; its cause has to last {lasts:.0} s, or a little more"),
    );
}
