//! docs/quick-start.md on a host with systemd: every block up to the removal is run as it stands, one after
//! the other, and in the end memory is saved. Then the package goes, once while the service has pages in the
//! device that lowtide made, and once when nobody has.

use super::Scenario;
use super::install::{NEWER, let_packages_start_services};
use super::verdict::Verdict;
use crate::guest::systemd::{self, wait_for};
use crate::guest::{Cgroup, Snapshot, knobs, report};
use crate::machine::{Machine, Root};
use crate::outcome::Outcome;
use crate::process::output;
use crate::size::{MIB, mib};
use crate::spec::STAGE;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "quick_start",
    about: "docs/quick-start.md, pasted block by block on a Debian with systemd: it ends with savings in `status`; removed, no page is lost; purged, the host is as before",
    machine: || {
        let machine = Machine::default().with_root(Root::HostWithSystemd);
        machine.with_memory(2048 * MIB).with_limit(Duration::from_mins(45))
    },
    programs: &[NEWER],
    guest,
    judge,
};

const PAGE: &str = include_str!("../../../../docs/quick-start.md");
/// What comes after it takes away what was set up, or is about sources.
const END: &str = "\n## Remove it\n";

/// The service that the page takes for an example, and its cgroup.
const SERVICE: &str = "nginx.service";
const CGROUP: &str = "/sys/fs/cgroup/system.slice/nginx.service";
const WORK: [&str; 8] = ["--hot", "8M", "--warm", "8M", "--cold", "420M", "--pause", "20ms"];

/// What is lowtide's on the disk.
const FILES: [&str; 3] = ["/etc/lowtide", "/var/lib/lowtide", "/usr/bin/lowtide"];

/// The machine's root may have no sudo, and the job is root's.
const SUDO: &str = "sudo() { \"$@\"; }\n";
/// `cold_after` on the page is 5 min; lowtide's own memory has to be earned before the host has saved
/// anything.
const PATIENCE: Duration = Duration::from_mins(25);

/// A block of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    section: &'static str,
    text: &'static str,
}

/// What came of a block.
#[derive(Debug, Serialize, Deserialize)]
struct Pasted {
    kind: String,
    section: String,
    text: String,
    status: i32,
    said: String,
}

/// What `lowtide status --json` says in the end.
#[derive(Debug, Serialize, Deserialize)]
struct Ended {
    kind: String,
    /// Seconds after the last block.
    after: f64,
    net_saved: i64,
    /// Of the service.
    of_service: u64,
    problems: Vec<String>,
}

/// The last hour, as data and as a page.
#[derive(Debug, Serialize, Deserialize)]
struct Reported {
    kind: String,
    /// Offloaded, taken for it, lowtide itself, net, by others; in GiB x h.
    data: Vec<f64>,
    /// In the rows of the page that say the same.
    page: Vec<String>,
    plots: usize,
}

/// Swap before and after the unit for tiers was started.
#[derive(Debug, Serialize, Deserialize)]
struct Tiers {
    kind: String,
    before: String,
    after: String,
    state: String,
}

/// What is there after the package was removed.
#[derive(Debug, Serialize, Deserialize)]
struct Removed {
    kind: String,
    status: i32,
    said: String,
    /// /proc/swaps, without its heading.
    swaps: String,
    /// Of the service, which is gone the second time.
    process: Option<u32>,
    swapped: Option<u64>,
    /// What is not as it was before the first block.
    differences: Vec<String>,
    files: Vec<String>,
}

fn blocks() -> Vec<Block> {
    let page = PAGE.split_once(END).map_or(PAGE, |(page, _)| page);
    let sections = page.split("\n## ").skip(1);
    let of_section = |section: &'static str| {
        let title = section.lines().next().unwrap_or_default();
        let fenced = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        fenced.map(move |text| Block { section: title, text })
    };
    sections.flat_map(of_section).collect()
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    let record = Path::new(STAGE).join("tenant.jsonl");
    let record = record.to_str().context("a path that is no text")?;
    let program = format!("{STAGE}/lowtide-tenant");
    let tenant = [&program, "--name", "nginx", "--cgroup", CGROUP, "--report", record];
    systemd::start_service(SERVICE, &[&tenant[..], &WORK].concat())?;
    let_packages_start_services()?;
    let before = Snapshot::take()?;
    for block in blocks() {
        report::emit(&paste(&block)?)?;
    }
    let started = Instant::now();
    let waited = wait_for("`lowtide status` says what is saved", PATIENCE, || {
        std::thread::sleep(Duration::from_secs(10));
        Ok(status()?["net_saved"].as_i64().is_some_and(|bytes| bytes > 0))
    });
    for command in [&["status"][..], &["explain", "/system.slice/nginx.service"]] {
        println!("{}", output("lowtide", command)?);
    }
    waited.with_context(journal)?;
    report::emit(&end(started.elapsed())?)?;
    report::emit(&reported()?)?;
    report::emit(&remove("with pages", &["dpkg", "--remove", "lowtide"], &before)?)?;
    println!("{}", output("dpkg", &["--install", &format!("{STAGE}/{NEWER}")])?);
    wait_for("the daemon answers again", Duration::from_mins(2), || Ok(status().is_ok()))?;
    output("systemctl", &["stop", SERVICE])?;
    report::emit(&tiers_by_unit()?)?;
    report::emit(&remove("without", &["apt-get", "purge", "--yes", "lowtide"], &before)?)
}

