//! What the host asks of the guest, handed over as a file in the run's directory.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Names of the files of one run, in its directory.
pub mod files {
    /// The [`super::GuestSpec`].
    pub const SPEC: &str = "spec.json";
    /// What the kernel printed.
    pub const CONSOLE: &str = "console.log";
    /// What the command printed.
    pub const OUTPUT: &str = "output.log";
    /// One JSON value a line, written by the command.
    pub const RESULTS: &str = "results.jsonl";
    /// The [`super::Exit`], written last.
    pub const EXIT: &str = "exit.json";
}

/// Serial ports of the guest, in the order in which QEMU is given their files. Serial ports rather than
/// virtio: the emulated processor writes them itself, so they do not disturb counted time.
pub mod ports {
    /// The command's stdout and stderr.
    pub const OUTPUT: &str = "/dev/ttyS1";
    /// Result lines.
    pub const RESULTS: &str = "/dev/ttyS2";
    /// The exit status.
    pub const EXIT: &str = "/dev/ttyS3";
}

/// Where a sealed root has its programs and its [`GuestSpec`].
pub const SEALED: &str = "/lab";

/// The directory in the guest that holds staged programs, in memory that is never reclaimed.
pub const STAGE: &str = "/run/lab";

/// What to run in the guest, and with what around it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GuestSpec {
    /// Program and arguments; empty for an interactive shell on the console.
    pub command: Vec<String>,
    /// Extra environment.
    pub env: BTreeMap<String, String>,
    /// Where the command starts.
    pub directory: PathBuf,
    /// Programs copied into the guest's memory and put first in PATH, so that running them needs no host I/O.
    pub programs: Vec<PathBuf>,
    /// The directory to be seen as `/lib/modules/VERSION`; none where it is there already.
    pub modules: Option<PathBuf>,
    /// The kernel's version.
    pub version: String,
    /// Process 1 becomes systemd, and the job is one of its services.
    #[serde(default)]
    pub systemd: bool,
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit status; 128 + signal when a signal ended it.
    pub code: i32,
    /// Guest seconds from boot to the command's start.
    pub started_at: f64,
    /// Guest seconds from boot to its end.
    pub ended_at: f64,
}
