//! The commands beside `check`: what they print, where, and with what exit status.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use lowtide_journal::{FILE_NAME, Journal};
use lowtide_kernfs::Root;

/// `--help` and mistakes on the command line. `TRYCMD=overwrite cargo test -p lowtide` writes them anew.
#[test]
fn command_line() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}

/// A host of one knob, with a configuration that keeps everything in its directory.
struct Host {
    directory: tempfile::TempDir,
}

const KNOB: &str = "sys/module/zswap/parameters/enabled";

impl Host {
    fn new(knob: &str) -> Self {
        let host = Self { directory: tempfile::tempdir().unwrap() };
        let place = host.directory.path().display();
        let config = format!("state_dir: {place}/state\ncontrol: {{ socket: {place}/control.sock }}\n");
        fs::write(host.at("lowtide.yaml"), config).unwrap();
        for (file, value) in [(KNOB, knob), ("proc/sys/kernel/random/boot_id", "boot")] {
            let file = host.at("root").join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, value).unwrap();
        }
        fs::create_dir(host.at("state")).unwrap();
        host
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn knob(&self) -> String {
        fs::read_to_string(self.at("root").join(KNOB)).unwrap()
    }

    /// What a daemon that was killed leaves behind.
    fn journal(&self, original: &str, written: &str) {
        let root = Root::open(self.at("root")).unwrap();
        let mut journal = Journal::open(&self.at("state"), &root).unwrap();
        journal.note(Path::new(KNOB), original, written).unwrap();
    }

    fn lowtide(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
        command
            .args(arguments)
            .arg("--root")
            .arg(self.at("root"))
            .arg("--config")
            .arg(self.at("lowtide.yaml"));
        command.output().unwrap()
    }

    /// `lowtide restore`, which must go well.
    fn restore(&self) -> String {
        let output = self.lowtide(&["restore"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn restore_with_nothing_to_do() {
    let host = Host::new("N\n");
    assert_eq!(host.restore(), "nothing to put back: lowtide has changed no kernel setting\n");
    assert_eq!(host.knob(), "N\n");
}

#[test]
fn restore_where_lowtide_never_ran() {
    let host = Host::new("N\n");
    fs::remove_dir(host.at("state")).unwrap();
    let told = format!("nothing to put back: {} does not exist\n", host.at("state").display());
    assert_eq!(host.restore(), told);
    assert!(!host.at("state").exists());

    let output = host.lowtide(&["restore", "--state-dir", host.at("typo").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "what was named and is not there hides what is to be put back");
}

#[test]
fn restore_puts_back_what_a_killed_daemon_left() {
    let host = Host::new("Y\n");
    host.journal("N", "Y");
    assert_eq!(host.restore(), format!("/{KNOB}: put back (it was `Y`)\n"));
    assert_eq!(host.knob(), "N");
    assert!(host.restore().starts_with("nothing to put back"), "safe to run twice");
}

#[test]
fn restore_leaves_alone_what_somebody_else_wrote() {
    let host = Host::new("2\n");
    host.journal("N", "Y");
    let said = "left as it is: lowtide wrote `Y`, somebody else `2` since";
    assert_eq!(host.restore(), format!("/{KNOB}: {said}\n"));
    assert_eq!(host.knob(), "2\n");
}

#[test]
fn restore_does_not_trust_a_damaged_journal() {
    let host = Host::new("Y\n");
    host.journal("N", "Y");
    let journal = host.at("state").join(FILE_NAME);
    let damaged = fs::read_to_string(&journal).unwrap().replace("\"N\"", "\"9\"");
    fs::write(&journal, damaged).unwrap();
    let output = host.lowtide(&["restore"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("journal:2: the journal of knobs is damaged"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(host.knob(), "Y\n");
    assert!(journal.exists());
}

#[test]
fn without_a_daemon_there_is_nobody_to_ask() {
    let host = Host::new("N\n");
    for command in [&["status"][..], &["status", "--json"], &["explain", "/web"]] {
        let output = host.lowtide(command);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert_eq!(text(&output.stdout), "", "{command:?}");
        let socket = host.at("control.sock");
        let said = format!(
            "lowtide: {}: No such file or directory (os error 2); is the daemon running? (`systemctl status lowtide`)\n",
            socket.display()
        );
        assert_eq!(text(&output.stderr), said, "{command:?}");
    }
}

#[test]
fn a_bad_configuration_is_shown_by_every_command_that_reads_it() {
    let host = Host::new("N\n");
    fs::write(host.at("lowtide.yaml"), "interval: soon\n").unwrap();
    for (command, remedy) in [("run", ""), ("restore", "--state-dir"), ("status", "--socket")] {
        let output = host.lowtide(&[command]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{command}: {said}");
        assert!(said.contains("lowtide.yaml:1:11: error: ") && said.contains(remedy), "{command}: {said}");
    }
}

#[test]
fn restore_needs_no_configuration_that_is_right() {
    let host = Host::new("Y\n");
    host.journal("N", "Y");
    fs::write(host.at("lowtide.yaml"), "interval: soon\n").unwrap();
    let output = host.lowtide(&["restore", "--state-dir", host.at("state").to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(host.knob(), "N");
}

#[test]
fn tiers_are_planned_set_up_once_and_undone() {
    let host = Host::new("N\n");
    fs::write(host.at("root/proc/meminfo"), "MemTotal: 1048576 kB\n").unwrap();
    let said = |arguments: &[&str], status: i32| {
        let output = host.lowtide(arguments);
        assert_eq!(output.status.code(), Some(status), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(said(&["tiers", "plan"], 0), "nothing is asked for under `tiers`\n");
    let bare = fs::read_to_string(host.at("lowtide.yaml")).unwrap();
    let configure =
        |tiers: &str| fs::write(host.at("lowtide.yaml"), format!("{bare}tiers: {tiers}\n")).unwrap();

    configure("{ zram: { size: 100% }, zswap: { enabled: true } }");
    let impossible = said(&["tiers", "apply"], 1);
    assert!(
        impossible.contains("IMPOSSIBLE  /dev/zram0") && impossible.contains("modprobe zram"),
        "{impossible}"
    );
    assert_eq!(host.knob(), "N\n", "nothing is done if anything is impossible");

    configure("{ zswap: { enabled: true } }");
    assert!(said(&["tiers", "plan"], 0).starts_with(&format!("to do       /{KNOB}: N -> Y\n")));
    assert_eq!(host.knob(), "N\n");
    assert!(said(&["tiers", "apply"], 0).starts_with(&format!("done        /{KNOB}: N -> Y\n")));
    assert!(said(&["tiers", "apply", "--json"], 0).contains("\"done\": []"), "twice is once");
    said(&["restore", "--keep-tiers"], 0);
    assert_eq!(host.knob(), "Y");
    assert_eq!(said(&["restore"], 0), format!("/{KNOB}: undone\n"));
    assert_eq!(host.knob(), "N");
    assert!(said(&["restore"], 0).starts_with("nothing to put back"));
}
