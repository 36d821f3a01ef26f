//! A small swap device: anonymous offload stops at the reserve, page cache goes on, the tenant notices
//! nothing.

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
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "swap_full",
    about: "48 MiB of zram with a reserve of a quarter, more cold memory than that: offload stops at the reserve",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// A directory for the file that is read, on a file system of its own: pages of the guest's root are not page
/// cache.
const FILES: &str = "/mnt/files";
const FILE: &str = "/mnt/files/log";
const FILE_SIZE: u64 = 30 * MIB;
const SWAP: u64 = 48 * MIB;
/// What the reserve of 25 % leaves.
const ALLOWED: u64 = 36 * MIB;

/// More cold memory than swap takes.
const TENANT: [&str; 6] = ["--hot", "20M", "--warm", "0", "--cold", "80M"];

/// Seconds of the run without lowtide and of that with it. Nothing is swept, so the work is the same at any
/// time.
const WITHOUT: &str = "20s";
const WITH: &str = "80s";
const SECONDS: f64 = 77.0;
/// When the file is read: swap is full up to the reserve by then.
const READ_AT: f64 = 53.0;

const POLICY: &str = "
interval: 2s
hotness: { source: none }
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
    /// Offloaded by the last request beyond what it asked for.
    beyond: u64,
    /// The file was read.
    read: bool,
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
    let disk = NullBlock::create(0, 64 * MIB, SSD_NANOSECONDS)?;
    mount_ext4(disk.device(), Path::new(FILES))?;
    std::fs::write(FILE, vec![1; usize::try_from(FILE_SIZE)?])?;
    nix::unistd::sync();
    Zram::swap(&ZramOptions::lz4(SWAP), 100)?;
    run("without", WITHOUT, |_| Ok(()))?;
    run("with", WITH, watch)
}

fn run(name: &str, duration: &str, meanwhile: impl FnOnce(&Cgroup) -> Result<()>) -> Result<()> {
    let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
    let args = [&TENANT[..], &["--duration", duration]].concat();
    let tenant = Tenant::start(name, &cgroup, &args)?;
    meanwhile(&cgroup)?;
    report::emit(&Run { kind: name.into(), report: tenant.finish()? })?;
    cgroup.remove()
}

fn watch(cgroup: &Cgroup) -> Result<()> {
    let daemon = Daemon::start("swap_full", POLICY)?;
    let start = now()?;
    let mut read = false;
    while now()? < start + SECONDS {
        let next = now()? + 2.0;
        if !read && now()? >= start + READ_AT {
            read_file(cgroup)?;
            read = true;
        }
        let status = daemon.status()?;
        report::emit(&Look::at("with", &status, cgroup)?)?;
        let takes_swappiness = status["host"]["reclaim_takes_swappiness"] == true;
        let effect = &status["cgroups"][0]["account"]["last_effect"];
        let bytes = |name: &str| effect[name].as_u64().unwrap_or_default();
        let beyond = bytes("offloaded").saturating_sub(bytes("requested"));
        let used = swap::used()?;
        let fill = Fill { kind: "fill".into(), at: now()?, used, takes_swappiness, beyond, read, start };
        report::emit(&fill)?;
        sleep_until(next.min(start + SECONDS))?;
    }
    println!("{}", daemon.explain(&cgroup.name())?);
    println!("{}", daemon.log()?);
    daemon.stop()
}

/// Reads the file inside the cgroup, which is charged for its page cache if nobody has it in memory yet.
fn read_file(cgroup: &Cgroup) -> Result<()> {
    knobs::write("/proc/sys/vm/drop_caches", "1")?;
    let status =
        cgroup.command("cat").arg(FILE).stdout(Stdio::null()).status().context("cannot start cat")?;
    ensure!(status.success(), "cat ended with {status}");
    Ok(())
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
    for (name, places) in [("hot", truth.hot), ("cold", truth.cold)] {
        println!("{name:>6}  {:.1} MiB in DRAM, {:.1} MiB gone", mib(places.resident), mib(places.gone()));
    }
    let mut verdict = Verdict::default();
    let most = fills.iter().map(|fill| fill.used).max().unwrap_or_default();
    // 6.1 takes more than it is asked for (KERNEL.md §1), the last request before the reserve included: that
    // share of the reserve is the kernel's doing, and may be half of it at most.
    let beyond =
        fills.iter().filter(|fill| fill.used > ALLOWED).map(|fill| fill.beyond).max().unwrap_or_default();
    verdict.expect(
        most <= ALLOWED + SLACK + beyond.min((SWAP - ALLOWED) / 2) && most + 2 * MIB >= ALLOWED,
        format!(
            "swap was filled up to {:.2} of {:.0} MiB; the reserve leaves {:.0}, and the kernel took {:.2} unasked",
            mib(most),
            mib(SWAP),
            mib(ALLOWED),
            mib(beyond)
        ),
    );
    judge_file(&looks, &fills, last.takes_swappiness, &mut verdict)?;
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

/// After swap was full and the file was read: page cache goes, if the kernel can be asked for it alone.
fn judge_file(looks: &[Look], fills: &[Fill], takes_swappiness: bool, verdict: &mut Verdict) -> Result<()> {
    let read = fills.iter().position(|fill| fill.read).context("the file was never read")?;
    let (before, after) = looks.split_at(read);
    let full = before.last().context("the file was read too soon")?;
    verdict.expect(
        full.decided.action == "hold" && full.decided.file_only.as_deref() == Some("swap_reserve"),
        format!("with swap full and hardly any page cache: {}", full.decided.summary()),
    );
    let cached = after[0].counters.file - full.counters.file;
    let last = after.last().context("nothing was seen after the file was read")?;
    let left = last.counters.file.saturating_sub(full.counters.file);
    let gone = 1.0 - mib(left) / mib(cached).max(1.0);
    println!("{:.1} MiB of page cache after reading, {:.1} at the end", mib(cached), mib(left));
    let reclaims: Vec<_> = after.iter().filter(|look| look.decided.action == "reclaim").collect();
    if takes_swappiness {
        verdict
            .expect(gone >= 0.8, format!("{:.0} % of the new page cache gone with swap full", gone * 100.0));
        let said = reclaims.iter().all(|look| {
            look.decided.scope.as_deref() == Some("file")
                && look.decided.file_only.as_deref() == Some("swap_reserve")
        });
        verdict.expect(said && reclaims.len() > 3, "every request for it says file only: swap_reserve");
    } else {
        let said = after.iter().all(|look| look.decided.reason == "file_only_unsupported");
        verdict.expect(
            said && reclaims.is_empty() && last.requested == full.requested,
            format!(
                "page cache alone cannot be asked for on this kernel, so nothing is: {}",
                last.decided.summary()
            ),
        );
    }
    Ok(())
}

/// One batch of the kernel's, and what each processor keeps in its cache of swap slots (64 of 4 KiB, up to
/// 6.14), which counts as used though nothing is stored in it.
const SLACK: u64 = (128 << 10) + 2 * 64 * 4096;
