//! A small swap device: anonymous offload stops at the reserve, page cache goes on, the tenant notices nothing.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::{NullBlock, SSD_NANOSECONDS, mount_ext4};
use crate::guest::look::{now, sleep_until};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Look, Tenant, Zram, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "swap_full",
    about: "48 MiB of zram with a reserve of a quarter, more cold memory than that: offload stops at the reserve",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(8)),
    programs: &["lowtide"],
    guest,
    judge,
};

const FILES: &str = "/mnt/files";
const SWAP: u64 = 48 * MIB;
/// What the reserve of 25 % leaves.
const ALLOWED: u64 = 36 * MIB;
const COLD_FILE: u64 = 60 * MIB;

/// 80 MiB of anonymous memory that is never swept, more than swap takes.
const TENANT: [&str; 14] = [
    "--hot",
    "20M",
    "--warm",
    "80M",
    "--warm-every",
    "1h",
    "--cold",
    "60M",
    "--file",
    FILES,
    "--file-part",
    "cold",
    "--duration",
    "80s",
];

const SECONDS: f64 = 78.0;

const POLICY: &str = "
interval: 2s
budgets: { swap_reserve: 25% }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 10s
    slo: { memory_pressure: 0.5%, io_pressure: 1%, promotion_rate: 5%/min }
    limits: { per_minute: 100%, floor: 16MiB }
";

/// All of swap at one moment.
#[derive(Debug, Serialize, Deserialize)]
struct Fill {
    kind: String,
    at: f64,
    used: u64,
    /// The kernel takes `swappiness=` in memory.reclaim, as the daemon found out.
    takes_swappiness: bool,
    /// When the watch began.
    start: f64,
}

/// The tenant's last report.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    kind: String,
    report: Report,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let disk = NullBlock::create(0, 160 * MIB, SSD_NANOSECONDS)?;
    mount_ext4(disk.device(), Path::new(FILES))?;
    Zram::swap(&ZramOptions::lz4(SWAP), 100)?;
    for name in ["without", "with"] {
        let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
        let tenant = Tenant::start(name, &cgroup, &TENANT)?;
        if name == "with" {
            watch(&cgroup)?;
        }
        report::emit(&Run { kind: name.into(), report: tenant.finish()? })?;
        cgroup.remove()?;
    }
    Ok(())
}

fn watch(cgroup: &Cgroup) -> Result<()> {
    let daemon = Daemon::start("swap_full", POLICY)?;
    let start = now()?;
    while now()? < start + SECONDS {
        let next = now()? + 2.0;
        report::emit(&Look::take("with", &daemon, cgroup)?)?;
        let takes_swappiness = daemon.status()?["host"]["reclaim_takes_swappiness"] == true;
        let fill = Fill { kind: "fill".into(), at: now()?, used: swap::used()?, takes_swappiness, start };
        report::emit(&fill)?;
        sleep_until(next.min(start + SECONDS))?;
    }
    println!("{}", daemon.explain(&cgroup.name())?);
    println!("{}", daemon.log()?);
    daemon.stop()
}

fn judge(outcome: &Outcome) -> Result<()> {
    let of_kind = |kind: &'static str| outcome.results.iter().filter(move |value| value["kind"] == kind);
    let looks = of_kind("look").map(Look::deserialize).collect::<Result<Vec<_>, _>>()?;
    let fills = of_kind("fill").map(Fill::deserialize).collect::<Result<Vec<_>, _>>()?;
    let last = fills.last().context("nothing was watched")?;
    println!("{}  swap used", Look::HEADER);
    for (look, fill) in looks.iter().zip(&fills).step_by(2) {
        println!("{}  {:.1}", look.row(last.start), mib(fill.used));
    }
    let without: Run = outcome.result("without")?;
    let with: Run = outcome.result("with")?;
    let truth = with.report.truth.context("the last report says where the pages are")?;
    for (name, places) in
        [("hot anonymous", truth.hot), ("cold anonymous", truth.warm), ("cold file", truth.cold)]
    {
        println!("{name:>14}  {:.1} MiB in DRAM, {:.1} MiB gone", mib(places.resident), mib(places.gone()));
    }
    let mut verdict = Verdict::default();
    let most = fills.iter().map(|fill| fill.used).max().unwrap_or_default();
    verdict.expect(
        most <= ALLOWED + SLACK,
        format!(
            "swap never held more than {:.2} MiB of {:.0}; the reserve leaves {:.0}",
            mib(most),
            mib(SWAP),
            mib(ALLOWED)
        ),
    );
    verdict.expect(most + 4 * MIB >= ALLOWED, "swap was used up to the reserve");
    let held = looks.iter().filter(|look| look.decided.file_only.as_deref() == Some("swap_reserve")).count();
    verdict.expect(
        held > 0,
        format!("anonymous memory stayed for swap_reserve at {held} of {} looks", looks.len()),
    );
    let file = mib(truth.cold.gone()) / mib(COLD_FILE);
    if last.takes_swappiness {
        verdict.expect(file >= 0.8, format!("{:.0} % of the cold page cache gone", file * 100.0));
    } else {
        let end = looks.last().map(|look| look.decided.reason.clone()).unwrap_or_default();
        verdict.expect(
            end == "file_only_unsupported",
            format!("page cache alone cannot be asked for on this kernel: {end}; {:.0} % of it went with the rest", file * 100.0),
        );
    }
    let ratio = with.report.rate / without.report.rate;
    verdict.expect(
        ratio >= 0.98,
        format!(
            "throughput {:.0} without lowtide, {:.0} with: {ratio:.4}",
            without.report.rate, with.report.rate
        ),
    );
    verdict.expect(truth.hot.gone() == 0, format!("{:.2} MiB of the hot part gone", mib(truth.hot.gone())));
    println!("{:.0} s wall on {}", outcome.wall.as_secs_f64(), outcome.kernel);
    verdict.finish()
}

/// One batch of the kernel's, and what each processor keeps in its cache of swap slots (64 of 4 KiB, up to 6.14), which
/// counts as used though nothing is stored in it.
const SLACK: u64 = (128 << 10) + 2 * 64 * 4096;
