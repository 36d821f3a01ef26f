//! Four tenants of different heat over all tiers: where the pages of each are after ten minutes, against the truth.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::SSD_NANOSECONDS;
use crate::guest::look::sleep_until;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, NullBlock, Tenant, Zram, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::pages::{Places, Truth};
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "placement",
    about: "four tenants of different heat over all tiers: hot memory in DRAM, warm below it, the coldest on the slowest",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// A tenant: MiB that are hot, warm and cold.
struct Heat {
    name: &'static str,
    parts: [u64; 3],
}

const TENANTS: [Heat; 4] = [
    Heat { name: "busy", parts: [24, 6, 10] },
    Heat { name: "web", parts: [14, 12, 14] },
    Heat { name: "batch", parts: [6, 14, 20] },
    Heat { name: "idle", parts: [2, 2, 36] },
];
const WARM_EVERY: &str = "25s";
/// Seconds of the two runs: for the rate of work in DRAM, and for the placement.
const ALONE: f64 = 300.0;
const WITH: f64 = 600.0;
const SIZE: u64 = 512 * MIB;

const POLICY: &str = "
interval: 2s
hotness: { interval: 5s }
balancer: { watermark: 80%, low: 70%, scan_interval: 5s, min_age: 1m, rate: 4MiB/s, write_budget: 1GiB/day }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 30s
    slo: { memory_pressure: 1%, io_pressure: 2%, promotion_rate: 5%/min }
    limits: { per_minute: 50%, floor: 4MiB }
";

/// How one tenant ended.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    kind: String,
    run: String,
    report: Report,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    run("dram", ALONE, None)?;
    let below = NullBlock::create(0, SIZE, SSD_NANOSECONDS)?;
    let disk = NullBlock::create(1, SIZE, SSD_NANOSECONDS)?;
    let zram =
        Zram::swap(&ZramOptions { backing: Some(below.device().to_owned()), ..ZramOptions::lz4(SIZE) }, 100)?;
    swap::on(disk.device(), 5)?;
    run("zram", WITH, Some(&zram))
}

fn run(name: &str, seconds: f64, zram: Option<&Zram>) -> Result<()> {
    let mut tenants = Vec::new();
    for Heat { name: tenant, parts } in &TENANTS {
        let own = format!("{tenant}-{name}");
        let cgroup = Cgroup::create(&format!("tenants/{own}"))?;
        let [hot, warm, cold] = parts.map(|part| format!("{part}M"));
        let parts = ["--hot", &hot, "--warm", &warm, "--warm-every", WARM_EVERY, "--cold", &cold];
        let work = ["--pause", "20ms", "--burst", "128", "--interval", "10s"];
        let sunk: &[&str] = if zram.is_some() { &["--sunk-from", "zram0"] } else { &[] };
        tenants.push((Tenant::start(&own, &cgroup, &[&parts[..], &work, sunk].concat())?, cgroup));
    }
    let ready = tenants.last().context("there are tenants")?.0.reports()?;
    let ready = ready.first().context("the tenant is ready")?.clock;
    let daemon = zram.map(|_| Daemon::start(name, POLICY)).transpose()?;
    sleep_until(ready + seconds)?;
    for (tenant, cgroup) in &tenants {
        let report = tenant.truth()?;
        report::emit(&End { kind: "end".into(), run: name.into(), report })?;
        if let Some(daemon) = &daemon {
            println!("{}", daemon.explain(&cgroup.name())?);
        }
    }
    if let Some(daemon) = daemon {
        println!("{}", String::from_utf8_lossy(&daemon.command(&["status"])?.stdout));
        println!("{}", daemon.log()?);
        daemon.stop()?;
    }
    for (tenant, cgroup) in tenants {
        tenant.stop()?;
        cgroup.remove()?;
    }
    Ok(())
}

fn judge(outcome: &Outcome) -> Result<()> {
    let mut verdict = Verdict::default();
    println!(
        "\nMiB of each part by tier\n{:<8} {:<6} {:>8} {:>8} {:>8}",
        "tenant", "part", "DRAM", "zram", "disk"
    );
    for Heat { name, parts } in &TENANTS {
        let (alone, with) = (end(outcome, "dram", name)?, end(outcome, "zram", name)?);
        let truth = with.truth.context("the report says where the pages are")?;
        print_rows(name, &truth);
        judge_tenant(name, *parts, &truth, with.rate / alone.rate, &mut verdict);
    }
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}

fn print_rows(name: &str, truth: &Truth) {
    for (part, places) in [("hot", truth.hot), ("warm", truth.warm), ("cold", truth.cold)] {
        let Places { resident, swapped, sunk, .. } = places;
        println!(
            "{name:<8} {part:<6} {:>8.1} {:>8.1} {:>8.1}",
            mib(resident),
            mib(swapped - sunk),
            mib(sunk)
        );
    }
}

fn judge_tenant(name: &str, parts: [u64; 3], truth: &Truth, throughput: f64, verdict: &mut Verdict) {
    let [hot, _, cold] = parts.map(|part| mib(part * MIB));
    let (in_dram, sunk) = (mib(truth.hot.resident) / hot, mib(truth.cold.sunk) / cold);
    verdict.expect(in_dram >= 0.9, format!("{name}: {:.1} % of the hot part in DRAM", in_dram * 100.0));
    verdict
        .expect(sunk >= 0.8, format!("{name}: {:.1} % of the cold part on the slowest tier", sunk * 100.0));
    verdict.expect(throughput >= 0.98, format!("{name}: throughput {throughput:.4} of that in DRAM"));
}

fn end(outcome: &Outcome, run: &str, tenant: &str) -> Result<Report> {
    let own = format!("{tenant}-{run}");
    let ends = outcome.results.iter().filter(|found| found["kind"] == "end" && found["run"] == run);
    let reports = ends.map(|found| Ok(End::deserialize(found)?.report)).collect::<Result<Vec<_>>>()?;
    reports.into_iter().find(|report| report.name == own).with_context(|| format!("no end of {own}"))
}
