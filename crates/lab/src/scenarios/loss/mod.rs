//! Tiers that fail, fill up, disappear and come back, one after the other, while the daemon offloads two
//! tenants: nothing is lost, the daemon says what is wrong, once, and goes on with what there is.

mod judge;

use super::Scenario;
use crate::guest::block::{NullBlock, SSD_NANOSECONDS};
use crate::guest::look::{now, sleep_until};
use crate::guest::mapper::{Behaviour, Mapped};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Tenant, Zram, knobs, report, swap};
use crate::machine::Machine;
use crate::size::MIB;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "loss",
    about: "disks that fail, fill up, are switched off and come back while the daemon offloads: nothing is lost, and it goes on",
    // With two processors QEMU 7.2 loses their flags in most runs, while the kernel is busy with writes that
    // fail.
    machine: || {
        Machine::deterministic().with_cpus(1).with_packed("dmsetup").with_limit(Duration::from_mins(15))
    },
    programs: &["lowtide"],
    guest,
    judge: judge::judge,
};

const DISK: &str = "/dev/mapper/disk";
const BELOW: &str = "/dev/mapper/below";
const ZRAM: &str = "/dev/zram0";
/// Steps that more than their end is judged of.
const BACKING_FAILS: &str = "the backing device fails";
const BACKING_FAILS_AGAIN: &str = "it goes on failing";
const BACKING_FULL: &str = "the backing device is full";
const BACKING_STAYS_FULL: &str = "it stays full";
const DISK_ON: &str = "a disk is switched on";
const DISK_OFF: &str = "the disk is switched off";
const ZRAM_OFF: &str = "zram is switched off";
const NOTHING_LEFT: &str = "there is nothing left";
const DISK_FAILS: &str = "the disk fails to write";
/// A step that has not come about after so many seconds is shown as it is.
const PATIENCE: usize = 100;

