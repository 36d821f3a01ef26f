//! Starting tenants in cgroups and collecting their reports.

use super::cgroup::Cgroup;
use crate::spec::STAGE;
use crate::tenant::report::{Event, Report};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running tenant.
#[derive(Debug)]
pub struct Tenant {
    name: String,
    child: Child,
    report: PathBuf,
}

impl Tenant {
    /// Starts `lowtide-tenant` with `args` inside `cgroup` and waits until it has filled its memory.
    pub fn start(name: &str, cgroup: &Cgroup, args: &[&str]) -> Result<Self> {
        let report = PathBuf::from(STAGE).join(format!("tenant-{name}.jsonl"));
        let mut command = Command::new("lowtide-tenant");
        command.arg("--name").arg(name).arg("--cgroup").arg(cgroup.path()).arg("--report").arg(&report);
        command.args(args).stdin(Stdio::null());
        let child = command.spawn().context("cannot start lowtide-tenant")?;
        let mut tenant = Self { name: name.to_owned(), child, report };
        tenant.wait_until_ready()?;
        Ok(tenant)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Makes it touch all of its memory at once.
    pub fn touch_all(&self) -> Result<()> {
        self.signal(Signal::SIGUSR1)
    }

    /// Makes it report now where its pages are.
    pub fn ask_truth(&self) -> Result<()> {
        self.signal(Signal::SIGUSR2)
    }

    /// Asks for the truth and waits for it. Its [`Report::clock`] says as of when it is.
    pub fn truth(&self) -> Result<Report> {
        let asked = |reports: Vec<Report>| reports.into_iter().filter(|report| report.event == Event::Asked);
        let before = asked(self.reports()?).count();
        self.ask_truth()?;
        // One that faults all of its memory back from a slow disk takes a while.
        for _ in 0..6000 {
            if let Some(report) = asked(self.reports()?).nth(before) {
                return Ok(report);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("tenant {} did not say where its pages are within a minute", self.name)
    }

    /// Ends it and returns its last report.
    pub fn stop(self) -> Result<Report> {
        self.signal(Signal::SIGTERM)?;
        self.finish()
    }

    /// Waits for it to end by itself (see its `--duration`) and returns its last report.
    pub fn finish(mut self) -> Result<Report> {
        let status = self.child.wait().context("cannot wait for the tenant")?;
        if !status.success() {
            bail!("tenant {} ended with {status}", self.name);
        }
        let reports = self.reports()?;
        reports.into_iter().next_back().with_context(|| format!("tenant {} reported nothing", self.name))
    }

    /// Everything it has reported so far.
    pub fn reports(&self) -> Result<Vec<Report>> {
        let text = fs::read_to_string(&self.report).unwrap_or_default();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).with_context(|| format!("tenant line {line:?}")))
            .collect()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(id, signal).with_context(|| format!("cannot send {signal} to tenant {}", self.name))
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        while self.reports()?.is_empty() {
            if let Some(status) = self.child.try_wait()? {
                bail!("tenant {} ended with {status} before it was ready", self.name);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}