/// The unit for tiers, in its sandbox, makes what `lowtide tiers apply` made before.
fn tiers_by_unit() -> Result<Tiers> {
    output("systemctl", &["stop", "lowtide.service"])?;
    output("lowtide", &["restore"])?;
    let before = swaps()?;
    output("systemctl", &["enable", "--now", "lowtide-tiers.service"])
        .with_context(|| output("journalctl", &["--unit", "lowtide-tiers.service"]).unwrap_or_default())?;
    let after = swaps()?;
    output("systemctl", &["start", "lowtide.service"])?;
    let state = systemd::says("is-active", "lowtide-tiers.service")?;
    Ok(Tiers { kind: "tiers".into(), before, after, state })
}

/// /proc/swaps, without its heading.
fn swaps() -> Result<String> {
    let swaps = knobs::read("/proc/swaps")?;
    Ok(swaps.split_once('\n').map_or("", |(_, rest)| rest).to_owned())
}

/// Key in JSON, and name on the page.
const SUMS: [(&str, &str); 5] = [
    ("offloaded", "offloaded"),
    ("resident", "- taken for it"),
    ("own", "- lowtide itself"),
    ("net", "net saved"),
    ("by_others", "not counted: in swap through others"),
];

/// Both of the same minutes: one may end between the two commands.
fn reported() -> Result<Reported> {
    let file = format!("{STAGE}/report.html");
    for _ in 0..3 {
        let data = sums()?;
        output("lowtide", &["report", "--since", "1h ago", "--html", &file])?;
        if data != sums()? {
            continue;
        }
        let text = fs::read_to_string(&file).context("cannot read the page")?;
        let cell = |name: &str| {
            let row = text.lines().find_map(|line| line.strip_prefix(&format!("<tr><td>{name}</td><td>")));
            row.and_then(|row| row.split('<').next()).map(str::to_owned)
        };
        let page = SUMS.iter().map(|(_, name)| cell(name).with_context(|| format!("no {name} on the page")));
        let plots = text.matches("<svg").count();
        return Ok(Reported { kind: "reported".into(), data, page: page.collect::<Result<_>>()?, plots });
    }
    bail!("three times a minute ended between two commands")
}

fn sums() -> Result<Vec<f64>> {
    let text = output("lowtide", &["report", "--since", "1h ago", "--json"])?;
    let data: Value = serde_json::from_str(&text).context("`lowtide report --json` printed no JSON")?;
    let sum = |key: &str| data["gib_hours"][key].as_f64().with_context(|| format!("no {key} in {text}"));
    SUMS.iter().map(|(key, _)| sum(key)).collect()
}

/// By the package manager, without the daemon's being asked for anything before.
fn remove(kind: &str, command: &[&str], before: &Snapshot) -> Result<Removed> {
    let (program, arguments) = command.split_first().context("no package manager")?;
    let mut command = Command::new(program);
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let done = command.output().with_context(|| format!("cannot start {program}"))?;
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    println!("--- {program} {}\n{said}", arguments.join(" "));
    let files = FILES.iter().filter(|file| Path::new(file).exists());
    Ok(Removed {
        kind: kind.into(),
        status: done.status.code().unwrap_or(-1),
        said,
        swaps: swaps()?,
        process: systemd::main_process(SERVICE).ok(),
        swapped: Cgroup::at(Path::new(CGROUP)).read_number("memory.swap.current").ok(),
        differences: Snapshot::take()?.differences(before),
        files: files.map(|file| (*file).into()).collect(),
    })
}

/// As whoever pastes it into a shell, in the directory that the package was downloaded to. The first command
/// that fails ends it.
fn paste(Block { section, text }: &Block) -> Result<Pasted> {
    println!("--- {section}\n{text}");
    let mut command = Command::new("bash");
    command.args(["-e", "-c", &format!("{SUDO}{text}")]).current_dir(STAGE).stdin(Stdio::null());
    let done = command.env("DEBIAN_FRONTEND", "noninteractive").output().context("cannot start bash")?;
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    println!("{said}");
    Ok(Pasted {
        kind: "pasted".into(),
        section: (*section).into(),
        text: (*text).into(),
        status: done.status.code().unwrap_or(-1),
        said,
    })
}

fn status() -> Result<Value> {
    let text = output("lowtide", &["status", "--json"])?;
    serde_json::from_str(&text).with_context(|| format!("`lowtide status --json` printed {text}"))
}

