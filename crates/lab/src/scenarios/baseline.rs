//! The tenant of the offload scenarios with nobody offloading: what its figures are when it is left alone.

use super::Scenario;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::report::Report;
use anyhow::{Context, Result, ensure};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "baseline",
    about: "40 MiB hot, 30 MiB warm every 20 s, 120 MiB cold, zram swap, no daemon, 60 s",
    machine: Machine::deterministic,
    programs: &[],
    guest,
    judge,
};

const TENANT: [&str; 10] =
    ["--hot", "40M", "--warm", "30M", "--warm-every", "20s", "--cold", "120M", "--duration", "61s"];

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let cgroup = Cgroup::create("tenants/a")?;
    let tenant = Tenant::start("a", &cgroup, &TENANT)?;
    println!("tenant is ready at {:.1} s after boot", knobs::uptime()?);
    report::emit(&tenant.finish()?)
}

fn judge(outcome: &Outcome) -> Result<()> {
    let report: Report = outcome.result("tenant")?;
    let truth = report.truth.context("the last report says where the pages are")?;
    println!(
        "kernel {}, {:?}, {:.1} s on the wall",
        outcome.kernel,
        outcome.accel,
        outcome.wall.as_secs_f64()
    );
    println!("{:>14}  {:.1} operations per busy second", "throughput", report.rate);
    println!("{:>14}  {} operations in {:.6} s of {:.3} s", "work", report.ops, report.busy, report.t);
    println!(
        "{:>14}  p50 {} p90 {} p99 {} max {} ns",
        "touch", report.touch.p50, report.touch.p90, report.touch.p99, report.touch.max
    );
    for (name, places) in [("hot", truth.hot), ("warm", truth.warm), ("cold", truth.cold)] {
        println!("{name:>14}  {:.1} MiB in DRAM, {:.1} MiB gone", mib(places.resident), mib(places.gone()));
    }
    ensure!(truth.cold.gone() == 0, "memory left DRAM although nobody reclaimed");
    Ok(())
}
