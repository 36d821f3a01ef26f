//! `lowtide doctor`.

use std::{path::Path, process::ExitCode};

use crate::output;

pub(crate) fn run(root: &Path, json: bool) -> anyhow::Result<ExitCode> {
    // What writes alone would tell, a daemon of this host knows; a directory of files has none.
    let running = if root == Path::new("/") { lowtide_daemon::running() } else { None };
    let report = lowtide_doctor::examine(root, running)?;
    let text = if json { lowtide_view::json::render(&report)? } else { report.to_string() };
    output::print(&text)?;
    Ok(if report.can_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
