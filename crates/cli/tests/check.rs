//! `lowtide check`: its exit status and what it prints. The messages themselves are
//! `crates/policy/tests/bad_config.rs`'s.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `lowtide check --config CONFIG` in `directory`, so that messages name the file as it was given.
fn check(directory: &Path, config: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
    command.arg("check").args(options).arg("--config").arg(config).current_dir(directory);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_bad_configuration_exits_78_with_its_message_on_stderr() {
    let directory = workspace().join("tests/bad-config");
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let name = PathBuf::from(entry.unwrap().file_name());
        let config = if directory.join(&name).is_dir() { name.join("lowtide.yaml") } else { name.clone() };
        if config.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let golden = name.to_str().unwrap().trim_end_matches(".yaml");
        let golden = fs::read_to_string(directory.join(format!("{golden}.stderr"))).unwrap();
        let output = check(&directory, &config, &[]);
        assert_eq!(output.status.code(), Some(78), "{}", name.display());
        assert_eq!(text(&output.stdout), "", "{}", name.display());
        assert_eq!(text(&output.stderr), golden, "{}", name.display());
        count += 1;
    }
    assert!(count >= 30, "only {count} bad configurations");
}

#[test]
fn a_missing_file_exits_78_too() {
    let output = check(Path::new("/"), Path::new("nowhere.yaml"), &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).starts_with("nowhere.yaml: error: "), "{}", text(&output.stderr));
}

#[test]
fn every_example_policy_passes_even_with_warnings_denied() {
    let directory = workspace().join("policies");
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let name = PathBuf::from(entry.unwrap().file_name());
        let output = check(&directory, &name, &["--deny-warnings"]);
        assert_eq!(output.status.code(), Some(0), "{}: {}", name.display(), text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "{}", name.display());
        assert!(
            text(&output.stdout).lines().next().unwrap().ends_with(" in 1 file: ok"),
            "{}",
            name.display()
        );
        count += 1;
    }
    assert!(count >= 5, "only {count} example policies");
}

#[test]
fn the_environment_of_a_fixture_is_judged_and_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("lowtide.yaml");
    fs::write(&config, "policies: [{ name: web, match: [/web/*], mode: full }]\n").unwrap();
    let root = workspace().join("tests/fixtures/6.12");
    let output = check(directory.path(), &config, &["--environment", "--root", root.to_str().unwrap()]);
    let findings = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{findings}{}", text(&output.stderr));
    assert!(findings.contains("ok: policy web: 1 targets at the moment"), "{findings}");
}

#[test]
fn tiers_that_the_kernel_cannot_tell_apart_are_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("lowtide.yaml");
    let root = workspace().join("tests/fixtures/6.12");
    for (tiers, finding) in [
        ("[{ use: zram }]", "warning: policy web: the policy forbids one of this host's swap devices"),
        ("[{ use: node }]", "warning: policy web: the policy allows none of the swap tiers"),
        ("[{ use: zram }, { use: disk, at_most: 1GiB }]", "ok: policy web: at_most of a swap device"),
        ("[{ use: zram }, { use: disk }]", "ok: policy web: its tiers can be kept to as they are"),
    ] {
        let policy = format!("policies: [{{ name: web, match: [/web/*], mode: full, tiers: {tiers} }}]\n");
        fs::write(&config, policy).unwrap();
        let output = check(directory.path(), &config, &["--environment", "--root", root.to_str().unwrap()]);
        let findings = text(&output.stdout);
        assert!(findings.contains(finding), "{tiers}: {findings}{}", text(&output.stderr));
    }
}

#[test]
fn the_host_as_a_whole_passes_and_says_where_its_limits_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let text_of = "policies:\n  - { name: host, match: [\"/\"], mode: full }\n";
    fs::write(directory.path().join("lowtide.yaml"), text_of).unwrap();
    let output = check(directory.path(), Path::new("lowtide.yaml"), &["--deny-warnings"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.contains("host: full, the host as a whole: `check --environment`"), "{told}");
}
