//! What can be typed without root and without a host is typed: into bash, with a `lowtide` that works on a
//! captured tree, and no other program at hand but `sudo` that changes nothing, and `jq`.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use clap::Parser;
use lowtide_cli::options::{Arguments, Command as Asked, TiersCommand};
use lowtide_core::Bytes;
use lowtide_history::{Bounds, Minute, Writer};
use lowtide_testing::docs::{Block, blocks, commands};

use crate::{
    commands::examples,
    support::{Live, copy},
};

/// A line, and where it stands.
type Line = (String, String);

/// All that are typed here: of blocks and of man pages.
fn lines() -> Vec<Line> {
    let of_block = |block: Block| {
        let script = block.script();
        script.lines().map(|line| (block.place.clone(), line.to_owned())).collect::<Vec<_>>()
    };
    let blocks = blocks().into_iter().filter(Block::is_shell).flat_map(of_block);
    let mut lines: Vec<_> = blocks.chain(examples()).collect();
    lines.retain(|(_, line)| moment(line).is_some());
    lines
}

/// When a line can be typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// While the daemon runs.
    Running,
    /// When it has ended, and there is a history.
    Ended,
    /// After all others: it takes away what they look at.
    Last,
}

/// The latest of its commands; none if any of them is another program, or one that cannot be typed here.
fn moment(line: &str) -> Option<Moment> {
    let commands = commands(line);
    let mut latest = None;
    for command in &commands {
        if command.written.iter().any(|file| file != "/dev/null") {
            return None;
        }
        match &*command.words[0] {
            "lowtide" | "./target/release/lowtide" => latest = latest.max(Some(of_command(&command.words)?)),
            "jq" if has_jq() => {}
            _ => return None,
        }
    }
    latest
}

fn of_command(words: &[String]) -> Option<Moment> {
    match Arguments::try_parse_from(words).ok()?.command {
        // Every test with a daemon starts it so.
        Asked::Run { .. } => None,
        // A terminal is needed: tests/top.rs has one.
        Asked::Top(options) if !options.once && !options.json && options.at.is_none() => None,
        Asked::Top(options) if options.at.is_some() => Some(Moment::Ended),
        Asked::Explain { at: Some(_), .. }
        | Asked::Report { since: Some(_), .. }
        | Asked::Report { html: Some(_), .. }
        | Asked::Tiers { command: TiersCommand::Apply(_) } => Some(Moment::Ended),
        Asked::Restore { .. } => Some(Moment::Last),
        _ => Some(Moment::Running),
    }
}

fn has_jq() -> bool {
    program("jq").is_some()
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// The cgroups that are asked about.
fn cgroups(lines: &[Line]) -> BTreeSet<String> {
    let commands = lines.iter().flat_map(|(_, line)| commands(line));
    let asked =
        commands.filter_map(|command| match Arguments::try_parse_from(&command.words).ok()?.command {
            Asked::Explain { cgroup, .. } => Some(cgroup),
            _ => None,
        });
    asked.collect()
}

/// A directory to type in.
struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new(live: &Live) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("bin")).unwrap();
        fs::create_dir_all(at("target/release")).unwrap();
        script(&at("bin/sudo"), "exec \"$@\"");
        let config = live.config().display().to_string();
        script(
            &at("bin/lowtide"),
            &format!(
                "case \" $* \" in *' doctor '*|*' --config '*) ;; *) set -- \"$@\" --config {config} ;; esac\n\
                 exec {} \"$@\" --root {}",
                env!("CARGO_BIN_EXE_lowtide"),
                live.root().display()
            ),
        );
        symlink(at("bin/lowtide"), at("target/release/lowtide")).unwrap();
        if let Some(jq) = program("jq") {
            symlink(jq, at("bin/jq")).unwrap();
        }
        for name in ["lowtide.yaml", "FILE"] {
            fs::copy(live.config(), at(name)).unwrap();
        }
        Self { directory }
    }

    /// Says what went wrong.
    fn type_in(&self, (place, line): &Line) -> Option<String> {
        let mut bash = Command::new(program("bash").unwrap());
        bash.args(["--norc", "-o", "pipefail", "-c", line]).current_dir(self.directory.path()).env_clear();
        bash.env("PATH", self.directory.path().join("bin")).env("TZ", "UTC").stdin(Stdio::null());
        let done = bash.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        let told = String::from_utf8_lossy(&done.stdout);
        let is_well = done.status.success() && !said.contains("panicked");
        (!is_well).then(|| format!("{place}: `{line}`: {}: {said}{told}", done.status))
    }

    fn type_all(&self, lines: &[Line], when: Moment) -> Vec<String> {
        let mut lines: Vec<_> = lines.iter().filter(|(_, line)| moment(line) == Some(when)).collect();
        // The same line on two pages is typed once.
        lines.sort_by_key(|(_, line)| line.clone());
        lines.dedup_by_key(|(_, line)| line.clone());
        assert!(!lines.is_empty(), "{when:?}");
        if when == Moment::Running {
            return std::thread::scope(|scope| {
                let typed: Vec<_> = lines.iter().map(|line| scope.spawn(|| self.type_in(line))).collect();
                typed.into_iter().filter_map(|typed| typed.join().unwrap()).collect()
            });
        }
        lines.iter().filter_map(|line| self.type_in(line)).collect()
    }
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The pages ask about a time of day, the last seven days, and about days of a calendar. The minute that the
/// daemon kept is put at each full hour of those.
fn fill_history(live: &Live) {
    let minute = live.last_minute();
    let bounds = Bounds { keep: Duration::from_hours(24 * 365 * 50), max_size: Bytes::new(1 << 30) };
    let now = minute.end;
    let hours = (0..24 * 8).map(|hour| now / 3600 * 3600 - hour * 3600);
    let first: jiff::Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    let first = u64::try_from(first.as_second()).unwrap();
    let days = (0..24 * 8).map(|hour| first + hour * 3600).filter(|at| *at < now);
    let mut ends: Vec<_> = hours.chain(days).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut writer = Writer::open(&live.history(), bounds).unwrap();
    for end in ends {
        writer.append(&Minute { end: end + 30, watched: Duration::from_mins(1), ..minute.clone() }).unwrap();
    }
}

#[test]
fn what_can_be_typed_here_ends_well() {
    if !has_jq() {
        eprintln!("NOT TESTED: lines with jq, which is not installed here");
    }
    let lines = lines();
    let cgroups = cgroups(&lines);
    assert!(lines.len() > 30 && cgroups.len() >= 2, "{lines:#?}, {cgroups:#?}");
    let matched: Vec<_> = cgroups.iter().map(String::as_str).collect();
    let mut live = Live::with(&matched, |tree| {
        for cgroup in &cgroups {
            let directory = tree.join(cgroup.trim_start_matches('/'));
            fs::create_dir_all(directory.parent().unwrap()).unwrap();
            copy(&tree.join("web/api"), &directory);
        }
    });
    let desk = Desk::new(&live);
    let mut wrong = desk.type_all(&lines, Moment::Running);
    live.end();
    fill_history(&live);
    wrong.extend(desk.type_all(&lines, Moment::Ended));
    wrong.extend(desk.type_all(&lines, Moment::Last));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
