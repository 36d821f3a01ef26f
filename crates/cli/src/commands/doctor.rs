//! `lowtide doctor`.

use std::{path::Path, process::ExitCode};

use crate::output;

pub(crate) fn run(root: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let report = lowtide_daemon::doctor::examine(root)?;
    let text = if json { lowtide_daemon::render_json(&report)? } else { report.to_string() };
    output::print(&text)?;
    Ok(if report.can_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
