//! Where output goes to a closed pipe or a full disk: no panic, and a status that tells.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs::{File, OpenOptions},
    io::pipe,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const LOST: i32 = 74;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn full_disk() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// The writing end of a pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Every command that can do its work without a daemon, with the way it says something on standard output.
fn commands(state: &Path) -> Vec<Vec<String>> {
    let root = top().join("tests/fixtures/6.12").display().to_string();
    let config = top().join("systemd/lowtide.yaml").display().to_string();
    let state = state.display().to_string();
    let lines = [
        "--help".to_owned(),
        "--version".to_owned(),
        "status --help".to_owned(),
        format!("doctor --root {root}"),
        format!("doctor --json --root {root}"),
        format!("check --config {config}"),
        format!("check --environment --root {root} --config {config}"),
        format!("top --once --interval 100ms --root {root} --config {config}"),
        format!("top --json --interval 100ms --root {root} --config {config}"),
        format!("tiers plan --root {root} --config {config}"),
        // A host of its own: one restore at a time, and tests run side by side.
        format!("restore --root {state} --state-dir {state}"),
    ];
    lines.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

fn lowtide(arguments: &[String], stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
    command.args(arguments).stdout(stdout).stderr(stderr).output().unwrap()
}

#[test]
fn a_full_disk_is_told_on_standard_error() {
    let state = tempfile::tempdir().unwrap();
    for arguments in commands(state.path()) {
        let output = lowtide(&arguments, full_disk(), Stdio::piped());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(LOST), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_closed_pipe_is_told_by_the_status_alone() {
    let state = tempfile::tempdir().unwrap();
    for arguments in commands(state.path()) {
        let output = lowtide(&arguments, closed_pipe(), Stdio::piped());
        assert_eq!(output.status.code(), Some(LOST), "{arguments:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
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
