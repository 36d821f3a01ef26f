//! The log at a terminal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, io::Read, path::Path, process::Command};

/// What `lowtide run` logs at a terminal until it finds no place for its socket.
fn log(no_color: Option<&str>) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/6.12");
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().display();
    let config = directory.path().join("lowtide.yaml");
    let text = format!(
        "state_dir: {place}/state\ncontrol: {{ socket: {place}/lowtide.yaml/socket }}\nhotness: {{ source: none }}\n"
    );
    fs::write(&config, text).unwrap();
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
    command.arg("run").arg("--root").arg(root).arg("--config").arg(config);
    command.env_remove("NO_COLOR").envs(no_color.map(|value| ("NO_COLOR", value)));
    let mut running = command.stderr(terminal.slave).spawn().unwrap();
    // It holds the terminal's other end, without which reading ends.
    drop(command);
    let mut said = Vec::new();
    // The end of a terminal is an error (EIO).
    let _ = fs::File::from(terminal.master).read_to_end(&mut said);
    assert_eq!(running.wait().unwrap().code(), Some(1));
    String::from_utf8(said).unwrap()
}

#[test]
fn no_color_is_heeded() {
    assert!(log(None).contains("\u{1b}["), "a terminal gets colours");
    assert!(log(Some("")).contains("\u{1b}["), "empty is not set");
    let plain = log(Some("1"));
    assert!(plain.contains("lowtide starts") && !plain.contains('\u{1b}'), "{plain}");
}
