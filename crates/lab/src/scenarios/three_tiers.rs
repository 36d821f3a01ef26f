//! What three tiers below DRAM cost a tenant whose warm memory is swept every 20 s: a slower node, zram, and
//! a disk below zram.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::SSD_NANOSECONDS;
use crate::guest::look::sleep_until;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, NullBlock, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::pages::Places;
use crate::tenant::report::{Report, rate};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "three_tiers",
    about: "a slower node, zram and a disk below: 40 MiB always, 20 every 20 s and 80 never keep 0.99 of their work",
    machine: || {
        let machine = Machine::deterministic().with_memory(1024 * MIB).with_cxl(512 * MIB);
        machine.with_limit(Duration::from_mins(30))
    },
    programs: &["lowtide"],
    guest,
    judge,
};

const SIZE: u64 = 256 * MIB;
/// Seconds of each run, and from which one on work is compared: cold memory has moved by then.
const SECONDS: f64 = 300.0;
const SETTLED: f64 = 120.0;
const COLD: u64 = 80 * MIB;

const TENANT: [&str; 10] =
    ["--hot", "40M", "--warm", "20M", "--warm-every", "20s", "--cold", "80M", "--sunk-from", "zram0"];

/// Longer than a sweep of the warm part, where that is never cold, and shorter, where it is again and again.
const RUNS: [(&str, Option<&str>); 3] = [("nobody", None), ("30 s", Some("30s")), ("10 s", Some("10s"))];

fn config(cold_after: &str) -> String {
    format!(
        "
interval: 2s
hotness: {{ interval: 5s }}
balancer: {{ watermark: 80%, low: 70%, scan_interval: 5s, min_age: 1m, rate: 4MiB/s, write_budget: 1GiB/day }}
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: {cold_after}
    limits: {{ per_minute: 50%, floor: 8MiB }}
"
    )
}

/// One run: the tenant when cold memory has moved and at the end, and what the kernel counted meanwhile.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    kind: String,
    name: String,
    settled: Report,
    end: Report,
    counted: BTreeMap<String, u64>,
}

/// Counters of /proc/vmstat that say what the tenant waited for.
const COUNTERS: [&str; 6] =
    ["numa_hint_faults", "pgpromote_success", "pgdemote_proactive", "pgdemote_kswapd", "pswpin", "pgfault"];

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let disk = NullBlock::create(0, SIZE, SSD_NANOSECONDS)?;
    let backing = Some(disk.device().to_owned());
    let _zram = Zram::swap(&ZramOptions { backing, ..ZramOptions::lz4(SIZE) }, 100)?;
    knobs::write("/sys/kernel/mm/numa/demotion_enabled", "1")?;
    knobs::write("/proc/sys/kernel/numa_balancing", "2")?;
    RUNS.iter().try_for_each(|(name, cold_after)| run(name, *cold_after))
}

fn run(name: &str, cold_after: Option<&str>) -> Result<()> {
    let cgroup = Cgroup::create(&format!("tenants/{}", name.replace(' ', "")))?;
    let tenant = Tenant::start(name, &cgroup, &TENANT)?;
    let ready = tenant.reports()?.first().context("the tenant is ready")?.clock;
    let daemon = cold_after.map(|cold_after| Daemon::start("three", &config(cold_after))).transpose()?;
    sleep_until(ready + SETTLED)?;
    let (settled, before) = (tenant.truth()?, counters()?);
    sleep_until(ready + SECONDS)?;
    let (end, after) = (tenant.truth()?, counters()?);
    if let Some(daemon) = daemon {
        println!("{}", daemon.explain(&cgroup.name())?);
        daemon.stop()?;
    }
    let counted = after.into_iter().map(|(name, count)| {
        let since = count - before.get(&name).copied().unwrap_or_default();
        (name, since)
    });
    let counted = counted.collect();
    report::emit(&Run { kind: "run".into(), name: name.into(), settled, end, counted })?;
    tenant.stop()?;
    cgroup.remove()
}

fn counters() -> Result<BTreeMap<String, u64>> {
    let vmstat = knobs::read("/proc/vmstat")?;
    let lines = vmstat.lines().filter_map(|line| line.split_once(' '));
    let wanted = lines.filter(|(name, _)| COUNTERS.contains(name));
    wanted.map(|(name, count)| Ok((name.to_owned(), count.parse()?))).collect()
}

impl Run {
    /// Operations per busy second once cold memory has moved.
    fn rate(&self) -> f64 {
        rate(self.end.ops - self.settled.ops, Duration::from_secs_f64(self.end.busy - self.settled.busy))
    }
}

fn judge(outcome: &Outcome) -> Result<()> {
    let runs: Vec<Run> = outcome.all("run")?;
    let mut verdict = Verdict::default();
    ensure!(runs.len() == RUNS.len(), "{} runs of {} ended", runs.len(), RUNS.len());
    let nobody = runs.iter().find(|run| run.name == "nobody").context("there is no run without a daemon")?;
    println!("{:<8} {:>9} {:>7} {:>7} {:>7} {:>7}  MiB", "", "part", "DRAM", "node", "zram", "disk");
    for run in &runs {
        let truth = run.end.truth.as_ref().context("a report with the truth")?;
        for (part, places) in [("hot", truth.hot), ("warm", truth.warm), ("cold", truth.cold)] {
            let [dram, node, zram, disk] =
                [places.resident - places.slow, places.slow, places.swapped - places.sunk, places.sunk]
                    .map(mib);
            println!("{:<8} {part:>9} {dram:>7.1} {node:>7.1} {zram:>7.1} {disk:>7.1}", run.name);
        }
        println!("{:<8} {:?}", run.name, run.counted);
    }
    for run in runs.iter().filter(|run| run.name != nobody.name) {
        let cold = run.end.truth.as_ref().map(|truth| truth.cold).unwrap_or_default();
        let away = mib(cold.slow + cold.swapped) / mib(COLD);
        verdict.expect(
            away >= 0.9,
            format!("{}: {:.1} % of the cold part has left DRAM", run.name, away * 100.0),
        );
        let kept = run.rate() / nobody.rate();
        verdict.expect(kept >= 0.99, format!("{}: {kept:.4} of the operations per busy second", run.name));
    }
    // In one run or the other: when memory goes on from a tier is for its price to say.
    let most = |of: fn(Places) -> u64| {
        let parts =
            |run: &Run| run.end.truth.as_ref().map(|truth| [truth.warm, truth.cold]).unwrap_or_default();
        mib(runs.iter().flat_map(parts).map(of).max().unwrap_or_default())
    };
    let tiers = [most(|part| part.slow), most(|part| part.swapped - part.sunk), most(|part| part.sunk)];
    let [node, zram, disk] = tiers;
    verdict.expect(
        tiers.iter().all(|most| *most >= 1.0),
        format!("at most {node:.1} MiB on the node, {zram:.1} in zram, {disk:.1} on the disk: each is used"),
    );
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
