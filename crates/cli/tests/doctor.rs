//! `lowtide doctor`: its exit status, and that text and JSON tell the same. What it finds is tested in
//! `crates/daemon/tests/doctor`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn doctor(root: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
    command.arg("doctor").args(options).arg("--root").arg(root).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_host_that_has_what_it_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/6.12");
    let output = doctor(&root, &[]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let said = text(&output.stdout);
    assert!(said.starts_with("6.12.") && said.ends_with("\nlowtide can run here.\n"), "{said}");

    let output = doctor(&root, &["--json"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.len() > 20);
    for finding in findings {
        let line =
            format!("  {}: {}\n", finding["name"].as_str().unwrap(), finding["found"].as_str().unwrap());
        assert!(said.contains(&line), "{line}{said}");
    }
}

#[test]
fn a_host_that_lacks_what_it_takes_is_told_all_the_same_and_exits_1() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("sys/fs/cgroup")).unwrap();
    let output = doctor(root.path(), &[]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), String::new()));
    let said = text(&output.stdout);
    assert!(said.contains("  memory_reclaim: no (lowtide cannot run without it)\n"), "{said}");
    assert!(said.contains("\ntiers\n") && said.contains("\nlowtide cannot run here"), "{said}");

    let output = doctor(root.path(), &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["can_run"], false);
}

#[test]
fn no_such_root_is_an_error() {
    let output = doctor(Path::new("/nowhere/at/all"), &[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    assert!(text(&output.stderr).contains("/nowhere/at/all"), "{}", text(&output.stderr));
}
