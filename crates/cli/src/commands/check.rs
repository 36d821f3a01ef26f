//! `lowtide check`.

use std::{path::Path, process::ExitCode};

use lowtide_core::Policy;
use lowtide_policy::{Loaded, Problem};

use super::BAD_CONFIG;
use crate::output::{self, Lost};
use lowtide_cli::options::ConfigFile;

pub(crate) fn run(
    root: &Path,
    config: &ConfigFile,
    environment: bool,
    deny_warnings: bool,
) -> Result<ExitCode, Lost> {
    let loaded = match lowtide_policy::load(&config.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            output::complain(&problems.to_string())?;
            return Ok(ExitCode::from(BAD_CONFIG));
        }
    };
    let mut bad = tell(&loaded.warnings, deny_warnings)?;
    if environment {
        bad |= !suits_host(root, &loaded)?;
    }
    if bad {
        return Ok(ExitCode::from(BAD_CONFIG));
    }
    summarise(&loaded)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the warnings; true if they count as errors.
fn tell(warnings: &[Problem], deny: bool) -> Result<bool, Lost> {
    for warning in warnings {
        let warning = if deny { warning.clone().denied() } else { warning.clone() };
        output::complain(&warning.to_string())?;
        output::complain("")?;
    }
    Ok(deny && !warnings.is_empty())
}

fn suits_host(root: &Path, loaded: &Loaded) -> Result<bool, Lost> {
    match lowtide_daemon::environment(root, &loaded.config) {
        Ok(findings) => {
            for finding in &findings {
                output::print(&finding.to_string())?;
            }
            Ok(findings.iter().all(|finding| !finding.is_error()))
        }
        Err(error) => {
            output::complain(&format!("error: {error}"))?;
            Ok(false)
        }
    }
}

fn summarise(loaded: &Loaded) -> Result<(), Lost> {
    let policies = loaded.config.policies.policies();
    let read = loaded.files.iter().filter(|path| path.is_file()).count();
    let counted = format!(
        "{} {} in {} {}: ok",
        policies.len(),
        plural(policies.len(), "policy", "policies"),
        read,
        plural(read, "file", "files")
    );
    let mode = |policy: &Policy| serde_json::json!(policy.mode).as_str().unwrap_or_default().to_owned();
    let whole_host = match loaded.config.policies.of_whole_host() {
        Some(_) => {
            ", the host as a whole: `check --environment` names what it takes from and cannot leave out"
        }
        None => "",
    };
    let each = policies.iter().map(|policy| format!("  {}: {}{whole_host}", policy.name, mode(policy)));
    let lines: Vec<_> = std::iter::once(counted).chain(each).collect();
    output::print(&lines.join("\n"))
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}
