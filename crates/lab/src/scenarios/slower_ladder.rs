//! zram's backing device gets ten times slower while it is in use, and then as fast as it was: its rung on
//! the ladder of ages follows the measured cost, and pages sink, stay in zram, and sink again.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::look::{now, seconds, sleep_until};
use crate::guest::mapper::{Behaviour, Mapped};
use crate::guest::zram::{BackingUse, ZramOptions};
use crate::guest::{Cgroup, Daemon, NullBlock, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::pages::Places;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "slower_ladder",
    about: "a device below zram that gets ten times slower in use: pages stay in zram, and sink once it is fast again",
    machine: || Machine::deterministic().with_packed("dmsetup").with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

const SIZE: u64 = 128 * MIB;
const FAST: Duration = Duration::from_millis(6);
const SLOW: Duration = Duration::from_millis(60);
/// Seconds between two looks.
const EVERY: f64 = 5.0;
const COLD: u64 = 12 * MIB;
/// What is scanned keeps up how often old memory is touched again.
const TENANT: &str =
    "--hot 2M --warm 0 --scan 2M --scan-every 200s --cold 12M --pause 20ms --sunk-from zram0";
/// In the same cgroup, and with that on the same ladder: more cold memory.
const MORE: &str = "--hot 0 --warm 0 --cold 12M --pause 1s --sunk-from zram0";
/// Of no policy: what a fault costs is measured as it reads its memory back, which sank before lowtide
/// started.
const READER: &str = "--hot 0 --warm 0 --cold 1M --pause 1s";
const READ: u64 = MIB;

const CONFIG: &str = "
interval: 2s
hotness: { source: mglru, interval: 5s }
balancer: { watermark: 80%, low: 70%, scan_interval: 5s, min_age: 10s, rate: 4MiB/s, write_budget: 1GiB/day }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 10s
    slo: { memory_pressure: 50%, io_pressure: 50%, slowdown: 100000%, promotion_rate: 100%/min }
    limits: { per_minute: 100%, floor: 4MiB }
";

/// One look. Times are seconds.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    kind: String,
    phase: String,
    at: f64,
    /// Of a fault on the backing device; `None` as long as it is assumed.
    cost: Option<f64>,
    /// What a freed GiB is worth: stall a second.
    price: f64,
    /// From this idle age on memory belongs in zram.
    zram: Option<f64>,
    /// And from this one on the backing device.
    below: Option<f64>,
    /// The balancer's.
    reason: String,
    backing: BackingUse,
    /// The cold part of each tenant.
    cold: Vec<Places>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let disk = NullBlock::create(0, SIZE, 10_000)?;
    let mapped = Mapped::create("b", disk.device(), Behaviour::SlowReads(FAST))?;
    let zram = Zram::swap(&ZramOptions { backing: Some(mapped.device()), ..ZramOptions::lz4(SIZE) }, 100)?;
    let [first, second, third] = readers(&zram)?;
    let cgroup = Cgroup::create("tenants/a")?;
    let host = Host { daemon: Daemon::start("slower", CONFIG)?, zram, cgroup };
    let mut tenants = vec![start("a", &host.cgroup, TENANT)?];
    first.touch_all()?;
    host.watch("fast", 160.0, &tenants)?;
    mapped.change(Behaviour::SlowReads(SLOW))?;
    second.touch_all()?;
    host.watch("slow", 25.0, &tenants)?;
    tenants.push(start("b", &host.cgroup, MORE)?);
    host.watch("slow, more", 200.0, &tenants)?;
    mapped.change(Behaviour::SlowReads(FAST))?;
    third.touch_all()?;
    host.watch("fast again", 60.0, &tenants)?;
    println!("{}", String::from_utf8_lossy(&host.daemon.command(&["status"])?.stdout));
    println!("{}", host.daemon.log()?);
    for tenant in tenants.into_iter().chain([first, second, third]) {
        tenant.stop()?;
    }
    host.daemon.stop()
}

/// Starts a tenant with arguments in one line.
fn start(name: &str, cgroup: &Cgroup, args: &str) -> Result<Tenant> {
    Tenant::start(name, cgroup, &args.split(' ').collect::<Vec<_>>())
}

