//! Man pages and shell completions are what the code would make of them now.
//!
//! `LOWTIDE_UPDATE=1 cargo test -p lowtide --test man` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use clap_complete::Shell;
use lowtide_cli::{man, options::Arguments};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn command() -> clap::Command {
    Arguments::command().disable_help_subcommand(true)
}

/// The files of a directory, by name.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeMap::new() };
    let read = |path: PathBuf| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
    };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

fn assert_current(directory: &str, made: &BTreeMap<String, String>) {
    let directory = docs().join(directory);
    if std::env::var_os("LOWTIDE_UPDATE").is_some() {
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in made {
            fs::write(directory.join(name), text).unwrap();
        }
    }
    let kept = files(&directory);
    assert_eq!(kept.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>(), "{}", directory.display());
    for (name, text) in made {
        assert!(
            kept[name] == *text,
            "{}/{name} is out of date: LOWTIDE_UPDATE=1 cargo test -p lowtide --test man",
            directory.display()
        );
    }
}

#[test]
fn man_pages_are_current() {
    let made = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(command(), made.path()).unwrap();
    let mut pages = files(made.path());
    for (name, page) in &mut pages {
        page.push_str(&man::sections(name.trim_end_matches(".1")));
    }
    pages.insert("lowtide.yaml.5".to_owned(), man::configuration(&lowtide_policy::schema()));
    for (name, page) in &pages {
        let wanted: &[_] = if name == "lowtide.yaml.5" {
            &["FILES", "EXAMPLES", "hotness.source", "policies.slo.memory_pressure", "Default: 6s"]
        } else {
            &["FILES", "ENVIRONMENT", "LOWTIDE_LOG", "EXIT STATUS", "EXAMPLES"]
        };
        assert!(wanted.iter().all(|part| page.contains(part)), "{name}");
    }
    assert_current("man", &pages);
}

#[test]
fn completions_are_current() {
    let made = tempfile::tempdir().unwrap();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command(), "lowtide", made.path()).unwrap();
    }
    assert_current("completions", &files(made.path()));
}
