//! What a fault costs, as the daemon measures it from the kernel's counters: on an SSD, on the same ten times
//! slower, on zram.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::{NullBlock, SSD_NANOSECONDS};
use crate::guest::look::seconds;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Tenant, Zram, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::MIB;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fault_cost",
    about: "the measured cost of a fault on an SSD, on one ten times slower, and on zram, while the daemon runs",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

const SIZE: u64 = 256 * MIB;
const FAST: &str = "fast";
const SLOW: &str = "slow";
const ZRAM: &str = "zram";

/// It only looks: what moves is asked for by hand.
const CONFIG: &str = "
interval: 1s
hotness: { source: none }
policies: [{ name: seen, match: [/tenants/*], mode: observe }]
";

/// What `lowtide status` said of the one tier.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    kind: String,
    name: String,
    tier: Value,
    cost: Value,
    /// Before anything was read.
    before: Value,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let daemon = Daemon::start("fault-cost", CONFIG)?;
    for (index, name, nanoseconds) in [(0, FAST, SSD_NANOSECONDS), (1, SLOW, 10 * SSD_NANOSECONDS)] {
        let device = NullBlock::create(index, SIZE, nanoseconds)?;
        swap::on(device.device(), 10)?;
        measure(&daemon, name)?;
        swap::off(device.device())?;
    }
    Zram::swap(&ZramOptions::lz4(SIZE), 100)?;
    measure(&daemon, ZRAM)?;
    swap::off(Path::new("/dev/zram0"))?;
    daemon.stop().map(drop)
}

/// A tenant that wants back every ten seconds what was taken from it.
fn measure(daemon: &Daemon, name: &str) -> Result<()> {
    let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
    let args = ["--hot", "4M", "--warm", "60M", "--warm-every", "10s", "--cold", "0", "--pause", "20ms"];
    let tenant = Tenant::start(name, &cgroup, &args)?;
    sleep(Duration::from_secs(5));
    let before = cost(daemon)?.1;
    for _ in 0..4 {
        for _ in 0..3 {
            if let Err(error) = cgroup.write("memory.reclaim", "16M") {
                println!("{error:#}");
            }
        }
        sleep(Duration::from_secs(10));
    }
    let (tier, cost) = cost(daemon)?;
    report::emit(&Seen { kind: "seen".into(), name: name.into(), tier, cost, before })?;
    tenant.stop()?;
    cgroup.remove()
}

/// The only tier, and what a fault there costs.
fn cost(daemon: &Daemon) -> Result<(Value, Value)> {
    let status = daemon.status()?;
    let of = |list: &Value| list.as_array().filter(|all| all.len() == 1).map(|all| all[0].clone());
    Ok((
        of(&status["host"]["tiers"]).with_context(|| format!("one tier was expected: {status}"))?,
        of(&status["costs"]).with_context(|| format!("one cost was expected: {status}"))?,
    ))
}

fn judge(outcome: &Outcome) -> Result<()> {
    let mut verdict = Verdict::default();
    let mut costs = Vec::new();
    for seen in outcome.all::<Seen>("seen")? {
        let micros = micros(&seen.cost["fault"]["time"])?;
        println!("{:>5}  {:>8.1} µs a fault; {}", seen.name, micros, seen.tier["device"]);
        verdict.expect(seen.cost["fault"]["basis"] == "measured", format!("{}: measured", seen.name));
        verdict.expect(
            seen.before["fault"]["basis"] == "assumed",
            format!("{}: assumed before anything was read", seen.name),
        );
        costs.push((seen.name, micros));
    }
    let of = |name: &str| costs.iter().find(|cost| cost.0 == name).map(|cost| cost.1);
    let (fast, slow, zram) =
        (of(FAST).context("fast")?, of(SLOW).context("slow")?, of(ZRAM).context("zram")?);
    // Not the ratio: copying what was read takes its time on both.
    let (more, configured) = (slow - fast, Duration::from_nanos(9 * SSD_NANOSECONDS).as_secs_f64() * 1e6);
    verdict.expect(
        (more / configured - 1.0).abs() < 0.2,
        format!("{configured:.0} µs more of latency are measured as {more:.0}"),
    );
    verdict.expect(zram < fast, format!("zram comes before the SSD: {zram:.0} µs, {fast:.0} µs"));
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

/// A duration of the daemon's JSON.
fn micros(time: &Value) -> Result<f64> {
    Ok(seconds(time).with_context(|| format!("{time} is no duration"))? * 1e6)
}
