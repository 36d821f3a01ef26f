//! What came back from a machine.

use crate::qemu::Accel;
use crate::spec::{Exit, files};
use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that is known about a finished run.
#[derive(Debug)]
pub struct Outcome {
    /// How the command ended; none when the machine died before.
    pub exit: Option<Exit>,
    /// The result lines, in order.
    pub results: Vec<Value>,
    /// Kernel messages that mean failure.
    pub faults: Vec<String>,
    /// The emulator failed, and the run says nothing.
    pub emulator_fault: Option<String>,
    /// The machine was killed at its wall-clock limit.
    pub timed_out: bool,
    /// Wall-clock time of the whole run, boot and power-off included.
    pub wall: Duration,
    /// What executed it.
    pub accel: Accel,
    /// Version of the kernel that ran.
    pub kernel: String,
    /// Where the logs are.
    pub directory: PathBuf,
}

impl Outcome {
    /// Reads the files of a run.
    pub fn read(directory: &Path, oom_expected: bool) -> Result<Self> {
        let console = read_text(&directory.join(files::CONSOLE));
        let exit = read_text(&directory.join(files::EXIT));
        Ok(Self {
            exit: serde_json::from_str(exit.trim()).ok(),
            results: parse_results(&read_text(&directory.join(files::RESULTS)))?,
            faults: crate::console::faults(&console, oom_expected),
            emulator_fault: crate::console::emulator_fault(&console),
            timed_out: false,
            wall: Duration::ZERO,
            accel: Accel::Tcg,
            kernel: String::new(),
            directory: directory.to_owned(),
        })
    }

    /// An error unless the command ran to its end with status 0 on a kernel that did not complain.
    pub fn check(&self) -> Result<()> {
        let logs = self.directory.display();
        if let Some(fault) = self.faults.first() {
            bail!("the guest kernel reported: {fault}; see {logs}");
        }
        if self.timed_out {
            bail!("the machine was killed at its limit after {:.0} s; see {logs}", self.wall.as_secs_f64());
        }
        match self.exit {
            None => bail!("the machine ended without running the command to its end; see {logs}"),
            Some(Exit { code: 0, .. }) => Ok(()),
            Some(exit) => bail!("the command in the guest ended with status {}; see {logs}", exit.code),
        }
    }

    /// The status for this process to end with.
    #[must_use]
    pub fn status(&self) -> i32 {
        match self.exit {
            Some(exit) if self.faults.is_empty() && !self.timed_out => exit.code,
            _ => 125,
        }
    }

    /// The last result whose `kind` is this one.
    pub fn result<T: DeserializeOwned>(&self, kind: &str) -> Result<T> {
        let found = self.results.iter().rev().find(|value| value["kind"] == kind);
        let found = found.with_context(|| {
            format!("the guest reported no result of kind {kind:?}; see {}", self.directory.display())
        })?;
        T::deserialize(found)
            .with_context(|| format!("the result of kind {kind:?} has another form: {found}"))
    }

    /// Every result whose `kind` is this one, in order.
    pub fn all<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>> {
        let found = self.results.iter().filter(|value| value["kind"] == kind);
        let understood = found.map(|value| {
            T::deserialize(value)
                .with_context(|| format!("a result of kind {kind:?} has another form: {value}"))
        });
        understood.collect()
    }
}

/// A file that the guest never wrote to may not be there at all.
fn read_text(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// One JSON value a line; the last line may be cut off when the machine died.
pub fn parse_results(text: &str) -> Result<Vec<Value>> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n') && !line.trim().is_empty())
        .map(|line| {
            serde_json::from_str(line.trim()).with_context(|| format!("result line is not JSON: {line}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_off_last_line_is_left_out() {
        let results = parse_results("{\"a\":1}\r\n\n{\"a\":2}\n{\"a\":").unwrap();
        assert_eq!(results.len(), 2);
        assert_eq!(results[1]["a"], 2);
    }

    #[test]
    fn garbage_is_an_error_that_shows_it() {
        assert!(parse_results("hello\n").unwrap_err().to_string().contains("hello"));
    }

    #[test]
    fn a_run_directory_is_read_and_judged() {
        let run = tempfile::tempdir().unwrap();
        fs::write(run.path().join(files::EXIT), "{\"code\":3,\"started_at\":1.0,\"ended_at\":2.5}\n")
            .unwrap();
        fs::write(run.path().join(files::RESULTS), "{\"kind\":\"x\",\"n\":1}\n{\"kind\":\"x\",\"n\":2}\n")
            .unwrap();
        let outcome = Outcome::read(run.path(), false).unwrap();
        assert!(outcome.check().unwrap_err().to_string().contains("status 3"));
        assert_eq!(outcome.status(), 3);
        let value: Value = outcome.result("x").unwrap();
        assert_eq!(value["n"], 2);
        assert!(outcome.result::<Value>("y").is_err());
    }

    #[test]
    fn an_empty_run_has_failed() {
        let run = tempfile::tempdir().unwrap();
        let outcome = Outcome::read(run.path(), false).unwrap();
        assert!(outcome.check().is_err());
        assert_eq!(outcome.status(), 125);
    }
}