/// Tenants whose memory is on the backing device. Each comes back only once.
fn readers(zram: &Zram) -> Result<[Tenant; 3]> {
    let cgroup = Cgroup::create("readers")?;
    let reader = |name| start(name, &cgroup, READER);
    let readers = [reader("first")?, reader("second")?, reader("third")?];
    // More than there is: EAGAIN.
    let _ = cgroup.write("memory.reclaim", "16M");
    zram.write("idle", "all")?;
    zram.write("writeback", "idle")?;
    ensure!(zram.backing()?.stored >= 3 * READ, "the readers' memory has not sunk");
    Ok(readers)
}

/// What is looked at.
struct Host {
    daemon: Daemon,
    zram: Zram,
    cgroup: Cgroup,
}

impl Host {
    /// Looks on until `time` has passed, in seconds.
    fn watch(&self, phase: &str, time: f64, tenants: &[Tenant]) -> Result<()> {
        let end = now()? + time;
        while now()? < end {
            sleep_until(now()? + EVERY)?;
            report::emit(&self.look(phase, tenants)?)?;
        }
        println!("{phase}\n{}", self.daemon.explain(&self.cgroup.name())?);
        Ok(())
    }

    fn look(&self, phase: &str, tenants: &[Tenant]) -> Result<Seen> {
        let status = self.daemon.status()?;
        let target = self.daemon.target(&self.cgroup.name())?;
        let ladder = &target["ladder"];
        let rung = |kind: &str| ladder["rungs"].as_array()?.iter().find(|rung| rung["kind"] == kind);
        let from = |kind| seconds(&rung(kind)?["from"]);
        let fault = |kind| Some(&rung(kind)?["fault"]).filter(|fault| fault["basis"] == "measured");
        let cold = tenants.iter().map(|tenant| Ok(tenant.truth()?.truth.context("no truth")?.cold));
        Ok(Seen {
            kind: "seen".into(),
            phase: phase.into(),
            at: now()?,
            cost: fault("disk").and_then(|fault| seconds(&fault["time"])),
            price: ladder["price_per_gib"].as_f64().unwrap_or_default(),
            zram: from("zram"),
            below: from("disk"),
            reason: status["balancer"][0]["decision"]["reason"].as_str().unwrap_or_default().into(),
            backing: self.zram.backing()?,
            cold: cold.collect::<Result<_>>()?,
        })
    }
}

