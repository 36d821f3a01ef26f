//! What the owner of a cgroup chooses for its policy, in an extended attribute of a real cgroup: who wants to
//! be left alone is, who writes what it may not choose is treated as before, and another choice is heard
//! within a minute.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Tenant, Zram, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use anyhow::{Context, Result};
use rustix::fs::{XattrFlags, removexattr, setxattr};
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "chosen",
    about: "user.lowtide_policy on real cgroups: off is left alone, nonsense is ignored, a change is heard within a minute",
    machine: || Machine::deterministic().with_memory(768 * MIB).with_limit(Duration::from_mins(15)),
    programs: &["lowtide"],
    guest,
    judge,
};

const ATTRIBUTE: &str = "user.lowtide_policy";
const TENANT: [&str; 8] = ["--hot", "2M", "--warm", "0", "--cold", "40M", "--pause", "20ms"];
const NONSENSE: &[u8] = b"\x1b[2J\xff";

/// Each with what its owner writes before the daemon starts.
const TENANTS: [(&str, Option<&[u8]>); 3] =
    [("left", Some(b"off")), ("taken", None), ("odd", Some(NONSENSE))];

const CONFIG: &str = "
interval: 2s
hotness: { source: none }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 3s
    slo: { memory_pressure: 5%, io_pressure: 10%, promotion_rate: 5%/min }
    limits: { per_minute: 100%, floor: 8MiB }
    may_choose: [off, careful]
  - name: careful
    match: [/nobody]
    mode: observe
";

/// So long the loop works by itself.
const WORK: Duration = Duration::from_mins(1);
/// An attribute is read again after so long at the latest, and the loop works after that.
const HEARD: Duration = Duration::from_secs(60 + 24);
/// Of a tenant's cold part, more than this leaves when it may.
const GOES: u64 = 20 * MIB;

/// One tenant after one phase.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    kind: String,
    phase: String,
    tenant: String,
    /// memory.swap.current.
    swap: u64,
    policy: String,
    reason: String,
    /// `chosen.outcome` in `lowtide status --json`; empty if nothing is chosen.
    outcome: String,
    /// How many choices could not be heard.
    left_out: u64,
    explained: String,
}

/// When the directory was changed last, seconds and nanoseconds: before an attribute is set, after that, and
/// after it is set again.
#[derive(Debug, Serialize, Deserialize)]
struct Ctime {
    kind: String,
    before: (i64, i64),
    first: (i64, i64),
    second: (i64, i64),
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(256 * MIB), 100)?;
    let mut tenants = Vec::new();
    for (name, written) in TENANTS {
        let cgroup = Cgroup::create(&format!("tenants/{name}"))?;
        written.map(|written| choose(&cgroup, written)).transpose()?;
        tenants.push((Tenant::start(name, &cgroup, &TENANT)?, cgroup));
    }
    sleep(Duration::from_secs(4));
    let daemon = Daemon::start("chosen", CONFIG)?;
    sleep(WORK);
    look("first", &daemon)?;
    let of = |name: &str| {
        let found = tenants.iter().find(|(_, cgroup)| cgroup.name().ends_with(name));
        found.map(|(_, cgroup)| cgroup).context("no such tenant")
    };
    removexattr(of("left")?.path(), ATTRIBUTE).context("cannot remove an attribute")?;
    report::emit(&ctime(of("taken")?)?)?;
    sleep(HEARD);
    look("changed", &daemon)?;
    println!("{}", daemon.log()?);
    daemon.stop()?;
    tenants.into_iter().try_for_each(|(tenant, _)| tenant.stop().map(drop))
}

fn choose(cgroup: &Cgroup, written: &[u8]) -> Result<()> {
    setxattr(cgroup.path(), ATTRIBUTE, written, XattrFlags::empty())
        .with_context(|| format!("cannot set {ATTRIBUTE} of {}", cgroup.name()))
}

/// Has it choose `careful`, twice.
fn ctime(cgroup: &Cgroup) -> Result<Ctime> {
    let changed = || fs::metadata(cgroup.path()).map(|found| (found.ctime(), found.ctime_nsec()));
    let before = changed()?;
    sleep(Duration::from_millis(100));
    choose(cgroup, b"off")?;
    let first = changed()?;
    sleep(Duration::from_millis(100));
    choose(cgroup, b"careful")?;
    Ok(Ctime { kind: "ctime".into(), before, first, second: changed()? })
}

fn look(phase: &str, daemon: &Daemon) -> Result<()> {
    let status = daemon.status()?;
    for (tenant, _) in TENANTS {
        let path = format!("/tenants/{tenant}");
        let target = daemon.target(&path)?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        report::emit(&Seen {
            kind: "seen".into(),
            phase: phase.into(),
            tenant: tenant.into(),
            swap: Cgroup::create(&format!("tenants/{tenant}"))?.read_number("memory.swap.current")?,
            policy: text(&target["decision"]["policy"]),
            reason: text(&target["decision"]["reason"]),
            outcome: text(&target["chosen"]["outcome"]),
            left_out: status["left_out"]["counts"]["choice"].as_u64().unwrap_or_default(),
            explained: daemon.explain(&path)?.lines().take(4).collect::<Vec<_>>().join("\n"),
        })?;
    }
    Ok(())
}

fn judge(outcome: &Outcome) -> Result<()> {
    let seen: Vec<Seen> = outcome.all("seen")?;
    for Seen { phase, tenant, swap, policy, reason, outcome, explained, .. } in &seen {
        println!(
            "{phase:<8} {tenant:<6} {:>6.1} MiB in swap  {policy:<8} {reason:<14} {outcome}",
            mib(*swap)
        );
        println!("{explained}");
    }
    let Ctime { before, first, second, .. } = outcome.result("ctime")?;
    println!(
        "ctime of the directory {before:?}, {first:?} after an attribute was set, {second:?} after the second time"
    );
    let of = |phase: &str, tenant: &str| {
        let found = seen.iter().find(|seen| seen.phase == phase && seen.tenant == tenant);
        found.with_context(|| format!("{tenant} was not seen: {phase}"))
    };
    let mut verdict = Verdict::default();
    let left = of("first", "left")?;
    verdict.expect(left.swap == 0 && left.reason == "opted_out", "who wants to be left alone is");
    verdict.expect(
        left.explained.contains("user.lowtide_policy of /tenants/left is `off`"),
        "and `explain` says why",
    );
    let taken = of("first", "taken")?;
    verdict.expect(
        taken.swap > GOES && taken.outcome.is_empty(),
        "who says nothing has the policy of the files",
    );
    let odd = of("first", "odd")?;
    verdict.expect(odd.swap > GOES && odd.outcome == "ignored", "so has who writes nonsense");
    verdict.expect(
        odd.explained.contains(r"`\u{1b}[2J\xff`") && odd.left_out == 1,
        "which is counted, and shown escaped",
    );
    let left = of("changed", "left")?;
    verdict.expect(left.swap > GOES && left.outcome.is_empty(), "who does not want it any more is offloaded");
    let taken = of("changed", "taken")?;
    verdict.expect(
        taken.policy == "careful" && taken.outcome == "policy" && taken.reason != "opted_out",
        "another policy is heard within a minute, and the loop's work after it",
    );
    verdict.expect(first == second, "kernfs does not set the ctime when an attribute changes");
    println!("kernel {}, {:.0} s on the wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict.finish()
}
