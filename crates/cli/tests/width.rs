//! The help fits the terminal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

#[test]
fn help_is_no_wider_than_the_terminal() {
    for command in ["run", "check", "doctor", "status", "explain", "report", "top", "tiers", "restore"] {
        for help in ["-h", "--help"] {
            let mut lowtide = Command::new(env!("CARGO_BIN_EXE_lowtide"));
            let output = lowtide.args([command, help]).env("COLUMNS", "80").output().unwrap();
            let told = String::from_utf8(output.stdout).unwrap();
            for line in told.lines() {
                // A default that is a path has no blank to break a line at.
                let fits = line.chars().count() <= 80 || !line.trim_start().contains(' ');
                assert!(fits, "{command}: {line}");
            }
        }
    }
}
