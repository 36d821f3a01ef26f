//! The program of a pack: real servers side by side on this host, each group with another agent.

use anyhow::Result;
use clap::{Parser, Subcommand};
use lowtide_lab::bench::options::Options;
use lowtide_lab::bench::{host, run, supervise};
use lowtide_lab::guest::helper::Helper;

/// Real servers side by side, each group with another agent that offloads memory, or with none.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run it, print tables, write the figures as JSON.
    Run(Options),
    /// Undo what a killed run has left on this host.
    Clean,
    /// The run itself, without its supervisor.
    #[command(hide = true)]
    Work(Options),
    #[command(flatten)]
    Helper(Helper),
}

fn main() -> Result<()> {
    match Args::parse().action {
        Action::Run(options) => {
            host::check(&options)?;
            supervise::supervise(std::env::args_os().skip(2))
        }
        Action::Clean => supervise::clean(),
        Action::Work(options) => {
            supervise::die_with_supervisor()?;
            run::run(&options)
        }
        Action::Helper(helper) => helper.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;
    use lowtide_testing::docs::{Block, blocks};

    /// `./run` is the script of a pack, which calls the program's `run`.
    #[test]
    fn what_the_documentation_tells_to_type_is_parsed() {
        let mut found = 0;
        for block in blocks().into_iter().filter(Block::is_shell) {
            for command in block.commands() {
                let action: &[&str] = match &*command.words[0] {
                    "./run" => &["lowtide-bench", "run"],
                    "./lowtide-bench" => &["lowtide-bench"],
                    _ => continue,
                };
                let words = action.iter().copied().chain(command.words[1..].iter().map(String::as_str));
                if let Err(error) = Args::try_parse_from(words) {
                    assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{}: {error}", block.place);
                }
                found += 1;
            }
        }
        assert!(found >= 4, "only {found} were found");
    }
}
