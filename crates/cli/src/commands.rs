//! What each command does.

mod check;
mod daemon;
mod doctor;
mod past;
mod tiers;
mod top;

use std::process::ExitCode;

use lowtide_cli::options::{Arguments, Command};
use lowtide_view::Shown;

use crate::output;
use past::{Form, Place};

/// `EX_CONFIG` of sysexits.h: systemd's `RestartPreventExitStatus=` and scripts tell it from a crash.
pub(crate) const BAD_CONFIG: u8 = 78;

/// Does what was asked. Errors that have no exit status of their own are returned.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let root = &arguments.root;
    match &arguments.command {
        Command::Run { config } => daemon::run(root, config),
        Command::Check { config, environment, deny_warnings } => {
            Ok(check::run(root, config, *environment, *deny_warnings)?)
        }
        Command::Doctor { json } => doctor::run(root, *json),
        Command::Status { cgroups, sort, top, daemon, json } => {
            let shown = Shown {
                cgroups: cgroups.clone(),
                sort: *sort,
                top: *top,
                width: if *json { None } else { output::width() },
            };
            daemon::status(daemon, *json, shown)
        }
        Command::Top(options) => top::run(root, options),
        Command::Explain { cgroup, at: Some(at), daemon, history, json } => {
            past::explain(cgroup, at, &Place::of(daemon, history)?, *json)
        }
        Command::Explain { cgroup, at: None, daemon, json, .. } => daemon::explain(cgroup, daemon, *json),
        Command::Report { since: None, until: None, html: None, daemon, json, .. } => {
            daemon::report(daemon, *json)
        }
        Command::Report { since, until, html, daemon, history, json } => {
            let form = Form::new(html.as_deref(), *json);
            past::report(root, since.as_deref(), until.as_deref(), &Place::of(daemon, history)?, form)
        }
        Command::Tiers { command } => tiers::run(root, command),
        Command::Restore { config, keep_tiers, state_dir } => {
            daemon::restore(root, config, *keep_tiers, state_dir.as_deref())
        }
    }
}
