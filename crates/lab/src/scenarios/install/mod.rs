//! The packages on a host with systemd: installed, lowtide observes; configured, it offloads; upgraded,
//! tenants notice nothing; removed and purged, the host is as before.

mod judge;
mod owner;
mod packaging;
mod sandbox;

use super::Scenario;
use crate::guest::systemd::{self, says, wait_for};
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Snapshot, Zram, knobs, report};
use crate::machine::{Machine, Root};
use crate::process::output;
use crate::size::MIB;
use crate::spec::STAGE;
use anyhow::{Context, Result};
use packaging::Packaging;
pub(super) use packaging::let_packages_start_services;
use sandbox::Sandbox;
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
    machine,
    programs: &[packaging::DEB.older, packaging::DEB.newer],
    guest: || guest(&packaging::DEB),
    judge: judge::deb,
};

/// On Debian, with Debian's rpm, which knows nothing of what dpkg installed: no registry has an RPM-based
/// root.
pub(super) const RPM: Scenario = Scenario {
    name: "install_rpm",
    about: "the .rpm is installed, enabled, observes, is configured, upgraded and removed; tenants stay, the host is as before",
    machine,
    programs: &[packaging::RPM.older, packaging::RPM.newer],
    guest: || guest(&packaging::RPM),
    judge: judge::rpm,
};

pub(super) const NEWER: &str = packaging::DEB.newer;

fn machine() -> Machine {
    let machine = Machine::default().with_root(Root::HostWithSystemd);
    machine.with_memory(2048 * MIB).with_limit(Duration::from_mins(25))
}

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

/// Behind the configuration that the package has.
const TREATMENTS: &str = "
treatments: { ksm: advisor, page_cluster: true }
";
/// What they come to on this host, where zram is the only swap.
const SET: [(&str, &str); 2] = [("/proc/sys/vm/page-cluster", "0"), ("/sys/kernel/mm/ksm/run", "1")];

/// For a service that chooses by the drop-in of docs/systemd.md.
const OWNER: &str = "
policies:
  - name: owner
    match: [/system.slice/owner.service]
    mode: full
    may_choose: [off]
";

/// What the host is like after a step.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    kind: String,
    name: String,
    /// Of dpkg or rpm; 0 where nothing was asked of it.
    status: i32,
    /// What it printed.
    said: String,
    /// `systemctl is-active` and `is-enabled` of the daemon, `is-enabled` of the tiers' unit.
    active: String,
    enabled: String,
    tiers_enabled: String,
    /// What the daemon answers: the modes of its policies' cgroups, by `lowtide status`; none where it does
    /// not answer.
    targets: Option<usize>,
    /// Of the daemon.
    process: Option<u32>,
    /// What `sha256sum` says of the program, as far as one reads it; none where it is not there.
    program: Option<String>,
    /// The tenant: its process, what it has in swap, and the limit that lowtide holds.
    tenant: u32,
    swapped: u64,
    knob: String,
    /// Of /etc/lowtide/lowtide.yaml, /etc/lowtide/policies.d/web.yaml, /var/lib/lowtide, /usr/bin/lowtide,
    /// what is there.
    files: Vec<String>,
    /// What `lowtide report --json` has added up: from when on, and the GiB x h that lay outside of DRAM.
    report: Option<(u64, f64)>,
    /// What is not as it was before the package came.
    differences: Vec<String>,
    /// Files that are called lowtide; looked for at the end alone, since that takes a minute here.
    left: Vec<String>,
}

/// What the commands answer while a file on the disk is wrong, without being told where the socket is.
#[derive(Debug, Serialize, Deserialize)]
struct Broken {
    kind: String,
    /// Exit statuses of `status`, `explain` and `report`.
    statuses: Vec<i32>,
    /// Of `check`, which says what is wrong.
    check: i32,
    said: String,
}

fn guest(packages: &Packaging) -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let record = Path::new(STAGE).join("tenant.jsonl");
    let record = record.to_str().context("a path that is no text")?;
    let program = format!("{STAGE}/lowtide-tenant");
    let tenant = [&program, "--name", "web", "--cgroup", CGROUP, "--report", record];
    let work = ["--hot", "4M", "--warm", "4M", "--cold", "60M", "--pause", "20ms"];
    systemd::start_service(TENANT, &[&tenant[..], &work].concat())?;
    packages.prepare()?;
    sleep(Duration::from_secs(10));
    let host = Host { packages, before: Snapshot::take()? };
    host.package("installed", packages.install, Some(packages.older), || Ok(()))?;
    if !packages.starts {
        let text = output("systemctl", &["enable", "--now", UNIT])?;
        host.report("enabled", 0, text, || Ok(()))?;
    }
    host.report("observes", 0, String::new(), || {
        wait_for("the daemon answers", Duration::from_mins(2), || Ok(targets().is_some()))?;
        sleep(Duration::from_secs(20));
        Ok(())
    })?;
    fs::write("/etc/lowtide/policies.d/web.yaml", POLICY).context("cannot write a policy")?;
    let text = output("systemctl", &["reload", UNIT])?;
    host.report("configured", 0, text, || {
        wait_for("the tenant is offloaded", Duration::from_mins(3), || Ok(swapped()? > 30 * MIB))?;
        // More adds up than the next daemon could add by itself before it is asked.
        sleep(Duration::from_mins(2));
        Ok(())
    })?;
    host.package("upgraded", packages.upgrade, Some(packages.newer), || {
        wait_for("the new daemon holds the limit", Duration::from_mins(2), || {
            Ok(targets().is_some() && Cgroup::at(Path::new(CGROUP)).read(KNOB)? == "0")
        })
    })?;
    host.treat()?;
    host.package("removed", packages.remove, None, || Ok(()))?;
    match packages.purge {
        Some(purge) => host.package("purged", purge, None, || Ok(())),
        None => Ok(()),
    }
}

