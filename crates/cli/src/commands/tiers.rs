//! `lowtide tiers`.

use std::{fmt::Display, path::Path, process::ExitCode};

use lowtide_cli::options::TiersCommand;
use lowtide_setup::Step;
use serde::Serialize;

use crate::output;

pub(crate) fn run(root: &Path, command: &TiersCommand) -> anyhow::Result<ExitCode> {
    let (TiersCommand::Plan(options) | TiersCommand::Apply(options)) = command;
    let config = lowtide_policy::load(&options.config.config)?.config;
    let as_asked = match command {
        TiersCommand::Plan(_) => {
            let plan = lowtide_setup::plan(root, &config)?;
            print(&plan, &Planned { steps: &plan.steps }, options.json)?;
            plan.is_possible()
        }
        TiersCommand::Apply(_) => {
            let applied = lowtide_setup::apply(root, &config)?;
            print(&applied, &applied, options.json)?;
            applied.failed.is_none() && applied.plan.is_done()
        }
    };
    Ok(if as_asked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A plan for scripts. In what was applied it is the list alone.
#[derive(Serialize)]
struct Planned<'a> {
    steps: &'a [Step],
}

fn print(people: &impl Display, scripts: &impl Serialize, json: bool) -> anyhow::Result<()> {
    let text = if json { lowtide_view::json::render(scripts)? } else { people.to_string() };
    Ok(output::print(&text)?)
}
