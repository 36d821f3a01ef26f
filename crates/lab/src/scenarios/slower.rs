//! Devices that get ten times slower: one while it is in use, one from one run to the next. The daemon's cost
//! follows, and with it the order of the tiers.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::NullBlock;
use crate::guest::look::{now, seconds, sleep_until};
use crate::guest::mapper::{Behaviour, Mapped};
use crate::guest::{Cgroup, Daemon, Tenant, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::MIB;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "slower",
    about: "swap devices that get ten times slower, one while it is in use: measured cost and ranking follow",
    machine: || Machine::deterministic().with_packed("dmsetup").with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

const SIZE: u64 = 64 * MIB;
/// Between the two of the other device.
const DISK: Duration = Duration::from_millis(20);
const BEFORE: Duration = Duration::from_millis(6);
const AFTER: Duration = Duration::from_millis(60);
/// The disk on its second run.
const OLD_DISK: Duration = Duration::from_millis(200);
const DISK_DEVICE: &str = "/dev/nullb0";
const MAPPED_DEVICE: &str = "/dev/mapper/b";
/// Reads at the new latency after which cost and ranking have to have followed: four means. The first may
/// hold reads of before, each further one leaves at most half of its error.
const READS: u64 = 4 * 64;
/// How near it has to be then.
const NEAR: f64 = 0.25;

/// It only looks: what moves is asked for by hand.
const CONFIG: &str = "
interval: 1s
hotness: { source: none }
policies: [{ name: seen, match: [/tenants/*], mode: observe }]
";

/// All devices at one look of the daemon.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    kind: String,
    phase: String,
    at: f64,
    tiers: Vec<Cost>,
}

/// What the daemon says of one device, and the kernel's own count of its reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cost {
    device: String,
    measured: bool,
    /// Seconds.
    fault: f64,
    per_gib_freed: f64,
    age: Option<f64>,
    reads: u64,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let disk = NullBlock::create(0, SIZE, nanoseconds(DISK))?;
    let under = NullBlock::create(1, SIZE, 10_000)?;
    let mapped = Mapped::create("b", under.device(), Behaviour::SlowReads(BEFORE))?;
    for device in [disk.device(), &mapped.device()] {
        swap::on(device, 10)?;
    }
    let daemon = Daemon::start("slower", CONFIG)?;
    let cgroup = Cgroup::create("tenants/a")?;
    let args = ["--hot", "2M", "--warm", "24M", "--warm-every", "6s", "--cold", "0", "--pause", "20ms"];
    let tenant = Tenant::start("a", &cgroup, &args)?;
    watch(&daemon, &cgroup, "before", 4)?;
    mapped.change(Behaviour::SlowReads(AFTER))?;
    watch(&daemon, &cgroup, "after", 4)?;
    watch(&daemon, &cgroup, "quiet", 0)?;
    for device in [disk.device(), &mapped.device()] {
        swap::off(device)?;
    }
    disk.set_latency(nanoseconds(OLD_DISK))?;
    swap::on(disk.device(), 10)?;
    watch(&daemon, &cgroup, "second run", 3)?;
    println!("{}", String::from_utf8_lossy(&daemon.command(&["status"])?.stdout));
    tenant.stop()?;
    daemon.stop()
}

/// Takes some of the warm part from the tenant before each of so many sweeps, and looks on; with none, after
/// what was swapped is back, for longer than the figures stay fresh.
fn watch(daemon: &Daemon, cgroup: &Cgroup, phase: &str, sweeps: usize) -> Result<()> {
    for _ in 0..sweeps {
        // The kernel may find less at first: it ages the pages then.
        let _ = cgroup.write("memory.reclaim", "6M");
        for _ in 0..6 {
            look(daemon, phase)?;
        }
    }
    if sweeps == 0 {
        sleep_until(now()? + 90.0)?;
        look(daemon, phase)?;
    }
    Ok(())
}

fn look(daemon: &Daemon, phase: &str) -> Result<()> {
    sleep_until(now()? + 1.0)?;
    let status = daemon.status()?;
    let list = |value: &Value| value.as_array().cloned().context("no list");
    let tiers = list(&status["host"]["tiers"])?.into_iter().zip(list(&status["costs"])?);
    let tiers = tiers.map(|(tier, cost)| {
        let device = tier["device"].as_str().context("a tier has no device")?.to_owned();
        Ok(Cost {
            measured: cost["fault"]["basis"] == "measured",
            fault: seconds(&cost["fault"]["time"]).context("a fault has no time")?,
            per_gib_freed: seconds(&cost["per_gib_freed"]).context("a disk frees nothing")?,
            age: seconds(&cost["age"]),
            reads: status["host"]["reads"][&device]["count"].as_u64().unwrap_or_default(),
            device,
        })
    });
    let tiers = tiers.collect::<Result<_>>()?;
    report::emit(&Seen { kind: "seen".into(), phase: phase.into(), at: now()?, tiers })
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Seen {
    fn cost(&self, device: &str) -> Option<&Cost> {
        self.tiers.iter().find(|cost| cost.device == device)
    }

    /// The cheapest first, by what is freed.
    fn ranking(&self) -> Vec<&str> {
        let mut tiers: Vec<_> = self.tiers.iter().collect();
        tiers.sort_by(|a, b| a.per_gib_freed.total_cmp(&b.per_gib_freed));
        tiers.into_iter().map(|cost| cost.device.as_str()).collect()
    }

    fn fault(&self, device: &str) -> Result<f64> {
        Ok(self.cost(device).with_context(|| format!("{device} is no tier at {}", self.at))?.fault)
    }
}

fn judge(outcome: &Outcome) -> Result<()> {
    let all: Vec<Seen> = outcome.all("seen")?;
    for seen in &all {
        let tier = |cost: &Cost| {
            let how = cost.age.map_or_else(|| "assumed".to_owned(), |age| format!("{age:.0} s ago"));
            format!("{} {:.1} ms ({how}, {} reads)", cost.device, cost.fault * 1e3, cost.reads)
        };
        let tiers: Vec<_> = seen.tiers.iter().map(tier).collect();
        println!("{:>8.1}  {:<10}  {}", seen.at, seen.phase, tiers.join("  "));
    }
    let phase = |name: &str| all.iter().filter(|seen| seen.phase == name).collect::<Vec<_>>();
    let (before, after, quiet, second) =
        (phase("before"), phase("after"), phase("quiet"), phase("second run"));
    let mut verdict = Verdict::default();
    let last = before.last().context("nothing was seen before the change")?;
    for (device, time) in [(DISK_DEVICE, DISK), (MAPPED_DEVICE, BEFORE)] {
        let measured = last.cost(device).is_some_and(|cost| cost.measured);
        near(&mut verdict, last.fault(device)?, time, &format!("before, measured {measured}: {device}"));
    }
    verdict.expect(
        last.ranking() == [MAPPED_DEVICE, DISK_DEVICE],
        format!("before: {} comes first", last.ranking()[0]),
    );
    judge_change(&mut verdict, last, &after)?;
    let last = after.last().context("nothing was seen after the change")?;
    near(&mut verdict, last.fault(MAPPED_DEVICE)?, AFTER, &format!("after: {MAPPED_DEVICE}"));
    let quiet = quiet.last().context("nothing was seen in the quiet")?;
    let ages = quiet.tiers.iter().filter_map(|cost| cost.age).fold(f64::INFINITY, f64::min);
    verdict.expect(
        ages >= 60.0 && quiet.tiers.iter().all(|cost| cost.measured),
        format!("with nothing read for a while, every figure stays and says its age: {ages:.0} s and more"),
    );
    let (first, last) = (
        second.first().context("there was no second run")?,
        second.last().context("there was no second run")?,
    );
    let assumed = first.cost(DISK_DEVICE).is_some_and(|cost| !cost.measured && cost.age.is_none());
    verdict.expect(assumed, "second run: switched on again, the disk's cost is assumed until it was read");
    near(&mut verdict, last.fault(DISK_DEVICE)?, OLD_DISK, &format!("second run: {DISK_DEVICE}"));
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

/// How many reads, looks with reads, and seconds it took until cost and ranking were right for good.
fn judge_change(verdict: &mut Verdict, before: &Seen, after: &[&Seen]) -> Result<()> {
    let start = before.cost(MAPPED_DEVICE).context("the mapped device is gone")?.reads;
    let (mut reads, mut looks, mut followed) = (start, 0, None);
    for seen in after {
        let cost = seen.cost(MAPPED_DEVICE).context("the mapped device is gone")?;
        looks += usize::from(cost.reads > reads);
        reads = cost.reads;
        let ranked = seen.ranking() == [DISK_DEVICE, MAPPED_DEVICE];
        let right = ranked && (cost.fault / AFTER.as_secs_f64() - 1.0).abs() < NEAR;
        followed = if right { followed.or(Some((reads - start, looks, seen.at - before.at))) } else { None };
    }
    let said = followed.map_or_else(
        || "never".to_owned(),
        |(reads, looks, seconds)| format!("after {reads} reads in {looks} looks ({seconds:.0} s)"),
    );
    verdict.expect(
        // A look takes in all the reads since the one before, and the first one reads of before the change
        // too.
        followed.is_some_and(|(reads, looks, _)| reads <= READS || looks <= 2),
        format!("ten times slower in use: cost and ranking have followed for good {said}"),
    );
    Ok(())
}

/// Of the kernel's ticks, and of what a read takes besides the latency.
const TOLERANCE: f64 = 0.35;

fn near(verdict: &mut Verdict, seen: f64, time: Duration, what: &str) {
    let right = (seen / time.as_secs_f64() - 1.0).abs() < TOLERANCE;
    verdict.expect(right, format!("{what} at {:.1} ms of {} ms", seen * 1e3, time.as_millis()));
}
