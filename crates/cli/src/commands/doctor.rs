//! `lowtide doctor`.

use std::{io::Write, path::Path, process::ExitCode};

pub(crate) fn run(root: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let report = lowtide_daemon::doctor::examine(root)?;
    let text = if json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
    // `lowtide doctor | head` closes the pipe early: that is no error.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    Ok(if report.can_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
