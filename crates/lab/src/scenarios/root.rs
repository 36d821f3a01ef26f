//! The host as a whole: a tenant that lives in no cgroup of its own, under `match: ["/"]`.
//!
//! Everything of this machine lives in the root cgroup: the lab's own process 1, the daemon and the tenant.
//! Two runs of the same tenant, one without lowtide.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::cgroup::ROOT;
use crate::guest::look::{now, sleep_until};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Tenant, Zram, knobs, report, swap};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use crate::tenant::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "root",
    about: "40 MiB hot and 100 MiB cold in no cgroup, zram, `match: [\"/\"]`: cold goes, hot stays, and its figures are the host's",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

/// Seconds of the run without lowtide, and of the one with it.
const WITHOUT: u64 = 50;
const WITH: u64 = 110;
/// The daemon is asked so long before the tenant ends.
const BEFORE_END: u64 = 5;

const COLD: u64 = 100 * MIB;
const TENANT: [&str; 6] = ["--hot", "40M", "--warm", "0", "--cold", "100M"];

/// The root has no `io` limits and no memory.max: nothing but the policy bounds it.
const POLICY: &str = "
interval: 2s
hotness: { interval: 5s }
policies:
  - name: host
    match: [\"/\"]
    mode: full
    cold_after: 30s
    slo: { memory_pressure: 0.5%, io_pressure: 0.5% }
    limits: { per_minute: 100%, floor: 16MiB }
";

/// The tenant's last report of the run without lowtide.
#[derive(Debug, Serialize, Deserialize)]
struct Without {
    kind: String,
    report: Report,
}

/// The run with it.
#[derive(Debug, Serialize, Deserialize)]
struct With {
    kind: String,
    report: Report,
    /// `explain /`, and `check --environment`.
    explained: String,
    checked: String,
    /// Bytes that the daemon says are offloaded, and what of swap is used, at about the same time.
    offloaded: u64,
    swap: u64,
    /// Bytes that left DRAM on request, as the daemon measured them.
    effective: u64,
    targets: Vec<String>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    report::emit(&Without { kind: "without".into(), report: tenant("without", WITHOUT)?.finish()? })?;
    let start = now()?;
    let tenant = tenant("with", WITH)?;
    let daemon = Daemon::start("root", POLICY)?;
    sleep_until(start + Duration::from_secs(WITH - BEFORE_END).as_secs_f64())?;
    let (status, explained, checked) = (daemon.status()?, daemon.explain("/")?, check(&daemon)?);
    let swap = swap::used()?;
    println!("{explained}\n{checked}");
    let targets = status["cgroups"].as_array().context("the status has no targets")?;
    let figure = |of: &str, name: &str| {
        let figure = targets.first().and_then(|target| target.pointer(of)?.get(name)?.as_u64());
        figure.with_context(|| format!("no {name} in the status"))
    };
    let with = With {
        kind: "with".into(),
        offloaded: figure("/decision/figures", "offloaded")?,
        effective: figure("/account", "effective")?,
        targets: targets.iter().filter_map(|target| target["path"].as_str().map(ToOwned::to_owned)).collect(),
        report: tenant.finish()?,
        explained,
        checked,
        swap,
    };
    println!("{}", daemon.log()?);
    daemon.stop()?;
    report::emit(&with)
}

fn tenant(name: &str, seconds: u64) -> Result<Tenant> {
    let duration = format!("{seconds}s");
    let args = [&TENANT[..], &["--duration", &duration]].concat();
    Tenant::start(name, &Cgroup::at(Path::new(ROOT)), &args)
}

/// What `lowtide check --environment` says, whatever it ends with.
fn check(daemon: &Daemon) -> Result<String> {
    let mut command = Command::new("lowtide");
    command.args(["check", "--environment", "--config"]).arg(daemon.config());
    let output = command.output().context("cannot start lowtide")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn judge(outcome: &Outcome) -> Result<()> {
    let (without, with): (Without, With) = (outcome.result("without")?, outcome.result("with")?);
    let before = without.report.truth.context("the last report says where the pages are")?;
    let truth = with.report.truth.as_ref().context("the last report says where the pages are")?;
    for (name, places) in [("hot", truth.hot), ("cold", truth.cold)] {
        println!("{name:>6} {:>6.1} MiB in DRAM, {:>6.1} MiB gone", mib(places.resident), mib(places.gone()));
    }
    let mut verdict = Verdict::default();
    verdict.expect(before.cold.gone() == 0, "without lowtide nothing leaves: there is room for all");
    verdict.expect(with.targets == ["/"], format!("the root is the one target: {}", with.targets.join(", ")));
    let gone = mib(truth.cold.gone()) / mib(COLD);
    verdict.expect(gone >= 0.85, format!("{:.1} % of the cold part gone after {WITH} s", gone * 100.0));
    verdict.expect(
        truth.hot.gone() <= 2 * MIB,
        format!("{:.2} MiB of the hot part gone", mib(truth.hot.gone())),
    );
    let ratio = with.report.rate / without.report.rate;
    verdict.expect(ratio >= 0.97, format!("rate of work {ratio:.4} of that without lowtide"));
    judge_figures(&with, &mut verdict);
    let said = |text: &str, words: &str| text.contains(words);
    verdict.expect(said(&with.explained, "the host as a whole"), "`explain /` says what is promised");
    verdict.expect(
        said(&with.checked, "processes in no cgroup of their own cannot be left out"),
        "`check --environment` names processes in no cgroup",
    );
    println!("{:.0} s wall on {}", outcome.wall.as_secs_f64(), outcome.kernel);
    verdict.finish()
}

/// What the daemon says of the host against what the kernel says of swap.
fn judge_figures(with: &With, verdict: &mut Verdict) {
    let (offloaded, swap) = (mib(with.offloaded), mib(with.swap));
    verdict.expect(
        (offloaded - swap).abs() <= swap * 0.1,
        format!(
            "{offloaded:.1} MiB offloaded, says the daemon; {swap:.1} MiB of swap are used, says the kernel"
        ),
    );
    let effective = mib(with.effective);
    // Page cache and slab leave too, and are not in swap.
    verdict.expect(
        effective >= swap * 0.9,
        format!("{effective:.1} MiB left DRAM on request, by the daemon's measure"),
    );
}
