//! `lowtide-fuzz`: see `cargo xtask fuzz`.

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, ensure};
use clap::Parser as _;
use lowtide_fuzz::{Bound, Corpus, Outcome, Parser, all, run, watch};

/// Drive every parser and both doors with mutations of captured files.
#[derive(Debug, clap::Parser)]
#[command(name = "lowtide-fuzz", bin_name = "cargo xtask fuzz")]
struct Args {
    /// Only this parser (repeatable).
    #[arg(long, value_name = "NAME")]
    parser: Vec<String>,
    /// Name the parsers, and do nothing else.
    #[arg(long)]
    list: bool,
    /// For so long, all parsers together.
    #[arg(long, default_value_t = 60, conflicts_with = "inputs")]
    seconds: u32,
    /// So many inputs to each parser, however long that takes.
    #[arg(long)]
    inputs: Option<u64>,
    /// What the inputs follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match fuzz(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True if nothing was found.
fn fuzz(args: &Args) -> Result<bool> {
    let chosen = chosen(&args.parser)?;
    if args.list {
        for parser in &chosen {
            println!("{}", parser.name);
        }
        return Ok(true);
    }
    let corpus = Corpus::read()?;
    let share =
        Duration::from_secs(args.seconds.into()) / u32::try_from(chosen.len()).unwrap_or(u32::MAX).max(1);
    let bound = args.inputs.map_or(Bound::Time(share), Bound::Inputs);
    watch();
    println!("seed {}", args.seed);
    println!("{:<24} {:>10} {:>10} {:>10} {:>10}", "parser", "inputs", "accepted", "refused", "a second");
    let mut found = 0;
    for parser in &chosen {
        let outcome = run(parser, &corpus, args.seed, bound)?;
        show(parser, args.seed, &outcome);
        found += usize::from(outcome.finding.is_some());
    }
    println!("{} parsers, {found} findings", chosen.len());
    Ok(found == 0)
}

fn chosen(names: &[String]) -> Result<Vec<Parser>> {
    let all = all();
    let known = |name: &String| all.iter().any(|parser| parser.name == name);
    let unknown: Vec<_> = names.iter().filter(|name| !known(name)).cloned().collect();
    ensure!(unknown.is_empty(), "there is no parser {}; --list names them", unknown.join(", "));
    Ok(all
        .into_iter()
        .filter(|parser| names.is_empty() || names.iter().any(|name| name == parser.name))
        .collect())
}

fn show(parser: &Parser, seed: u64, outcome: &Outcome) {
    let Outcome { inputs, accepted, elapsed, finding } = outcome;
    let (name, refused) = (parser.name, inputs - accepted);
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = *inputs as f64 / elapsed.as_secs_f64().max(1e-9);
    println!("{name:<24} {inputs:>10} {accepted:>10} {refused:>10} {rate:>10.0}");
    if let Some(finding) = finding {
        println!("FOUND: {name}, seed {seed}, input {inputs}, {}: {}", finding.slot, finding.what);
        println!("       {}", finding.kept.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_testing::docs::{Block, Page, blocks, commands, pages};

    /// `cargo xtask fuzz` hands its options on as they are.
    #[test]
    fn what_the_documentation_tells_to_type_is_parsed() {
        let blocks = blocks().into_iter().filter(Block::is_shell);
        let mut typed: Vec<_> = blocks.map(|block| (block.place.clone(), block.script())).collect();
        typed.extend(pages().iter().flat_map(Page::inline).filter(|(_, span)| span.starts_with("cargo ")));
        let mut found = 0;
        for (place, text) in typed {
            for command in commands(&text) {
                let Some(words) = command.words.strip_prefix(&["cargo", "xtask", "fuzz"].map(str::to_owned))
                else {
                    continue;
                };
                let words = ["lowtide-fuzz"].into_iter().chain(words.iter().map(String::as_str));
                let args = Args::try_parse_from(words).unwrap_or_else(|error| panic!("{place}: {error}"));
                // A page may say NAME.
                let named: Vec<_> = args.parser.into_iter().filter(|name| name != "NAME").collect();
                assert!(chosen(&named).is_ok(), "{place}: {named:?}");
                found += 1;
            }
        }
        assert!(found >= 4, "only {found} were found");
    }
}
