//! Help and tables fit the terminal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{fs, process::Command, time::Duration};

use clap::CommandFactory;
use lowtide_cli::options::Arguments;
use support::{Live, copy};

const WIDTH: usize = 80;

/// The words of every command, those with further ones among them.
fn commands(command: &clap::Command, above: &[String], found: &mut Vec<Vec<String>>) {
    found.push(above.to_vec());
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let words = [above, &[command.get_name().to_owned()]].concat();
        commands(command, &words, found);
    }
}

#[test]
fn help_is_no_wider_than_the_terminal() {
    let mut all = Vec::new();
    commands(&Arguments::command(), &[], &mut all);
    assert!(all.len() > 11, "{all:?}");
    for words in all {
        for help in ["-h", "--help"] {
            let mut lowtide = Command::new(env!("CARGO_BIN_EXE_lowtide"));
            let output = lowtide.args(&words).arg(help).env("COLUMNS", WIDTH.to_string()).output().unwrap();
            assert!(output.status.success(), "{words:?}");
            let told = String::from_utf8(output.stdout).unwrap();
            for line in told.lines() {
                // A default that is a path has no blank to break a line at.
                let fits = line.chars().count() <= WIDTH || !line.trim_start().contains(' ');
                assert!(fits, "{words:?}: {line}");
            }
        }
    }
}

/// The lines of tables: from headings to an empty line.
fn tables(told: &str) -> Vec<&str> {
    let mut in_table = false;
    let mut lines = Vec::new();
    for line in told.lines() {
        let first = line.split(' ').next().unwrap_or_default();
        in_table = !line.is_empty()
            && (in_table || first.len() > 3 && first.chars().all(|c| c.is_ascii_uppercase()));
        if in_table {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn tables_are_no_wider_than_the_terminal() {
    let long = format!("/web/{}/{}.service", "a".repeat(60), "b".repeat(60));
    let mut live = Live::with(&["/web/api", &long], |tree| {
        let directory = tree.join(&long[1..]);
        fs::create_dir_all(directory.parent().unwrap()).unwrap();
        copy(&tree.join("web/api"), &directory);
    });
    let root = live.root().display().to_string();
    // `Live` says that the terminal has 80 columns.
    let fits = |live: &Live, headings: &[&str], arguments: &[&str]| {
        let told = live.told(arguments);
        let tables = tables(&told);
        for heading in headings {
            let is_there = tables.iter().any(|line| line.starts_with(heading));
            assert!(is_there, "{arguments:?}: no table with {heading}:\n{told}");
        }
        for line in &tables {
            assert!(line.chars().count() <= WIDTH, "{arguments:?}: {line}");
        }
        // The end of a path tells more than its middle.
        let shortened = tables.iter().filter(|line| line.contains('…') && line.contains("bbb.service"));
        assert_eq!(shortened.count(), 1, "{arguments:?}: {told}");
    };
    fits(&live, &["CGROUP"], &["status"]);
    fits(&live, &["CGROUP", "TIER", "ZONE"], &["top", "--once", "--interval", "100ms", "--root", &root]);
    std::thread::sleep(Duration::from_secs(2));
    live.end();
    fits(&live, &["CGROUP", "TIER", "POLICY"], &["report", "--since", "-1h"]);
    fits(&live, &["CGROUP", "TIER"], &["top", "--at", &live.then()]);
}