/// The host as it was.
struct Host<'a> {
    packages: &'a Packaging,
    before: Snapshot,
}

impl Host<'_> {
    /// Settings of the host as a whole, through what the unit leaves writable; and a service's owner chooses.
    fn treat(&self) -> Result<()> {
        let mut text = fs::read_to_string(CONFIGURATION).context("cannot read the configuration")?;
        text.push_str(TREATMENTS);
        fs::write(CONFIGURATION, text).context("cannot write the configuration")?;
        fs::write("/etc/lowtide/policies.d/owner.yaml", OWNER).context("cannot write a policy")?;
        let text = output("systemctl", &["reload", UNIT])?;
        owner::start()?;
        self.report("treated", 0, text, || {
            wait_for("treatments are set", Duration::from_mins(2), || {
                Ok(SET.iter().all(|(file, value)| knobs::read(file).is_ok_and(|found| found == *value)))
            })?;
            wait_for("the owner is heard", Duration::from_mins(3), || Ok(owner::is_heard()))
        })?;
        report::emit(&Sandbox::look()?)?;
        report::emit(&broken()?)?;
        owner::stop()
    }

    /// Runs dpkg or rpm, lets `then` wait for what comes of it, and reports.
    fn package(
        &self,
        name: &str,
        arguments: &[&str],
        file: Option<&str>,
        then: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let (status, said) = self.packages.run(arguments, file)?;
        println!("{name}: {said}");
        self.report(name, status, said, then)
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
            report: added_up(),
            left: if is_last(name, self.packages) { called_lowtide()? } else { Vec::new() },
            process: systemd::main_process(UNIT).ok(),
            program: program(),
            tenant: systemd::main_process(TENANT)?,
            swapped: swapped()?,
            knob: Cgroup::at(Path::new(CGROUP)).read(KNOB)?,
            files: FILES.iter().filter(|file| Path::new(file).exists()).map(|file| (*file).into()).collect(),
            differences: Snapshot::take()?.differences(&self.before),
        })
    }
}

const CONFIGURATION: &str = "/etc/lowtide/lowtide.yaml";
const FILES: [&str; 4] =
    [CONFIGURATION, "/etc/lowtide/policies.d/web.yaml", "/var/lib/lowtide", "/usr/bin/lowtide"];

fn journal() -> String {
    output("journalctl", &["--unit", UNIT, "--no-pager", "--lines", "40"]).unwrap_or_default()
}

fn program() -> Option<String> {
    output("sha256sum", &["/usr/bin/lowtide"]).ok()?.get(..12).map(ToOwned::to_owned)
}

fn is_last(name: &str, packages: &Packaging) -> bool {
    name == if packages.purge.is_some() { "purged" } else { "removed" }
}

fn called_lowtide() -> Result<Vec<String>> {
    let places = ["/etc", "/usr", "/var/lib", "/run"];
    // The lab's own programs are no part of the package.
    let but = ["-path", STAGE, "-prune", "-o", "-iname", "*lowtide*", "-print"];
    let found = output("find", &[&places[..], &but].concat())?;
    Ok(found.lines().map(ToOwned::to_owned).collect())
}

fn added_up() -> Option<(u64, f64)> {
    let text = output("lowtide", &["report", "--json"]).ok()?;
    let report: Value = serde_json::from_str(&text).ok()?;
    Some((report["since"].as_u64()?, report["gib_hours"]["offloaded"].as_f64()?))
}

fn broken() -> Result<Broken> {
    const FILE: &str = "/etc/lowtide/policies.d/broken.yaml";
    fs::write(FILE, "policies: [{ name: broken, mode: ful }]\n").context("cannot write a wrong policy")?;
    let ask = |arguments: &[&str]| -> Result<(i32, String)> {
        let mut command = Command::new("lowtide");
        let done = command.args(arguments).stdin(Stdio::null()).output().context("cannot start lowtide")?;
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        Ok((done.status.code().unwrap_or(-1), said))
    };
    let questions = [&["status"][..], &["explain", "/system.slice/web.service"], &["report"]];
    let answers = questions.into_iter().map(ask).collect::<Result<Vec<_>>>()?;
    let (check, said) = ask(&["check"])?;
    fs::remove_file(FILE).context("cannot remove the wrong policy")?;
    let said = answers.iter().map(|(_, said)| said.as_str()).chain([said.as_str()]).collect::<String>();
    let statuses = answers.iter().map(|(status, _)| *status).collect();
    Ok(Broken { kind: "broken".into(), statuses, check, said })
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
