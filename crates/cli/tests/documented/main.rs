//! What README.md, docs and the man pages tell people to type is right: every block has a rule that knows
//! its language, every command in it a rule that knows its program, and what needs neither root nor a host is
//! run.
//!
//! `cargo xtask …` is parsed by the tests of xtask. Queries in PromQL are looked at by those of `view`, and by
//! promtool in `cargo xtask test`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod commands;
mod languages;
mod run;
#[path = "../support/mod.rs"]
mod support;

use lowtide_testing::docs::{Block, blocks};

/// Tests that look at the blocks of a language.
const LANGUAGES: &[&str] = &["sh", "console", "yaml", "ini", "toml", "json", "promql", "text"];

#[test]
fn every_block_has_a_language_that_tests_know() {
    let unknown = |block: &Block| !LANGUAGES.contains(&&*block.language);
    let unknown: Vec<_> = blocks().into_iter().filter(unknown).collect();
    let told = unknown.iter().map(|block| format!("{}: `{}`", block.place, block.language));
    let told: Vec<_> = told.collect();
    assert!(told.is_empty(), "a language without tests: {told:#?}\n`text` is for what is not typed");
}

/// What a program prints, and drawings. A command there would be looked at by nobody.
#[test]
fn commands_are_in_blocks_of_a_shell() {
    let text = blocks().into_iter().filter(|block| block.language == "text");
    let commands = text.flat_map(|block| {
        let lines: Vec<_> = block.text.lines().map(str::to_owned).collect();
        let place = block.place;
        lines
            .into_iter()
            .filter(|line| commands::is_command(line))
            .map(move |line| format!("{place}: {line}"))
    });
    let commands: Vec<_> = commands.collect();
    assert!(commands.is_empty(), "say `sh` in the place of `text`: {commands:#?}");
}
