//! What `observe` promises is what `full` then saves: steady tenants, watched for ten minutes before anything
//! is taken from them.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::zram::{ZramOptions, ZramUse};
use crate::guest::{Cgroup, Daemon, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::fs;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "promise",
    about: "what `observe` says would be saved after ten minutes, and what `full` saves then",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

const OBSERVED: Duration = Duration::from_mins(10);
/// All that is cold may go in a minute and a half; what comes back afterwards counts.
const SETTLED: Duration = Duration::from_mins(4);
/// How far a promise may be off.
const WITHIN: f64 = 0.15;

/// Their names, and what they do.
const TENANTS: [(&str, [&str; 8]); 2] = [
    ("half", ["--hot", "20M", "--warm", "0", "--cold", "40M", "--compressibility", "0.3"]),
    ("third", ["--hot", "20M", "--warm", "20M", "--cold", "20M", "--compressibility", "0.4"]),
];
/// Mostly idle, so that the minutes pass in seconds.
const LOAD: [&str; 4] = ["--burst", "128", "--pause", "100ms"];

const CONFIG: &str = "
hotness: { interval: 5s }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: observe
    cold_after: 30s
    limits: { per_minute: 40%, floor: 1MiB }
";

/// One tenant, before and after.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    kind: String,
    tenant: String,
    /// Bytes: what `observe` said would be saved net, and half of the interval around it.
    promised: u64,
    interval: Option<u64>,
    /// Bytes that left DRAM before the mode was changed.
    taken_in_observe: u64,
    /// Bytes saved net, as the daemon says.
    saved: u64,
}

/// What zram has at the end: what is saved can be seen from outside too.
#[derive(Debug, Serialize, Deserialize)]
struct Outside {
    kind: String,
    zram: ZramUse,
    swapped: u64,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let zram = Zram::swap(&ZramOptions::lz4(256 * MIB), 100)?;
    let mut tenants = Vec::new();
    for (name, args) in TENANTS {
        let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
        tenants.push((name, Tenant::start(name, &cgroup, &[&args[..], &LOAD].concat())?, cgroup));
    }
    let daemon = Daemon::start("promise", CONFIG)?;
    sleep(OBSERVED);
    let mut rows =
        tenants.iter().map(|(name, _, cgroup)| promise(&daemon, name, cgroup)).collect::<Result<Vec<_>>>()?;
    let text = fs::read_to_string(daemon.config())?.replace("mode: observe", "mode: full");
    fs::write(daemon.config(), text)?;
    daemon.signal(Signal::SIGHUP)?;
    sleep(SETTLED);
    let mut swapped = 0;
    for ((_, _, cgroup), row) in tenants.iter().zip(&mut rows) {
        println!("{}", daemon.explain(&cgroup.name())?);
        row.saved = daemon.target(&cgroup.name())?["net_saved"].as_u64().context("net_saved")?;
        swapped += cgroup.read_number("memory.swap.current")?;
        report::emit(row)?;
    }
    report::emit(&Outside { kind: "outside".into(), zram: zram.usage()?, swapped })?;
    daemon.stop()?;
    for (_, process, cgroup) in tenants {
        process.stop()?;
        cgroup.remove()?;
    }
    Ok(())
}

fn promise(daemon: &Daemon, name: &str, cgroup: &Cgroup) -> Result<Row> {
    println!("{}", daemon.explain(&cgroup.name())?);
    let forecast = &daemon.target(&cgroup.name())?["forecast"];
    Ok(Row {
        kind: name.into(),
        tenant: name.into(),
        promised: forecast["net"].as_u64().context("the forecast has a net saving")?,
        interval: forecast["net_error"].as_u64(),
        taken_in_observe: cgroup.read_number("memory.swap.current")?,
        saved: 0,
    })
}

fn judge(outcome: &Outcome) -> Result<()> {
    let mut verdict = Verdict::default();
    let mut saved = 0.0;
    for (name, _) in TENANTS {
        let row: Row = outcome.result(name)?;
        verdict.expect(
            row.taken_in_observe == 0,
            format!("{name}: {} bytes taken while observing", row.taken_in_observe),
        );
        let share = mib(row.saved) / mib(row.promised);
        saved += mib(row.saved);
        verdict.expect(
            (share - 1.0).abs() <= WITHIN,
            format!(
                "{name}: {:.1} MiB promised, {:.1} MiB saved net, {:.1} % of it",
                mib(row.promised),
                mib(row.saved),
                share * 100.0
            ),
        );
        let interval = row.interval.map(mib).context("the source says how wrong it may be")?;
        let off = (mib(row.saved) - mib(row.promised)).abs();
        verdict.expect(off <= interval, format!("{name}: {off:.1} MiB off, ± {interval:.1} was said"));
    }
    let outside: Outside = outcome.result("outside")?;
    let truth = mib(outside.swapped) - mib(outside.zram.memory);
    verdict.expect(
        (saved / truth - 1.0).abs() <= 0.1,
        format!("{saved:.1} MiB saved net as it says, {truth:.1} MiB by zram's own figures"),
    );
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
