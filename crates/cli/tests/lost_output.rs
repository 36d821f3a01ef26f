//! Where output goes to a closed pipe or a full disk: no panic, and a status that tells.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::pipe,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use lowtide_testing::docs::top;
use support::{Live, commands};

const LOST: i32 = 74;

fn full_disk() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// The writing end of a pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Every way in which a command says something on standard output, but for what needs a daemon that runs or
/// has run. `{root}` is a captured tree, `{config}` a configuration, `{host}` a host of one knob.
const ALONE: &[&str] = &[
    "--help",
    "--version",
    "status --help",
    "run --help",
    "doctor --root {root}",
    "doctor --json --root {root}",
    "check --config {config}",
    "check --environment --root {root} --config {config}",
    "top --once --interval 100ms --root {root} --config {config}",
    "top --json --interval 100ms --root {root} --config {config}",
    "tiers plan --root {root} --config {config}",
    "tiers plan --json --root {root} --config {config}",
    "tiers apply --root {host} --config {host}/lowtide.yaml",
    "tiers apply --json --root {host} --config {host}/lowtide.yaml",
    "restore --root {host} --state-dir {host}/state",
];

/// Of a daemon that runs.
const ASKED: &[&str] = &[
    "status",
    "status --json",
    "explain /web/api",
    "explain /web/api --json",
    "report",
    "report --json",
    "top --once --interval 100ms --root {root}",
];

/// Of the history, when it has ended. `{then}` is a moment that the daemon kept.
const PAST: &[&str] = &[
    "explain /web/api --at {then}",
    "explain /web/api --at {then} --json",
    "report --since -1h",
    "report --since -1h --json",
    "report --html -",
    "report --since -1h --until -0s --html -",
    "top --at {then}",
    "top --at {then} --json",
    "top --at {then} --view tiers",
];

/// Commands that say nothing on standard output, and why that is so.
const SILENT: &[(&str, &str)] = &[("run", "its log is on standard error, or in the journal")];

fn words(line: &str, places: &[(&str, &Path)]) -> Vec<String> {
    let fill = |word: String, (name, place): &(&str, &Path)| word.replace(name, &place.display().to_string());
    line.split(' ').map(|word| places.iter().fold(word.to_owned(), fill)).collect()
}

/// A host of one knob, and a configuration that asks for another value of it.
fn host() -> tempfile::TempDir {
    let host = tempfile::tempdir().unwrap();
    let place = host.path().display();
    let config = format!(
        "state_dir: {place}/state\ncontrol: {{ socket: {place}/socket }}\ntiers: {{ zswap: {{ enabled: true }} }}\n"
    );
    for (file, text) in [
        ("lowtide.yaml", &*config),
        ("sys/module/zswap/parameters/enabled", "N\n"),
        ("proc/sys/kernel/random/boot_id", "boot"),
        ("proc/meminfo", "MemTotal: 1048576 kB\n"),
    ] {
        fs::create_dir_all(host.path().join(file).parent().unwrap()).unwrap();
        fs::write(host.path().join(file), text).unwrap();
    }
    fs::create_dir(host.path().join("state")).unwrap();
    host
}

fn lowtide(arguments: &[String], stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
    command.args(arguments).stdout(stdout).stderr(stderr).output().unwrap()
}

/// To a full disk and to a closed pipe.
fn is_lost(arguments: &[String]) {
    let output = lowtide(arguments, full_disk(), Stdio::piped());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(LOST), "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");

    let output = lowtide(arguments, closed_pipe(), Stdio::piped());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*said), (Some(LOST), ""), "{arguments:?}");
}

#[test]
fn lost_output_shows_in_the_status() {
    for line in ALONE {
        // A host of its own: one restore at a time, and what is set up already is not set up again.
        let host = host();
        let (root, config) = (top().join("tests/fixtures/6.12"), top().join("systemd/lowtide.yaml"));
        is_lost(&words(line, &[("{root}", &root), ("{config}", &config), ("{host}", host.path())]));
    }
}

/// What is done is done, and a second time tells of it.
#[test]
fn what_was_set_up_is_set_up_though_nobody_heard_of_it() {
    let host = host();
    let line = "tiers apply --root {host} --config {host}/lowtide.yaml";
    is_lost(&words(line, &[("{host}", host.path())]));
    let knob = fs::read_to_string(host.path().join("sys/module/zswap/parameters/enabled")).unwrap();
    assert_eq!(knob, "Y");
}

#[test]
fn lost_output_of_a_daemon_and_of_its_history_shows_in_the_status() {
    let mut live = Live::new();
    let (root, config) = (live.root(), live.config());
    let asked = |line: &str| -> Vec<String> {
        let mut words = words(line, &[("{root}", &root)]);
        words.extend(["--config".to_owned(), config.display().to_string()]);
        words
    };
    for line in ASKED {
        is_lost(&asked(line));
    }
    // It keeps what it has seen so far at its end.
    std::thread::sleep(Duration::from_secs(2));
    live.end();
    let then = live.then();
    for line in PAST {
        let words = asked(&line.replace("{then}", &then));
        let heard = lowtide(&words, Stdio::piped(), Stdio::piped());
        assert!(heard.status.success(), "{line}: {}", String::from_utf8_lossy(&heard.stderr));
        is_lost(&words);
    }
}

/// Options that have a command say something else.
const FORMS: [&str; 6] = ["json", "at", "since", "html", "once", "environment"];

#[test]
fn no_command_is_left_out() {
    let commands = commands();
    let lines: Vec<_> = [ALONE, ASKED, PAST].concat();
    let mut missing = BTreeSet::new();
    for (name, command) in &commands {
        if SILENT.iter().any(|(silent, _)| silent == name) {
            continue;
        }
        let of_it = lines.iter().filter(|line| {
            line.strip_prefix(&**name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        let of_it: Vec<_> = of_it.filter(|line| !line.ends_with("--help")).collect();
        if of_it.is_empty() {
            missing.insert(name.clone());
        }
        let forms =
            command.get_arguments().filter_map(clap::Arg::get_long).filter(|long| FORMS.contains(long));
        for long in forms.map(|long| format!("--{long}")) {
            if !of_it.iter().any(|line| line.split(' ').any(|word| word == long)) {
                missing.insert(format!("{name} {long}"));
            }
        }
    }
    assert!(missing.is_empty(), "whose output is lost in no test: {missing:?}");
}

/// The log is not what the daemon is for: it goes on, and ends as it should.
#[test]
fn a_daemon_whose_log_is_lost_goes_on() {
    for stderr in [full_disk().into(), closed_pipe()] {
        let mut live = Live::logging_to(stderr);
        assert!(live.told(&["status"]).contains("/web/api"));
        assert_eq!(live.end(), Some(0));
    }
}

#[test]
fn where_standard_error_is_lost_the_status_of_a_mistake_stays_one() {
    let bad = top().join("tests/bad-config/54-hotness-range.yaml").display().to_string();
    for line in [
        "nonsense".to_owned(),
        format!("check --config {bad}"),
        format!("run --config {bad}"),
        "doctor --root /nowhere/at/all".to_owned(),
    ] {
        let arguments: Vec<_> = line.split(' ').map(str::to_owned).collect();
        for stderr in [full_disk().into(), closed_pipe()] {
            let output = lowtide(&arguments, Stdio::null(), stderr);
            let code = output.status.code().unwrap();
            assert!([1, 2, LOST, 78].contains(&code), "{line}: {code}");
        }
    }
}
