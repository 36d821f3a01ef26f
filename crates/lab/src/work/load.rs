//! The generator of requests: one process, a kept connection to each server, one request after the other.

use super::latency::{Latency, Recorder, Slow, Window};
use super::popularity::Popularity;
use super::sizes::Sizes;
use super::{nginx, redis};
use crate::guest::Cgroup;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What it is told.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// redis listens here.
    #[arg(long)]
    pub redis: u16,
    /// nginx listens here.
    #[arg(long)]
    pub nginx: u16,
    /// Seconds until it ends.
    #[arg(long)]
    pub seconds: u64,
    /// Seconds to be reported by themselves, such as 0-240 (repeatable).
    #[arg(long, value_parser = Window::parse)]
    pub window: Vec<Window>,
    /// Where the report goes.
    #[arg(long)]
    pub report: PathBuf,
    /// How large the data sets are.
    #[command(flatten)]
    pub sizes: Sizes,
}

/// What it measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Requests, by the server's name.
    pub servers: BTreeMap<String, Requests>,
    /// Bursts that began late because the one before took longer than a period.
    pub late: u64,
    /// Seconds it took in all.
    pub seconds: f64,
}

/// Requests to one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// One for each window.
    pub windows: Vec<Latency>,
    /// The slowest, the slowest first.
    pub slowest: Vec<Slow>,
}

impl Requests {
    /// Of what was recorded.
    #[must_use]
    pub fn of(recorder: &Recorder) -> Self {
        Self { windows: recorder.latencies(), slowest: recorder.slowest().to_vec() }
    }
}

impl Settings {
    fn arguments(&self) -> Vec<String> {
        let named = [
            ("--redis", self.redis.to_string()),
            ("--nginx", self.nginx.to_string()),
            ("--seconds", self.seconds.to_string()),
            ("--report", self.report.to_string_lossy().into_owned()),
        ];
        let windows = self.window.iter().map(|window| ("--window", window.to_string()));
        let words = named.into_iter().chain(windows).flat_map(|(name, value)| [name.to_owned(), value]);
        words.chain(self.sizes.arguments()).collect()
    }
}

/// A running generator.
#[derive(Debug)]
pub struct Load {
    child: Child,
    report: PathBuf,
}

impl Load {
    /// Starts it in a cgroup of its own.
    pub fn start(cgroup: &Cgroup, settings: Settings) -> Result<Self> {
        let mut command = cgroup.helper();
        command.arg("load").args(settings.arguments()).stdin(Stdio::null());
        Self::spawn(command, settings.report)
    }

    /// Starts one that writes a [`Report`] to this file.
    pub fn spawn(mut command: Command, report: PathBuf) -> Result<Self> {
        Ok(Self { child: command.spawn().context("cannot start the load")?, report })
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Result<Report> {
        let status = self.child.wait().context("cannot wait for the load")?;
        ensure!(status.success(), "the load ended with {status}");
        let text = std::fs::read_to_string(&self.report);
        let text = text.with_context(|| format!("cannot read {}", self.report.display()))?;
        serde_json::from_str(&text).context("the load's report")
    }
}

/// Sends requests until the time is over, then writes the report. An answer that is not as it should be is an
/// error.
pub fn run(settings: &Settings) -> Result<()> {
    let report = send(settings)?;
    let path = &settings.report;
    std::fs::write(path, serde_json::to_string(&report)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn send(settings: &Settings) -> Result<Report> {
    let sizes = settings.sizes;
    let (mut redis, mut nginx) =
        (redis::Client::connect(settings.redis)?, nginx::Client::connect(settings.nginx)?);
    let mut keys = Popularity::new(sizes.keys, sizes.seed);
    let mut files = Popularity::new(sizes.files, !sizes.seed);
    let (mut of_redis, mut of_nginx) = (Recorder::new(&settings.window)?, Recorder::new(&settings.window)?);
    let start = Instant::now();
    let (mut due, end, mut late) = (Duration::ZERO, Duration::from_secs(settings.seconds), 0);
    while due < end {
        match due.checked_sub(start.elapsed()) {
            Some(wait) => std::thread::sleep(wait),
            None => late += 1,
        }
        for _ in 0..sizes.requests {
            timed(start, &mut of_redis, || redis.get(keys.draw(), sizes.value))?;
        }
        for _ in 0..sizes.requests {
            timed(start, &mut of_nginx, || nginx.get(files.draw(), sizes.file))?;
        }
        due += sizes.period();
    }
    let seconds = start.elapsed().as_secs_f64();
    let servers = [("redis", &of_redis), ("nginx", &of_nginx)];
    let servers = servers.map(|(name, recorder)| (name.to_owned(), Requests::of(recorder)));
    Ok(Report { servers: servers.into(), late, seconds })
}

fn timed(start: Instant, recorder: &mut Recorder, request: impl FnOnce() -> Result<()>) -> Result<()> {
    let begin = start.elapsed();
    request()?;
    recorder.note(begin, start.elapsed().saturating_sub(begin));
    Ok(())
}
