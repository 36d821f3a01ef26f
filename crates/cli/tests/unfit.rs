//! Hosts on which nothing can work, or not what a policy promises.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn fixture(kernel: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel)
}

fn configuration(directory: &Path, mode: &str) -> PathBuf {
    let place = directory.display();
    let config = directory.join("lowtide.yaml");
    let text = format!(
        "interval: 1s\nstate_dir: {place}/state\ncontrol: {{ socket: {place}/socket }}\nhotness: {{ source: none }}\n\
         policies: [{{ name: web, match: ['/web/*'], mode: {mode} }}]\n"
    );
    fs::write(&config, text).unwrap();
    config
}

/// The exit status of `check --environment`, and its findings.
fn check(root: &Path, mode: &str) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let config = configuration(directory.path(), mode);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
    let output = command
        .arg("check")
        .arg("--environment")
        .arg("--root")
        .arg(root)
        .arg("--config")
        .arg(config)
        .output();
    let output = output.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// A host with a few files.
fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let file = root.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    root
}

const MOUNTS: (&str, &str) = ("proc/self/mountinfo", "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");

#[test]
fn a_host_where_nothing_can_work_fails_the_check() {
    let (status, told) = check(host(&[]).path(), "observe");
    assert_eq!(status, Some(78), "{told}");
    assert!(told.contains("error: no cgroup2: nothing works; mount -t cgroup2"), "{told}");

    let root = host(&[MOUNTS, ("sys/fs/cgroup/cgroup.controllers", "cpu io\n")]);
    let (status, told) = check(root.path(), "observe");
    assert_eq!(status, Some(78), "{told}");
    assert!(
        told.contains("error: no memory_controller: nothing works; boot with cgroup_enable=memory"),
        "{told}"
    );
}

#[test]
fn page_cache_alone_cannot_be_asked_of_an_older_kernel_with_swap() {
    let (status, told) = check(&fixture("6.1"), "file");
    assert_eq!(status, Some(78), "{told}");
    assert!(
        told.contains("error: policy web: `mode: file` does nothing here (file_only_unsupported): 6.1"),
        "{told}"
    );
    for (kernel, mode) in [("6.1", "full"), ("6.12", "file")] {
        let (status, told) = check(&fixture(kernel), mode);
        assert_eq!(status, Some(0), "{kernel} {mode}: {told}");
    }
}

#[test]
fn an_slo_on_pressure_needs_pressure() {
    let root = tempfile::tempdir().unwrap();
    let copied =
        Command::new("cp").arg("-r").arg(fixture("6.12")).arg(root.path().join("r")).status().unwrap();
    assert!(copied.success());
    let root = root.path().join("r");
    fs::remove_file(root.join("proc/pressure/memory")).unwrap();
    let (status, told) = check(&root, "full");
    assert_eq!(status, Some(78), "{told}");
    assert!(told.contains("error: no /proc/pressure/memory: no `slo` on pressure can be kept"), "{told}");
    assert_eq!(check(&root, "observe").0, Some(0), "who only looks promises nothing");
}

/// A daemon on such a host, and the lines of its log.
fn run(root: &Path, config: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
    command.arg("run").arg("--root").arg(root).arg("--config").arg(config).env_remove("JOURNAL_STREAM");
    let mut daemon = command.stderr(Stdio::piped()).spawn().unwrap();
    let log = BufReader::new(daemon.stderr.take().unwrap());
    (daemon, log.lines().map_while(Result::ok))
}

fn stop(daemon: &mut Child) {
    kill(Pid::from_raw(daemon.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert!(daemon.wait().unwrap().success());
}

#[test]
fn the_daemon_says_so_and_goes_on_when_the_host_can() {
    let directory = tempfile::tempdir().unwrap();
    let config = configuration(directory.path(), "observe");
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let (mut daemon, mut log) = run(&root, &config);
    assert!(log.any(|line| line.contains("ERROR") && line.contains("no cgroup2")), "it is said");
    let copied = Command::new("cp").arg("-rT").arg(fixture("6.12")).arg(&root).status().unwrap();
    assert!(copied.success());
    assert!(log.any(|line| line.contains("lowtide starts")), "the daemon went on trying");
    stop(&mut daemon);
    let told = "lowtide stopped: no request is under way, 0 kernel settings were put back";
    assert!(log.any(|line| line.contains(told)), "a clean stop is told");
}

#[test]
fn the_daemon_stops_while_it_waits() {
    let directory = tempfile::tempdir().unwrap();
    let config = configuration(directory.path(), "observe");
    let root = host(&[]);
    let (mut daemon, mut log) = run(root.path(), &config);
    assert!(log.any(|line| line.contains("tries again")));
    stop(&mut daemon);
}