const CONFIG: &str = "
interval: 1s
hotness: { source: none }
budgets: { swap_reserve: 5% }
balancer: { watermark: 10%, low: 5%, scan_interval: 1s, min_age: 1s, rate: 8MiB/s, write_budget: 1GiB/day }
policies:
  - name: all
    match: [/tenants/*]
    mode: full
    cold_after: 2s
    slo: { memory_pressure: 5%, io_pressure: 20%, promotion_rate: 20%/min }
    limits: { per_minute: 100%, floor: 1MiB }
";

/// What was done, and what the daemon made of it.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    kind: String,
    name: String,
    /// It came about, after so many seconds.
    done: bool,
    seconds: f64,
    /// Devices with the bytes stored there, and whether their cost is measured.
    tiers: Vec<(String, u64, bool)>,
    /// Bytes that each tenant has offloaded.
    offloaded: Vec<u64>,
    reasons: Vec<String>,
    balancer: Option<String>,
    sunk: u64,
    problems: Vec<String>,
    /// What was logged since the step before.
    log: Vec<String>,
}

/// A tenant's end.
#[derive(Debug, Serialize, Deserialize)]
struct Verified {
    kind: String,
    name: String,
    wrong_pages: Option<usize>,
}

struct Steps<'a> {
    daemon: &'a Daemon,
    logged: usize,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let disks =
        [NullBlock::create(0, 16 * MIB, SSD_NANOSECONDS)?, NullBlock::create(1, 160 * MIB, SSD_NANOSECONDS)?];
    let below = Mapped::create("below", disks[0].device(), Behaviour::Failing)?;
    let disk = Mapped::create("disk", disks[1].device(), Behaviour::Linear)?;
    let options = ZramOptions {
        memory_limit: Some(32 * MIB),
        backing: Some(below.device()),
        ..ZramOptions::lz4(256 * MIB)
    };
    let zram = Zram::swap(&options, 100)?;
    let daemon = Daemon::start("loss", CONFIG)?;
    let mut steps = Steps { daemon: &daemon, logged: 0 };
    let a = start("a")?;
    let failed = |step: &Step| step.balancer.as_deref() == Some("failed") && step.offloaded[0] > 12 * MIB;
    steps.until(BACKING_FAILS, failed)?;
    steps.pass(BACKING_FAILS_AGAIN, 10.0)?;
    below.change(Behaviour::Linear)?;
    steps.until("the backing device works again", |step| step.sunk > 4 * MIB)?;
    steps.until(BACKING_FULL, |step| step.balancer.as_deref() == Some("backing_full"))?;
    steps.pass(BACKING_STAYS_FULL, 5.0)?;

    swap::on(&disk.device(), 200)?;
    steps.until(DISK_ON, |step| step.stored(DISK).is_some())?;
    let b = start("b")?;
    steps.until("the second tenant goes to the disk", |step| step.stored(DISK) > Some(12 * MIB))?;
    swap::off(&disk.device())?;
    steps.until(DISK_OFF, |step| step.stored(DISK).is_none())?;
    steps.until("zram takes its place", |step| step.offloaded.iter().all(|bytes| *bytes > 12 * MIB))?;

    swap::off(&zram.device())?;
    steps.until(ZRAM_OFF, |step| step.tiers.is_empty())?;
    steps.until(NOTHING_LEFT, |step| step.reasons.iter().all(|reason| reason.contains("no_swap")))?;
    swap::on(&disk.device(), 10)?;
    steps.until("the disk comes back", |step| step.stored(DISK) > Some(16 * MIB))?;
    disk.change(Behaviour::FailingWrites)?;
    steps.until(DISK_FAILS, |step| step.problems.iter().any(|problem| problem.contains(DISK)))?;
    disk.change(Behaviour::Linear)?;
    steps.until("the disk works again", |step| step.offloaded.iter().all(|bytes| *bytes > 20 * MIB))?;
    swap::on(&zram.device(), 100)?;
    steps.until("zram comes back", |step| step.stored(ZRAM).is_some() && step.balancer.is_some())?;
    println!("{}", String::from_utf8_lossy(&daemon.command(&["status"])?.stdout));
    println!("{}", daemon.explain("/tenants/a")?);
    daemon.stop()?;
    for (name, tenant) in [("a", a), ("b", b)] {
        let wrong_pages = tenant.stop()?.wrong_pages;
        report::emit(&Verified { kind: "verified".into(), name: name.into(), wrong_pages })?;
    }
    Ok(())
}

fn start(name: &str) -> Result<Tenant> {
    let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
    Tenant::start(
        name,
        &cgroup,
        &["--hot", "4M", "--warm", "0", "--cold", "48M", "--pause", "20ms", "--verify"],
    )
}

impl Steps<'_> {
    /// Waits until it `is_done`, for as long as patience lasts.
    fn until(&mut self, name: &str, is_done: impl Fn(&Step) -> bool) -> Result<()> {
        let start = now()?;
        for _ in 0..PATIENCE {
            let step = self.look(name, now()? - start)?;
            if is_done(&step) {
                return self.emit(&Step { done: true, ..step });
            }
            sleep_until(now()? + 1.0)?;
        }
        let step = self.look(name, now()? - start)?;
        self.emit(&step)
    }

    /// Lets so many seconds pass.
    fn pass(&mut self, name: &str, seconds: f64) -> Result<()> {
        sleep_until(now()? + seconds)?;
        let step = self.look(name, seconds)?;
        self.emit(&Step { done: true, ..step })
    }

    fn look(&self, name: &str, seconds: f64) -> Result<Step> {
        let status = self.daemon.status()?;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let costs = list(&status["costs"]);
        let tiers = list(&status["host"]["tiers"]).into_iter().zip(costs).map(|(tier, cost)| {
            let stored = tier["stored"].as_u64().unwrap_or_default();
            (text(&tier["device"]), stored, cost["fault"]["basis"] == "measured")
        });
        let cgroups = list(&status["cgroups"]);
        let store = &status["balancer"][0];
        Ok(Step {
            kind: "step".into(),
            name: name.into(),
            done: false,
            seconds,
            tiers: tiers.collect(),
            offloaded: cgroups
                .iter()
                .map(|one| one["decision"]["figures"]["offloaded"].as_u64().unwrap_or_default())
                .collect(),
            reasons: cgroups
                .iter()
                .map(|one| {
                    format!("{} {}", text(&one["decision"]["reason"]), text(&one["decision"]["file_only"]))
                })
                .collect(),
            balancer: store["decision"]["reason"].as_str().map(str::to_owned),
            sunk: store["store"]["below"]["used"].as_u64().unwrap_or_default(),
            problems: list(&status["problems"]).iter().map(text).collect(),
            log: self.daemon.log()?.lines().skip(self.logged).map(str::to_owned).collect(),
        })
    }

    fn emit(&mut self, step: &Step) -> Result<()> {
        self.logged += step.log.len();
        report::emit(step)
    }
}

impl Step {
    fn stored(&self, device: &str) -> Option<u64> {
        self.tiers.iter().find(|tier| tier.0 == device).map(|tier| tier.1)
    }
}