fn judge(outcome: &Outcome) -> Result<()> {
    let all: Vec<Seen> = outcome.all("seen")?;
    println!(
        "      s  phase        fault/ms  price/GiB  zram from  below from  cold in zram, below/MiB   balancer"
    );
    all.iter().for_each(Seen::print);
    let phase = |name: &str| all.iter().filter(|seen| seen.phase == name).collect::<Vec<_>>();
    let (fast, slow, more, again) = (phase("fast"), phase("slow"), phase("slow, more"), phase("fast again"));
    let last = |seen: &[&'_ Seen]| seen.len().checked_sub(1).context("a phase was not seen");
    let (before, after, end) = (fast[last(&fast)?], slow[last(&slow)?], again[last(&again)?]);
    let mut verdict = Verdict::default();
    let first_rung = before.below.context("the fast device is on no rung")?;
    verdict.expect(
        before.sunk(0) >= 0.8 && fast.iter().any(|seen| seen.reason == "placement"),
        format!("fast: {:.0} % of the cold part has sunk, by placement", before.sunk(0) * 100.0),
    );
    let room = |seen: &Seen| !["watermark", "filling", "draining"].contains(&&*seen.reason);
    verdict.expect(all.iter().all(room), "no page sank for want of room");
    judge_change(&mut verdict, before, after)?;
    judge_stay(&mut verdict, first_rung, &more)?;
    judge_return(&mut verdict, before, more[last(&more)?], end)?;
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

/// The same tenant at the same price: only the device is another.
fn judge_change(verdict: &mut Verdict, before: &Seen, after: &Seen) -> Result<()> {
    let times = after.cost()? / before.cost()?;
    verdict.expect((5.0..15.0).contains(&times), format!("slow: a fault costs {times:.1} times as much"));
    same_price(verdict, before, after);
    verdict.expect(
        after.below_from() > before.below_from(),
        format!("slow: pages sink from {}, before from {}", said(after.below), said(before.below)),
    );
    Ok(())
}

/// What came to zram on the slow device has grown older than the first rung, and stays. `slow` is what was
/// seen since it began to come.
fn judge_stay(verdict: &mut Verdict, first_rung: f64, slow: &[&Seen]) -> Result<()> {
    let (start, end) = slow.first().zip(slow.last()).context("nothing was seen of the slow device")?;
    let came =
        slow.iter().find(|seen| seen.in_zram(1) >= 0.8).context("too little came to zram and stayed")?;
    let age = end.at - came.at;
    let rung = slow.iter().map(|seen| seen.below_from()).fold(f64::INFINITY, f64::min);
    verdict.expect(
        first_rung < age && age < rung,
        format!("slow: what came is in zram for {age:.0} s, past the first rung at {first_rung:.0} s, before the new one at {rung:.0} s"),
    );
    let written = end.backing.written - start.backing.written;
    verdict.expect(
        slow.iter().all(|seen| seen.reason == "below_watermark"),
        "slow: the balancer finds no page due, rather than be kept from it",
    );
    verdict.expect(
        written == 0 && end.in_zram(1) >= 0.8,
        format!("slow: {written} bytes sank, {:.0} % of what came is in zram", end.in_zram(1) * 100.0),
    );
    Ok(())
}

/// The same pages sink once the device is fast again, at the price that kept them in zram.
fn judge_return(verdict: &mut Verdict, before: &Seen, slow: &Seen, end: &Seen) -> Result<()> {
    same_price(verdict, slow, end);
    let times = end.cost()? / before.cost()?;
    // The first mean may take in reads of before the change.
    verdict
        .expect((0.7..2.5).contains(&times), format!("fast again: a fault costs {times:.1} of what it did"));
    let sunk = end.sunk(1) * 100.0;
    verdict.expect(
        end.below_from() < slow.below_from() && sunk >= 80.0,
        format!("fast again: pages sink from {}, and {sunk:.0} % of what came has sunk", said(end.below)),
    );
    Ok(())
}

fn same_price(verdict: &mut Verdict, before: &Seen, after: &Seen) {
    let price = after.price / before.price;
    verdict
        .expect((0.8..1.25).contains(&price), format!("{}: the price is {price:.2} of before", after.phase));
}

impl Seen {
    fn cost(&self) -> Result<f64> {
        self.cost.with_context(|| format!("{}: no measured cost at {:.0} s", self.phase, self.at))
    }

    /// Never is later than any time.
    fn below_from(&self) -> f64 {
        self.below.unwrap_or(f64::INFINITY)
    }

    /// Shares of a tenant's cold part.
    fn sunk(&self, tenant: usize) -> f64 {
        self.cold.get(tenant).map_or(0.0, |cold| mib(cold.sunk) / mib(COLD))
    }

    fn in_zram(&self, tenant: usize) -> f64 {
        self.cold.get(tenant).map_or(0.0, |cold| mib(cold.swapped - cold.sunk) / mib(COLD))
    }

    fn print(&self) {
        let cold = |cold: &Places| format!("{:>4.1} {:>4.1}", mib(cold.swapped - cold.sunk), mib(cold.sunk));
        println!(
            "{:>7.1}  {:<11} {:>9.1} {:>10.2} {:>10} {:>11}  {:<24}  {}",
            self.at,
            self.phase,
            self.cost.unwrap_or_default() * 1e3,
            self.price,
            said(self.zram),
            said(self.below),
            self.cold.iter().map(cold).collect::<Vec<_>>().join(", "),
            self.reason
        );
    }
}

fn said(from: Option<f64>) -> String {
    from.map_or_else(|| "never".to_owned(), |from| format!("{from:.0} s"))
}
