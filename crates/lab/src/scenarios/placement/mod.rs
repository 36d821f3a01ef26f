//! Four tenants of different heat over all tiers: where the pages of each are after ten minutes, against the
//! truth.

mod matrix;

use super::Scenario;
use crate::guest::block::SSD_NANOSECONDS;
use crate::guest::look::sleep_until;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, NullBlock, Tenant, Zram, knobs, report, swap};
use crate::machine::Machine;
use crate::size::MIB;
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "placement",
    about: "four tenants of different heat over DRAM, zram and a disk behind it: hot and warm memory stays, the coldest is on the slowest",
    machine,
    programs: &["lowtide"],
    guest: || on(&PLAIN),
    judge: |outcome| matrix::judge(outcome, &PLAIN),
};

pub(super) const CXL: Scenario = Scenario {
    name: "placement_cxl",
    about: "four tenants of different heat over DRAM, a CXL node, zram and a disk behind it: each part where it belongs",
    machine: || machine().with_memory(1024 * MIB).with_cxl(512 * MIB),
    programs: &["lowtide"],
    guest: || on(&BEHIND_CXL),
    judge: |outcome| matrix::judge(outcome, &BEHIND_CXL),
};

/// Four tenants that are never idle at once take half the time of a wall clock, and more where the machine is
/// not alone.
fn machine() -> Machine {
    Machine::deterministic().with_limit(Duration::from_mins(20))
}

pub(super) const ZSWAP: Scenario = Scenario {
    name: "placement_zswap",
    about: "four tenants of different heat over DRAM, a CXL node, and a disk behind zswap: each part where it belongs",
    machine: || machine().with_memory(1024 * MIB).with_cxl(512 * MIB),
    programs: &["lowtide"],
    guest: || on(&OVER_ZSWAP),
    judge: |outcome| matrix::judge(outcome, &OVER_ZSWAP),
};

/// What is below DRAM, and what follows for the warm part.
struct Setup {
    cxl: bool,
    zswap: bool,
    cold_after: &'static str,
    warm_every: &'static str,
    /// Hot pages touched every 20 ms.
    burst: &'static str,
}

/// Nothing in front of swap: what is swept within the cut stays in DRAM.
const PLAIN: Setup = Setup { cxl: false, zswap: false, cold_after: "30s", warm_every: "25s", burst: "128" };
/// What is swept less often than `cold_after` belongs on the node. A touch there is a fault of 15 us when
/// NUMA balancing has scanned the page: a tenant that does next to nothing else would spend some of its time
/// on that.
const BEHIND_CXL: Setup =
    Setup { cxl: true, zswap: false, cold_after: "15s", warm_every: "50s", burst: "512" };

/// The same with zswap.
const OVER_ZSWAP: Setup = Setup { zswap: true, ..BEHIND_CXL };

/// A tenant: MiB that are hot, warm and cold.
struct Heat {
    name: &'static str,
    parts: [u64; 3],
}

const TENANTS: [Heat; 4] = [
    Heat { name: "busy", parts: [24, 6, 16] },
    Heat { name: "web", parts: [14, 12, 20] },
    Heat { name: "batch", parts: [6, 14, 26] },
    Heat { name: "idle", parts: [2, 4, 40] },
];
/// Seconds of the two runs: for the rate of work in DRAM, and for the placement.
const ALONE: f64 = 150.0;
const WITH: f64 = 600.0;
const SIZE: u64 = 512 * MIB;

fn policy(setup: &Setup) -> String {
    format!(
        "
interval: 2s
hotness: {{ interval: 5s }}
balancer: {{ watermark: 80%, low: 70%, scan_interval: 5s, min_age: 1m, rate: 4MiB/s, write_budget: 1GiB/day }}
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: {}
    slo: {{ memory_pressure: 1%, io_pressure: 2%, promotion_rate: 5%/min }}
    limits: {{ per_minute: 50%, floor: 4MiB }}
",
        setup.cold_after
    )
}

/// How one tenant ended.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    kind: String,
    run: String,
    report: Report,
}

fn on(setup: &Setup) -> Result<()> {
    knobs::set_huge_pages("never")?;
    run(setup, "dram", ALONE, &[])?;
    let disk = NullBlock::create(0, SIZE, SSD_NANOSECONDS)?;
    let other = NullBlock::create(1, SIZE, SSD_NANOSECONDS)?;
    if setup.cxl {
        knobs::write("/sys/kernel/mm/numa/demotion_enabled", "1")?;
        knobs::write("/proc/sys/kernel/numa_balancing", "2")?;
    }
    if setup.zswap {
        swap::on(disk.device(), 10)?;
        knobs::set_zswap("compressor", "lz4")?;
        knobs::set_zswap("enabled", "Y")?;
        return run(setup, "with", WITH, &["--sunk-to", "/dev/nullb0"]);
    }
    let backing = Some(disk.device().to_owned());
    let _zram = Zram::swap(&ZramOptions { backing, ..ZramOptions::lz4(SIZE) }, 100)?;
    swap::on(other.device(), 5)?;
    run(setup, "with", WITH, &["--sunk-from", "zram0"])
}

/// With a daemon if the tenants are to say what has `sunk`.
fn run(setup: &Setup, name: &str, seconds: f64, sunk: &[&str]) -> Result<()> {
    let mut tenants = Vec::new();
    for Heat { name: tenant, parts } in &TENANTS {
        let own = format!("{tenant}-{name}");
        let cgroup = Cgroup::create(&format!("tenants/{own}"))?;
        let [hot, swept, cold] = parts.map(|part| format!("{part}M"));
        let parts = ["--hot", &hot, "--warm", &swept, "--cold", &cold];
        let warm = ["--warm-every", setup.warm_every, "--warm-sweep", "spread"];
        let work = ["--pause", "20ms", "--burst", setup.burst];
        let reports = ["--interval", "10s", "--ages", "10s,1m,5m"];
        tenants.push((
            Tenant::start(&own, &cgroup, &[&parts[..], &warm, &work, &reports, sunk].concat())?,
            cgroup,
        ));
    }
    let ready = tenants.last().context("there are tenants")?.0.reports()?;
    let ready = ready.first().context("the tenant is ready")?.clock;
    let daemon = (!sunk.is_empty()).then(|| Daemon::start(name, &policy(setup))).transpose()?;
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
