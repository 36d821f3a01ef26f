//! `lowtide check`.

use std::{path::Path, process::ExitCode};

use lowtide_policy::{Loaded, Problem};

use super::BAD_CONFIG;
use lowtide_cli::options::ConfigFile;

pub(crate) fn run(root: &Path, config: &ConfigFile, environment: bool, deny_warnings: bool) -> ExitCode {
    let loaded = match lowtide_policy::load(&config.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(BAD_CONFIG);
        }
    };
    let mut bad = tell(&loaded.warnings, deny_warnings);
    if environment {
        bad |= !suits_host(root, &loaded);
    }
    if bad {
        return ExitCode::from(BAD_CONFIG);
    }
    summarise(&loaded);
    ExitCode::SUCCESS
}

/// Prints the warnings; true if they count as errors.
fn tell(warnings: &[Problem], deny: bool) -> bool {
    for warning in warnings {
        if deny {
            eprintln!("{}\n", warning.clone().denied());
        } else {
            eprintln!("{warning}\n");
        }
    }
    deny && !warnings.is_empty()
}

fn suits_host(root: &Path, loaded: &Loaded) -> bool {
    match lowtide_daemon::environment(root, &loaded.config) {
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            findings.iter().all(|finding| !finding.is_error())
        }
        Err(error) => {
            eprintln!("error: {error}");
            false
        }
    }
}

fn summarise(loaded: &Loaded) {
    let policies = loaded.config.policies.policies();
    let read = loaded.files.iter().filter(|path| path.is_file()).count();
    println!(
        "{} {} in {} {}: ok",
        policies.len(),
        plural(policies.len(), "policy", "policies"),
        read,
        plural(read, "file", "files")
    );
    for policy in policies {
        println!("  {}: {}", policy.name, serde_json::json!(policy.mode).as_str().unwrap_or_default());
    }
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}
