//! A compile that runs again and again: tcc on a source of some thousand functions.

use super::latency::{Recorder, Window};
use super::load::{Load, Report, Requests};
use crate::guest::Cgroup;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The program in its image.
pub const PROGRAM: &str = "tcc";

/// What the loop is told.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where the compiler runs.
    pub cgroup: PathBuf,
    /// The compiler's root.
    #[arg(long)]
    pub root: PathBuf,
    /// Seconds until it ends.
    #[arg(long)]
    pub seconds: u64,
    /// Milliseconds from one compile to the next.
    #[arg(long)]
    pub period: u64,
    /// Seconds to be reported by themselves, such as 0-240 (repeatable).
    #[arg(long, value_parser = Window::parse)]
    pub window: Vec<Window>,
    /// Where the report goes.
    #[arg(long)]
    pub report: PathBuf,
}

/// Starts the loop; it runs in a cgroup of its own.
pub fn start(cgroup: &Cgroup, settings: &Settings) -> Result<Load> {
    let mut command = cgroup.helper();
    command.arg("compile").arg("--root").arg(&settings.root).arg("--report").arg(&settings.report);
    command.args(["--seconds", &settings.seconds.to_string(), "--period", &settings.period.to_string()]);
    for window in &settings.window {
        command.args(["--window", &window.to_string()]);
    }
    command.arg(&settings.cgroup).stdin(Stdio::null());
    Load::spawn(command, settings.report.clone())
}

/// Writes the source into the image at `root`.
pub fn prepare(root: &Path, functions: u32) -> Result<()> {
    let mut source = String::new();
    for number in 0..functions {
        writeln!(
            source,
            "struct s{number} {{ int count; long sum[{}]; }};\n\
             long f{number}(struct s{number} *s, long x) {{\n\
             \x20 for (int i = 0; i < s->count; i++) {{ s->sum[i % 8] += x * i + {number}; x ^= s->sum[i % 8] >> 3; }}\n\
             \x20 return x;\n}}",
            number % 9 + 8
        )?;
    }
    let path = root.join("source.c");
    fs::write(&path, source).with_context(|| format!("cannot write {}", path.display()))
}

/// Compiles until the time is over, then writes the report.
pub fn run(settings: &Settings) -> Result<()> {
    let cgroup = Cgroup::at(&settings.cgroup);
    let mut recorder = Recorder::new(&settings.window)?;
    let (start, mut due, mut late) = (Instant::now(), Duration::ZERO, 0);
    while due < Duration::from_secs(settings.seconds) {
        match due.checked_sub(start.elapsed()) {
            Some(wait) => std::thread::sleep(wait),
            None => late += 1,
        }
        let begin = start.elapsed();
        let mut command = cgroup.command_in(&settings.root, &format!("/bin/{PROGRAM}"));
        command.args(["-c", "-o", "/tmp/source.o", "/source.c"]).stdin(Stdio::null());
        let status = command.status().context("cannot start the compiler")?;
        ensure!(status.success(), "the compiler ended with {status}");
        recorder.note(begin, start.elapsed().saturating_sub(begin));
        due += Duration::from_millis(settings.period);
    }
    let servers = [("compile".to_owned(), Requests::of(&recorder))];
    let report = Report { servers: servers.into(), late, seconds: start.elapsed().as_secs_f64() };
    fs::write(&settings.report, serde_json::to_string(&report)?).context("cannot write the report")
}
