//! The package on a host with systemd: installed, it observes; configured, it offloads; upgraded, tenants notice nothing; removed and
//! purged, the host is as before.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::systemd::{self, says, wait_for};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Snapshot, Zram, knobs, report};
use crate::machine::{Machine, Root};
use crate::outcome::Outcome;
use crate::process::output;
use crate::size::{MIB, mib};
use crate::spec::STAGE;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "install",
    about: "the .deb is installed, observes, is configured, upgraded, removed and purged; tenants stay, the host is as before",
    machine: || {
        let machine = Machine { root: Root::HostWithSystemd, ..Machine::default() };
        machine.with_memory(2048 * MIB).with_limit(Duration::from_mins(20))
    },
    programs: &[OLDER, NEWER],
    guest,
    judge,
};

const OLDER: &str = "lowtide_0.0.9-1_amd64.deb";
pub(super) const NEWER: &str = concat!("lowtide_", env!("CARGO_PKG_VERSION"), "-1_amd64.deb");

const UNIT: &str = "lowtide.service";
const TENANT: &str = "web.service";
const CGROUP: &str = "/sys/fs/cgroup/system.slice/web.service";
/// What lowtide holds there: the policy allows zram and not zswap.
const KNOB: &str = "memory.zswap.max";

const POLICY: &str = "
policies:
  - name: web
    match: [/system.slice/web.service]
    mode: full
    cold_after: 2s
    slo: { memory_pressure: 50%, io_pressure: 50% }
    limits: { floor: 4MiB, per_minute: 100% }
    tiers: [{ use: zram }]
";

/// The root may be a container's, in which packages start no service.
const POLICY_OF_CONTAINERS: &str = "/usr/sbin/policy-rc.d";
/// While it is there each package has all manual pages indexed anew: five minutes here.
const MANUAL_INDEX: &str = "/var/lib/man-db/auto-update";

/// What the host is like after a step.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    kind: String,
    name: String,
    /// Of dpkg; 0 where nothing was asked of it.
    status: i32,
    /// What it printed.
    said: String,
    /// `systemctl is-active` and `is-enabled` of the daemon, `is-enabled` of the tiers' unit.
    active: String,
    enabled: String,
    tiers_enabled: String,
    /// What the daemon answers: the modes of its policies' cgroups, by `lowtide status`; none where it does not answer.
    targets: Option<usize>,
    /// Of the daemon.
    process: Option<u32>,
    /// The tenant: its process, what it has in swap, and the limit that lowtide holds.
    tenant: u32,
    swapped: u64,
    knob: String,
    /// Of /etc/lowtide/lowtide.yaml, /etc/lowtide/policies.d/web.yaml, /var/lib/lowtide, /usr/bin/lowtide, what is there.
    files: Vec<String>,
    /// What is not as it was before the package came.
    differences: Vec<String>,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let record = Path::new(STAGE).join("tenant.jsonl");
    let record = record.to_str().context("a path that is no text")?;
    let program = format!("{STAGE}/lowtide-tenant");
    let tenant = [&program, "--name", "web", "--cgroup", CGROUP, "--report", record];
    let work = ["--hot", "4M", "--warm", "4M", "--cold", "60M", "--pause", "20ms"];
    systemd::start_service(TENANT, &[&tenant[..], &work].concat())?;
    let_packages_start_services()?;
    sleep(Duration::from_secs(10));
    let host = Host { before: Snapshot::take()? };
    host.dpkg("installed", &["--install", &package(OLDER)], |_| {
        wait_for("the daemon answers", Duration::from_mins(2), || Ok(targets().is_some()))?;
        sleep(Duration::from_secs(20));
        Ok(())
    })?;
    fs::write("/etc/lowtide/policies.d/web.yaml", POLICY).context("cannot write a policy")?;
    let text = output("systemctl", &["reload", UNIT])?;
    host.report("configured", 0, text, || {
        wait_for("the tenant is offloaded", Duration::from_mins(3), || Ok(swapped()? > 30 * MIB))
    })?;
    host.dpkg("upgraded", &["--install", &package(NEWER)], |_| {
        wait_for("the new daemon holds the limit", Duration::from_mins(2), || {
            Ok(targets().is_some() && Cgroup::at(Path::new(CGROUP)).read(KNOB)? == "0")
        })
    })?;
    host.dpkg("removed", &["--remove", "lowtide"], |_| Ok(()))?;
    host.dpkg("purged", &["--purge", "lowtide"], |_| Ok(()))
}

/// What else would keep a package from doing all that it does on a host of its own, or would take minutes to do it.
pub(super) fn let_packages_start_services() -> Result<()> {
    remove_if_there(POLICY_OF_CONTAINERS)?;
    remove_if_there(MANUAL_INDEX)
}

fn remove_if_there(file: &str) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {file}"))
        }
        _ => Ok(()),
    }
}

fn package(name: &str) -> String {
    format!("{STAGE}/{name}")
}

