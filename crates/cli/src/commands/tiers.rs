//! `lowtide tiers`.

use std::{fmt::Display, path::Path, process::ExitCode};

use lowtide_cli::options::TiersCommand;
use serde::Serialize;

use crate::output;

pub(crate) fn run(root: &Path, command: &TiersCommand) -> anyhow::Result<ExitCode> {
    let (TiersCommand::Plan(options) | TiersCommand::Apply(options)) = command;
    let config = lowtide_policy::load(&options.config.config)?.config;
    let as_asked = match command {
        TiersCommand::Plan(_) => {
            let plan = lowtide_setup::plan(root, &config)?;
            print(&plan, options.json)?;
            plan.is_possible()
        }
        TiersCommand::Apply(_) => {
            let applied = lowtide_setup::apply(root, &config)?;
            print(&applied, options.json)?;
            applied.failed.is_none() && applied.plan.is_done()
        }
    };
    Ok(if as_asked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(what: &(impl Display + Serialize), json: bool) -> anyhow::Result<()> {
    let text = if json { lowtide_view::json::render(what)? } else { what.to_string() };
    Ok(output::print(&text)?)
}
