//! `status`, `explain` and `report`, with somebody on the socket who answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead, BufReader, Write, pipe},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

const ANSWER: &str = "all is well";
const COMMANDS: [&[&str]; 3] = [&["status"], &["explain", "/web"], &["report"]];

/// A directory with a configuration, and a daemon that gives everybody the same answer.
struct Asked {
    directory: tempfile::TempDir,
}

impl Asked {
    /// `more` comes behind the line that names the socket.
    fn new(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("control.sock");
        let config = format!("control: {{ socket: {} }}\n{more}", socket.display());
        fs::write(directory.path().join("lowtide.yaml"), config).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = String::new();
                BufReader::new(&stream).read_line(&mut request).unwrap();
                writeln!(stream, "{{\"text\":\"{ANSWER}\"}}").unwrap();
            }
        });
        Self { directory }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
        command.args(arguments).arg("--config").arg(self.at("lowtide.yaml"));
        command
    }
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_configured_socket_is_asked() {
    let asked = Asked::new("");
    for command in COMMANDS {
        let output = asked.command(command).output().unwrap();
        assert_eq!(told(&output), (Some(0), format!("{ANSWER}\n"), String::new()), "{command:?}");
    }
}

#[test]
fn a_broken_file_still_tells_the_socket() {
    let asked = Asked::new("interval: soon\n");
    for command in COMMANDS {
        let (status, stdout, stderr) = told(&asked.command(command).output().unwrap());
        assert_eq!((status, stdout), (Some(0), format!("{ANSWER}\n")), "{command:?}: {stderr}");
        assert!(stderr.contains("lowtide.yaml cannot be used"), "{stderr}");
    }
}

#[test]
fn a_file_that_tells_nothing_leaves_the_default_socket() {
    let asked = Asked::new("");
    fs::write(asked.at("lowtide.yaml"), "{ no yaml").unwrap();
    for command in COMMANDS {
        let (status, _, stderr) = told(&asked.command(command).output().unwrap());
        assert_eq!(status, Some(78), "{command:?}: {stderr}");
        assert!(stderr.contains("/run/lowtide/lowtide.sock: ") && stderr.contains("--socket"), "{stderr}");
        assert!(stderr.contains("lowtide.yaml:1:"), "{stderr}");
    }
}

#[test]
fn an_answer_that_gets_lost_shows_in_the_status() {
    let asked = Asked::new("");
    for command in COMMANDS {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (status, _, stderr) = told(&asked.command(command).stdout(full).output().unwrap());
        assert_eq!(status, Some(74), "{command:?}");
        assert!(stderr.contains("cannot write the output"), "{stderr}");

        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = asked.command(command).stdout(Stdio::from(writer)).output().unwrap();
        assert_eq!(told(&output), (Some(74), String::new(), String::new()), "{command:?}");
    }
}

/// Root may connect to everything, so the command runs as nobody.
#[test]
fn who_may_not_connect_is_told_who_may() {
    let asked = Asked::new("");
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(asked.directory.path());
    fs::set_permissions(asked.at("control.sock"), fs::Permissions::from_mode(0o000)).unwrap();
    // The build may lie in a directory that nobody may enter.
    let program = asked.at("lowtide");
    fs::copy(env!("CARGO_BIN_EXE_lowtide"), &program).unwrap();
    let mut command = Command::new("setpriv");
    if nix::unistd::geteuid().is_root() {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    }
    command.arg(&program);
    let output = command.arg("status").arg("--config").arg(asked.at("lowtide.yaml")).output().unwrap();
    let (status, _, stderr) = told(&output);
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("run as root") && stderr.contains("control.group"), "{stderr}");
}