/// The host as it was.
struct Host {
    before: Snapshot,
}

impl Host {
    /// Runs dpkg, lets `then` wait for what comes of it, and reports.
    fn dpkg(&self, name: &str, arguments: &[&str], then: impl FnOnce(&str) -> Result<()>) -> Result<()> {
        let mut command = Command::new("dpkg");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        let done = command.output().context("cannot start dpkg")?;
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        println!("{name}: {said}");
        let status = done.status.code().unwrap_or(-1);
        self.report(name, status, said.clone(), || then(&said))
    }

    fn report(&self, name: &str, status: i32, said: String, then: impl FnOnce() -> Result<()>) -> Result<()> {
        then().with_context(|| format!("{name}; {}", journal()))?;
        report::emit(&Step {
            kind: "step".into(),
            name: name.into(),
            status,
            said,
            active: says("is-active", UNIT)?,
            enabled: says("is-enabled", UNIT)?,
            tiers_enabled: says("is-enabled", "lowtide-tiers.service")?,
            targets: targets(),
            process: systemd::main_process(UNIT).ok(),
            tenant: systemd::main_process(TENANT)?,
            swapped: swapped()?,
            knob: Cgroup::at(Path::new(CGROUP)).read(KNOB)?,
            files: FILES.iter().filter(|file| Path::new(file).exists()).map(|file| (*file).into()).collect(),
            differences: Snapshot::take()?.differences(&self.before),
        })
    }
}

const FILES: [&str; 4] =
    ["/etc/lowtide/lowtide.yaml", "/etc/lowtide/policies.d/web.yaml", "/var/lib/lowtide", "/usr/bin/lowtide"];

fn journal() -> String {
    output("journalctl", &["--unit", UNIT, "--no-pager", "--lines", "40"]).unwrap_or_default()
}

/// How many cgroups `lowtide status` has.
fn targets() -> Option<usize> {
    let text = output("lowtide", &["status", "--json"]).ok()?;
    let status: Value = serde_json::from_str(&text).ok()?;
    status["cgroups"].as_array().map(Vec::len)
}

fn swapped() -> Result<u64> {
    Cgroup::at(Path::new(CGROUP)).read_number("memory.swap.current")
}

fn judge(outcome: &Outcome) -> Result<()> {
    let steps: Vec<Step> = outcome.all("step")?;
    for step in &steps {
        println!(
            "{:<11} dpkg {}, {} and {}, {:?} targets, {:.1} MiB of the tenant in swap, {KNOB} {}, {} differences",
            step.name,
            step.status,
            step.active,
            step.enabled,
            step.targets,
            mib(step.swapped),
            step.knob,
            step.differences.len()
        );
        step.differences.iter().for_each(|difference| println!("            {difference}"));
    }
    println!("kernel {}, {:.0} s wall", outcome.kernel, outcome.wall.as_secs_f64());
    let [installed, configured, upgraded, removed, purged] = &steps[..] else {
        anyhow::bail!("{} steps of 5", steps.len());
    };
    verdict(installed, configured, upgraded, [removed, purged], &steps)
}

fn verdict(
    installed: &Step,
    configured: &Step,
    upgraded: &Step,
    [removed, purged]: [&Step; 2],
    steps: &[Step],
) -> Result<()> {
    let mut verdict = Verdict::default();
    verdict.expect(steps.iter().all(|step| step.status == 0), "dpkg ends well each time");
    verdict
        .expect(steps.iter().all(|step| step.tenant == installed.tenant), "the tenant is the same process");
    verdict.expect(installed.active == "active" && installed.enabled == "enabled", "installed, it runs");
    verdict.expect(installed.tiers_enabled == "disabled", "and sets up no swap");
    verdict.expect(installed.targets.is_some_and(|targets| targets > 0), "it looks at services");
    verdict.expect(installed.swapped == 0 && installed.knob == "max", "and moves nothing, and holds nothing");
    verdict.expect(configured.swapped > 30 * MIB && configured.knob == "0", "configured, it offloads");
    verdict.expect(
        upgraded.active == "active" && upgraded.process != configured.process,
        "the upgrade starts it anew",
    );
    verdict.expect(upgraded.knob == "0", "it holds its limit again");
    verdict.expect(upgraded.swapped * 10 >= configured.swapped * 9, "nothing came back for the upgrade");
    verdict.expect(upgraded.files.len() == FILES.len(), "configuration and state are kept");
    verdict.expect(removed.active != "active" && removed.process.is_none(), "removed, it is gone");
    verdict.expect(removed.knob == "max", "and has put its limit back");
    verdict.expect(removed.differences.is_empty(), "the host is as before");
    verdict.expect(removed.files == FILES[..3], "configuration and state are kept until the purge");
    verdict.expect(purged.files.is_empty() && purged.differences.is_empty(), "purged, nothing is left");
    verdict.finish()
}
