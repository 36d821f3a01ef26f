//! A run is a process of its own under this one, which cleans up when that has ended, however it ended.

use super::record::{self, Record};
use crate::process::say;
use anyhow::{Context, Result, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Starts this program again with `work` and these arguments, and waits. A signal ends the run; what it made
/// is undone.
pub fn supervise(arguments: impl Iterator<Item = OsString>) -> Result<()> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    let mut child = command.arg("work").args(arguments).spawn().context("cannot start the run")?;
    let run = Pid::from_raw(i32::try_from(child.id())?);
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot handle signals")?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            // It may have ended by now.
            let _ = kill(run, Signal::SIGKILL);
        }
    });
    let status = child.wait().context("cannot wait for the run")?;
    clean()?;
    ensure!(status.success(), "the run ended with {status}");
    Ok(())
}

/// The kernel sends SIGKILL to the run when its supervisor is gone: the next start, or `clean`, undoes what
/// it made.
pub fn die_with_supervisor() -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot ask to end with the supervisor")
}

/// Undoes what a killed run has made; says so if there was something.
pub fn clean() -> Result<()> {
    let undone = Record::open(Path::new(record::PATH))?.undo()?;
    if undone > 0 {
        say(&format!("cleaned up {undone} things that a killed run had made"));
    }
    Ok(())
}
