//! One row: the same load under one keeper of the watermarks.

use super::meter::{Meter, kswapd, meminfo};
use super::{BURST, BURST_EVERY, CONFIG, COUNTED, DIRTY_EVERY, FILE, LEAD_IN, PATIENCE, READERS};
use crate::guest::look::{now, sleep_until};
use crate::guest::{Cgroup, Daemon, Peer, knobs};
use crate::spec::STAGE;
use crate::work::bursts::Report;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::{Child, Stdio};

pub(super) const FACTOR: &str = "/proc/sys/vm/watermark_scale_factor";
/// What kernels begin with.
pub(super) const ORIGINAL: u16 = 10;

/// Between two looks at MemAvailable, in seconds.
const LOOK: f64 = 0.1;

/// Who sets the watermarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    /// The kernel's own factor stays.
    Nobody,
    /// Another one stays.
    Static(u16),
    /// The law of Oracle's adaptivemm, with two looks a second instead of one in 30 s: else it would not have
    /// begun when the row ends.
    Adaptivemm,
    /// lowtide.
    Lowtide,
}

impl Keeper {
    pub(super) fn name(self) -> String {
        match self {
            Self::Nobody => "default".to_owned(),
            Self::Static(factor) => format!("static {factor}"),
            Self::Adaptivemm => "adaptivemm's law".to_owned(),
            Self::Lowtide => "lowtide".to_owned(),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) name: String,
    /// Times that a task had to reclaim for itself, in all of the load.
    pub(super) stalls_in_all: u64,
    /// The same, of the part that counts, as all that follows.
    pub(super) stalls: u64,
    /// Bytes that tasks reclaimed for themselves.
    pub(super) direct: u64,
    /// Bytes that kswapd reclaimed.
    pub(super) kswapd: u64,
    /// Share of a core that it took.
    pub(super) kswapd_cpu: f64,
    /// Bytes read from the disks.
    pub(super) read: u64,
    /// Bytes of MemAvailable: the mean, and the least.
    pub(super) available: u64,
    pub(super) available_least: u64,
    /// MemTotal.
    pub(super) total: u64,
    /// When the load ends.
    pub(super) factor: u16,
    pub(super) touch: Report,
    /// Of lowtide.
    pub(super) kept: Option<Kept>,
}

/// What lowtide says and does beyond that.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The most that MemAvailable loses by the factor at the end of the load, as it says.
    pub(super) loss: u64,
    /// The factor when it was last waited for.
    pub(super) factor: u16,
    /// Seconds from the end of the load until then.
    pub(super) after: f64,
}

/// Who is at work.
enum Running {
    Nobody,
    Peer(Peer),
    Lowtide(Box<Daemon>),
}

pub(super) fn run(keeper: Keeper) -> Result<Row> {
    knobs::write("/proc/sys/vm/drop_caches", "3")?;
    let factor = if let Keeper::Static(factor) = keeper { factor } else { ORIGINAL };
    knobs::write(FACTOR, &factor.to_string())?;
    let running = match keeper {
        Keeper::Nobody | Keeper::Static(_) => Running::Nobody,
        Keeper::Adaptivemm => Running::Peer(Peer::start_for_host("adaptivemm", &["--tick", "500ms"])?),
        Keeper::Lowtide => Running::Lowtide(Box::new(Daemon::start("watermarks", CONFIG)?)),
    };
    let mut row = load(keeper)?;
    match running {
        Running::Nobody => {}
        Running::Peer(peer) => peer.stop()?,
        Running::Lowtide(daemon) => {
            row.kept = Some(kept(&daemon)?);
            println!("{}", daemon.log()?);
            daemon.stop()?;
        }
    }
    knobs::write(FACTOR, &ORIGINAL.to_string())?;
    Ok(row)
}

/// The load, from its beginning to its end.
fn load(keeper: Keeper) -> Result<Row> {
    let (kswapd, tenants) = (kswapd()?, Cgroup::create("tenants/load")?);
    let first = Meter::read(&kswapd)?;
    let mut readers = (0..READERS).map(|number| reader(&tenants, number)).collect::<Result<Vec<_>>>()?;
    let (mut service, report) = service(&tenants)?;
    let start = now()?;
    sleep_until(start + seconds(LEAD_IN))?;
    let before = Meter::read(&kswapd)?;
    let available = watch(start + seconds(LEAD_IN + COUNTED))?;
    let after = Meter::read(&kswapd)?;
    let factor = current()?;
    ensure!(service.wait()?.success(), "the service has failed");
    tenants.remove()?;
    // They were killed.
    readers.iter_mut().try_for_each(|reader| reader.wait().map(drop))?;
    let text = knobs::read(&report)?;
    let counted = after.since(before);
    Ok(Row {
        kind: "row".into(),
        name: keeper.name(),
        stalls_in_all: after.since(first).stalls,
        stalls: counted.stalls,
        direct: counted.direct * 4096,
        kswapd: counted.kswapd * 4096,
        kswapd_cpu: counted.kswapd_cpu.as_secs_f64() / seconds(COUNTED),
        read: counted.read * 1024,
        available: available.iter().sum::<u64>() / available.len().max(1) as u64,
        available_least: available.iter().copied().min().context("MemAvailable was not looked at")?,
        total: meminfo("MemTotal")?,
        factor,
        touch: serde_json::from_str(&text).with_context(|| format!("the service's report {text:?}"))?,
        kept: None,
    })
}

fn reader(cgroup: &Cgroup, number: u32) -> Result<Child> {
    let mut command = cgroup.helper();
    command.arg("reader").arg(format!("/dev/nullb{number}"));
    command.args(["--size", &FILE.to_string(), "--dirty-every", &DIRTY_EVERY.to_string()]);
    command.stdin(Stdio::null()).spawn().context("cannot start a reader")
}

fn service(cgroup: &Cgroup) -> Result<(Child, PathBuf)> {
    let report = PathBuf::from(STAGE).join("bursts.json");
    let mut command = cgroup.helper();
    let every = humantime::format_duration(BURST_EVERY).to_string();
    let (skip, end) = (format!("{LEAD_IN}s"), format!("{}s", LEAD_IN + COUNTED));
    command.args(["bursts", "--size", &BURST.to_string(), "--every", &every, "--skip", &skip, "--end", &end]);
    command.arg("--report").arg(&report).stdin(Stdio::null());
    Ok((command.spawn().context("cannot start the service")?, report))
}

/// MemAvailable at every look until then.
fn watch(until: f64) -> Result<Vec<u64>> {
    let mut looks = Vec::new();
    while now()? < until {
        looks.push(meminfo("MemAvailable")?);
        sleep_until((now()? + LOOK).min(until))?;
    }
    Ok(looks)
}

/// What lowtide says at the end of the load, and how long it takes until the factor is what it was found
/// with.
fn kept(daemon: &Daemon) -> Result<Kept> {
    let ended = now()?;
    let status = daemon.status()?;
    let loss = status["watermarks"]["decision"]["figures"]["loss"].as_u64();
    let loss = loss.with_context(|| format!("the status has no such figure: {}", status["watermarks"]))?;
    while current()? != ORIGINAL && now()? < ended + seconds(PATIENCE) {
        sleep_until(now()? + 1.0)?;
    }
    Ok(Kept { loss, factor: current()?, after: now()? - ended })
}

fn current() -> Result<u16> {
    knobs::read(FACTOR)?.parse().context("the factor is no number")
}

fn seconds(count: u64) -> f64 {
    std::time::Duration::from_secs(count).as_secs_f64()
}