fn end(after: Duration) -> Result<Ended> {
    let status = status()?;
    let targets = status["cgroups"].as_array().context("status has no cgroups")?;
    let service = targets.iter().find(|target| target["path"] == "/system.slice/nginx.service");
    let texts = |value: &Value| value.as_str().map(str::to_owned);
    Ok(Ended {
        kind: "end".into(),
        after: after.as_secs_f64(),
        net_saved: status["net_saved"].as_i64().context("status has no net_saved")?,
        of_service: service.and_then(|target| target["net_saved"].as_u64()).unwrap_or_default(),
        problems: status["problems"].as_array().into_iter().flatten().filter_map(texts).collect(),
    })
}

fn journal() -> String {
    output("journalctl", &["--unit", "lowtide.service", "--no-pager", "--lines", "60"]).unwrap_or_default()
}

fn judge(outcome: &Outcome) -> Result<()> {
    let pasted: Vec<Pasted> = outcome.all("pasted")?;
    for Pasted { section, text, status, .. } in &pasted {
        let first = text.lines().next().unwrap_or_default();
        println!("{status:>4}  {section:<28}  {first}");
    }
    let saved: Ended = outcome.result("end")?;
    println!(
        "{:.0} s after the last block: {:.1} MiB saved, {:.1} MiB of the service",
        saved.after,
        mib(saved.net_saved.unsigned_abs()),
        mib(saved.of_service)
    );
    saved.problems.iter().for_each(|problem| println!("problem: {problem}"));
    println!("kernel {}, {:.0} s wall", outcome.kernel, outcome.wall.as_secs_f64());
    let mut verdict = Verdict::default();
    verdict.expect(pasted.len() == blocks().len(), format!("{} blocks were pasted", pasted.len()));
    for Pasted { section, said, .. } in pasted.iter().filter(|pasted| pasted.status != 0) {
        verdict.expect(false, format!("a block of `{section}` ends well: {said}"));
    }
    verdict.expect(saved.net_saved > 0, "`lowtide status` shows that memory is saved");
    verdict.expect(saved.of_service > 0, "of the service that the policy is for");
    let Reported { data, page, plots, .. } = outcome.result("reported")?;
    println!("of the last hour, GiB x h: {data:?} in JSON, {page:?} on the page, {plots} plots");
    let told: Vec<_> = data.iter().map(|sum| format!("{sum:.3}")).collect();
    let is_something = data.first().is_some_and(|offloaded| *offloaded > 0.0005);
    verdict.expect(
        page == told && is_something && plots > 0,
        "the page and the data of the report agree, and are of something",
    );
    let (full, empty): (Removed, Removed) = (outcome.result("with pages")?, outcome.result("without")?);
    full.judge_with_pages(&mut verdict);
    let Tiers { before, after, state, .. } = outcome.result("tiers")?;
    verdict.expect(
        before.is_empty() && after.contains("zram") && state == "active",
        format!("lowtide-tiers.service sets zram up in its sandbox: {after}"),
    );
    empty.judge_without(&mut verdict);
    verdict.finish()
}

impl Removed {
    fn judge_with_pages(&self, verdict: &mut Verdict) {
        let Self { status, said, swaps, process, swapped, files, .. } = self;
        println!("removed with pages: {swapped:?} bytes of the service in swap; {swaps}");
        verdict.expect(*status == 0, "the package goes while a tenant has pages in lowtide's device");
        verdict.expect(process.is_some() && swapped.is_some_and(|bytes| bytes > 0), "the tenant keeps them");
        verdict.expect(swaps.contains("zram"), "the device stays in use");
        verdict.expect(
            said.contains("/dev/zram") && said.contains("swapoff"),
            format!("and is named, with what to do: {said}"),
        );
        verdict.expect(files == &FILES[..2], format!("configuration and state are kept: {files:?}"));
    }

    fn judge_without(&self, verdict: &mut Verdict) {
        let Self { status, swaps, differences, files, .. } = self;
        verdict.expect(*status == 0 && swaps.trim().is_empty(), format!("purged, no swap is left: {swaps}"));
        // The service that was there before has ended, its cgroup is gone with it; and a module stays.
        let is_other = |line: &&String| !line.starts_with(CGROUP) && !line.starts_with("/sys/module/zram/");
        let others: Vec<_> = differences.iter().filter(is_other).collect();
        verdict.expect(others.is_empty(), format!("and the host is as before: {others:?}"));
        verdict.expect(files.is_empty(), format!("nothing of it is on the disk: {files:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_installs_the_package_that_is_made() {
        let blocks = blocks();
        assert_eq!(blocks[0].text, format!("sudo dpkg --install {NEWER}\n"));
        assert!(blocks.len() >= 8, "{blocks:?}");
        let has = |text: &str| blocks.iter().any(|block| block.text.contains(text));
        assert!(has("lowtide tiers apply") && has("mode: full") && has(SERVICE), "{blocks:?}");
        assert!(!has("cargo build") && !has("restore"), "neither sources nor the removal: {blocks:?}");
    }
}
