//! A configuration that may not be read. Root may read everything, so the command runs as nobody.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

const NOBODY: &str = "65534";

#[test]
fn an_unreadable_file_is_told_with_its_remedy() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let config = directory.path().join("lowtide.yaml");
    fs::write(&config, "interval: 6s\n").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o000)).unwrap();
    // The build may lie in a directory that nobody may enter.
    let program = directory.path().join("lowtide");
    fs::copy(env!("CARGO_BIN_EXE_lowtide"), &program).unwrap();

    let output = as_nobody(&program).args(["check", "--config"]).arg(&config).output().unwrap();

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad-config/79-unreadable.stderr");
    let message = String::from_utf8(output.stderr).unwrap();
    let message = message.replace(&format!("{}/", directory.path().display()), "");
    assert_eq!(message.trim_end(), fs::read_to_string(golden).unwrap().trim_end());
    assert_eq!(output.status.code(), Some(78));
}

fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}
