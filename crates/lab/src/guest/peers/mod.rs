//! Control laws of other systems, written anew after their published form, so that a scenario can put them
//! beside lowtide in one machine. Each runs as its own process (`lab-guest senpai CGROUP`), as the original
//! does.

pub mod adaptivemm;
pub mod oomd;
pub mod senpai;

use super::{Cgroup, cgroup};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A running peer.
#[derive(Debug)]
pub struct Peer {
    name: String,
    child: Child,
}

impl Peer {
    /// Starts `lab-guest LAW CGROUP ARGS`.
    pub fn start(law: &str, cgroup: &Cgroup, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(cgroup::helper());
        command.arg(law).arg(cgroup.path()).args(args);
        Self::spawn(law, command)
    }

    /// Starts `lab-guest LAW ARGS`: one for the whole host.
    pub fn start_for_host(law: &str, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(cgroup::helper());
        command.arg(law).args(args);
        Self::spawn(law, command)
    }

    fn spawn(law: &str, mut command: Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).spawn().context("cannot start lab-guest")?;
        Ok(Self { name: law.to_owned(), child })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it; it puts back what it set.
    pub fn stop(mut self) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(id, Signal::SIGTERM).with_context(|| format!("cannot send SIGTERM to {}", self.name))?;
        let status = self.child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }
}

/// Calls `turn` after each `tick` until SIGTERM.
fn every(tick: Duration, mut turn: impl FnMut() -> Result<()>) -> Result<()> {
    let end = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&end)).context("cannot handle signals")?;
    }
    loop {
        std::thread::sleep(tick);
        if end.load(Ordering::Relaxed) {
            return Ok(());
        }
        turn()?;
    }
}

/// One field of the `some` line of a pressure file, such as `avg10` or `total`.
fn some<T: std::str::FromStr>(text: &str, field: &str) -> Result<T> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "));
    let value = line.and_then(|line| {
        line.split_whitespace().find_map(|word| word.strip_prefix(field)?.strip_prefix('=')?.parse().ok())
    });
    value.with_context(|| format!("a pressure file has no {field} of some: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_some_are_read() {
        let text = "some avg10=0.25 avg60=1.50 avg300=0.00 total=1500\nfull avg10=9.00 total=3";
        assert_eq!(some::<f64>(text, "avg10").unwrap(), 0.25);
        assert_eq!(some::<f64>(text, "avg60").unwrap(), 1.5);
        assert_eq!(some::<u64>(text, "total").unwrap(), 1500);
        assert!(some::<u64>(text, "avg").is_err());
        assert!(some::<u64>("full total=3", "total").is_err());
    }
}
