//! No swap, or a policy that allows page cache only: nothing anonymous leaves DRAM, page cache does, and the
//! daemon says why.
//!
//! Two equal tenants side by side, one under `full`, one under `file`; first without any swap, then with
//! zram. The second run is also the proof that the anonymous pages of the first stayed because of the rule
//! and not because they would have stayed anyway.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::block::{NullBlock, SSD_NANOSECONDS, mount_ext4};
use crate::guest::look::{now, sleep_until};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Look, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::pages::Truth;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "no_swap",
    about: "`full` without swap and `file` with and without it: page cache goes, anonymous memory stays",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

const FILES: &str = "/mnt/files";
/// The anonymous cold part: swept once after an hour, so not at all.
const COLD_ANONYMOUS: u64 = 40 * MIB;
/// Less than goes in a run: with swap the kernel takes page cache first and anonymous memory after it.
const COLD_FILE: u64 = 40 * MIB;

const TENANT: [&str; 16] = [
    "--hot",
    "20M",
    "--warm",
    "40M",
    "--warm-every",
    "1h",
    "--cold",
    "40M",
    "--file",
    FILES,
    "--file-part",
    "cold",
    "--burst",
    "64",
    "--pause",
    "8ms",
];

const SECONDS: f64 = 66.0;

const POLICY: &str = "
interval: 2s
hotness: { source: none }
policies:
  - name: full
    match: [/tenants/full-*]
    mode: full
    cold_after: 10s
    slo: { memory_pressure: 0.5%, io_pressure: 1%, promotion_rate: 5%/min }
    limits: { per_minute: 100%, floor: 16MiB }
  - name: file
    match: [/tenants/file-*]
    mode: file
    cold_after: 10s
    slo: { memory_pressure: 0.5%, io_pressure: 1%, promotion_rate: 5%/min }
    limits: { per_minute: 100%, floor: 16MiB }
";

/// How one tenant ended.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    kind: String,
    run: String,
    mode: String,
    start: f64,
    /// The kernel takes `swappiness=` in memory.reclaim, as the daemon found out.
    takes_swappiness: bool,
    truth: Truth,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let disk = NullBlock::create(0, 320 * MIB, SSD_NANOSECONDS)?;
    mount_ext4(disk.device(), Path::new(FILES))?;
    run("without")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    run("with")
}

fn run(name: &str) -> Result<()> {
    let mut tenants = Vec::new();
    for mode in ["full", "file"] {
        let cgroup = Cgroup::create(&format!("tenants/{mode}-{name}"))?;
        let tenant = Tenant::start(&format!("{mode}-{name}"), &cgroup, &TENANT)?;
        tenants.push((mode, cgroup, tenant));
    }
    let daemon = Daemon::start(name, POLICY)?;
    let start = now()?;
    while now()? < start + SECONDS {
        sleep_until((now()? + 2.0).min(start + SECONDS))?;
        let status = daemon.status()?;
        for (_, cgroup, _) in &tenants {
            report::emit(&Look::at(name, &status, cgroup)?)?;
        }
    }
    let takes_swappiness = daemon.status()?["host"]["reclaim_takes_swappiness"] == true;
    for (mode, cgroup, tenant) in tenants {
        println!("{}", daemon.explain(&cgroup.name())?);
        let truth = tenant.stop()?.truth.context("the last report says where the pages are")?;
        report::emit(&End {
            kind: "end".into(),
            run: name.into(),
            mode: mode.into(),
            start,
            takes_swappiness,
            truth,
        })?;
        cgroup.remove()?;
    }
    println!("{}", daemon.log()?);
    daemon.stop()
}

fn judge(outcome: &Outcome) -> Result<()> {
    let mut verdict = Verdict::default();
    for run in ["without", "with"] {
        for mode in ["full", "file"] {
            let end = outcome
                .results
                .iter()
                .find(|end| end["kind"] == "end" && end["run"] == run && end["mode"] == mode);
            let end = End::deserialize(end.with_context(|| format!("no end of {mode}-{run}"))?)?;
            let path = format!("/tenants/{mode}-{run}");
            let looks = outcome.results.iter().filter(|look| look["kind"] == "look" && look["path"] == path);
            let looks = looks.map(Look::deserialize).collect::<Result<Vec<_>, _>>()?;
            print_run(&end, &looks);
            judge_run(&end, &looks, &mut verdict);
        }
    }
    println!("{:.0} s wall on {}", outcome.wall.as_secs_f64(), outcome.kernel);
    verdict.finish()
}

fn print_run(end: &End, looks: &[Look]) {
    println!(
        "\nmode {}, {} swap; memory.reclaim takes swappiness=: {}",
        end.mode, end.run, end.takes_swappiness
    );
    println!("{}", Look::HEADER);
    for look in looks.iter().skip(1).step_by(3) {
        println!("{}", look.row(end.start));
    }
    let Truth { hot, warm, cold, .. } = end.truth;
    for (name, places) in [("hot anonymous", hot), ("cold anonymous", warm), ("cold file", cold)] {
        println!("{name:>14}  {:.1} MiB in DRAM, {:.1} MiB gone", mib(places.resident), mib(places.gone()));
    }
}

fn judge_run(end: &End, looks: &[Look], verdict: &mut Verdict) {
    let name = format!("{} {} swap", end.mode, end.run);
    let anonymous = end.truth.hot.gone() + end.truth.warm.gone();
    let share = |gone: u64, of: u64| mib(gone) / mib(of);
    let file = share(end.truth.cold.gone(), COLD_FILE);
    if (end.mode.as_str(), end.run.as_str()) == ("full", "with") {
        let gone = share(end.truth.warm.gone(), COLD_ANONYMOUS);
        verdict.expect(gone > 0.1, format!("{name}: {:.0} % of the cold anonymous part gone", gone * 100.0));
        return;
    }
    verdict.expect(anonymous == 0, format!("{name}: {:.2} MiB of anonymous memory gone", mib(anonymous)));
    let swapped = looks.iter().map(|look| look.counters.swap).max().unwrap_or_default();
    verdict.expect(swapped == 0, format!("{name}: at most {:.2} MiB in swap at any time", mib(swapped)));
    let why = if end.mode == "file" { "file_mode" } else { "no_swap" };
    // Without swap the kernel needs not be told that page cache alone is meant; with it, only swappiness=0
    // says so.
    if end.run == "with" && !end.takes_swappiness {
        let stayed = end.truth.cold.gone() == 0 && looks.iter().all(|look| look.requested == 0);
        verdict.expect(stayed, format!("{name}: nothing was asked for, since page cache alone cannot be"));
        let said = looks.iter().all(|look| {
            let reasons = (look.decided.reason.as_str(), look.decided.file_only.as_deref());
            look.decided.action == "hold"
                && (reasons == ("file_only_unsupported", Some(why))
                    || reasons.0 == "first_sample"
                    || reasons.0 == "warming_up")
        });
        let last = looks.last().is_some_and(|look| look.decided.reason == "file_only_unsupported");
        verdict.expect(said && last, format!("{name}: held for file_only_unsupported ({why})"));
        return;
    }
    verdict.expect(file >= 0.8, format!("{name}: {:.0} % of the cold page cache gone", file * 100.0));
    let reclaims = || looks.iter().filter(|look| look.decided.action == "reclaim");
    let said = reclaims().all(|look| {
        look.decided.scope.as_deref() == Some("file") && look.decided.file_only.as_deref() == Some(why)
    });
    verdict.expect(said && reclaims().count() > 5, format!("{name}: every request says file only: {why}"));
}
