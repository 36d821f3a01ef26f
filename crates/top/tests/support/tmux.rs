//! A real terminal: a shell in a tmux of its own, which keys are sent to and whose screen is read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    io,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

/// For a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// It ends with the test.
pub(crate) struct Tmux {
    directory: tempfile::TempDir,
}

impl Tmux {
    /// A shell in a terminal of this size.
    pub(crate) fn new(columns: u16, lines: u16) -> Self {
        let tmux = Self { directory: tempfile::tempdir().unwrap() };
        let (columns, lines) = (columns.to_string(), lines.to_string());
        let shell = "PS1='shell> ' exec sh -i";
        tmux.run(&["-f", "/dev/null", "-u", "new-session", "-d", "-x", &columns, "-y", &lines, shell]);
        tmux.sees("shell>");
        tmux
    }

    fn output(&self, arguments: &[&str]) -> io::Result<Output> {
        let mut command = Command::new("tmux");
        // Not that of whoever runs the test from within one, nor what they have set.
        command.env_remove("TMUX").env_remove("NO_COLOR").env_remove("COLUMNS").env("LC_ALL", "C.UTF-8");
        command.arg("-S").arg(self.directory.path().join("socket")).args(arguments).output()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let told = "tmux cannot be started: these tests drive a real terminal. Install Debian's package tmux, as `cargo xtask test` does";
        let output = self.output(arguments).unwrap_or_else(|error| panic!("{told} ({error})"));
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Presses keys by tmux's names: `q`, `Enter`, `Down`.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    /// Types a command.
    pub(crate) fn command(&self, line: &str) {
        self.run(&["send-keys", "-l", line]);
        self.press(&["Enter"]);
    }

    /// What is on the screen now.
    pub(crate) fn screen(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    /// The same with the sequences for colours.
    pub(crate) fn styled(&self) -> String {
        self.run(&["capture-pane", "-p", "-e"])
    }

    /// Waits until the screen is as wanted, and returns it.
    pub(crate) fn until(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let begin = Instant::now();
        loop {
            let screen = self.screen();
            if is_there(&screen) {
                return screen;
            }
            assert!(begin.elapsed() < PATIENCE, "no {what} on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until this is on the screen.
    pub(crate) fn sees(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        self.run(&["resize-window", "-x", &columns.to_string(), "-y", &lines.to_string()]);
    }

    /// Whether the alternate screen is on, the cursor is seen, and the mouse is taken.
    fn flags(&self) -> String {
        self.run(&["display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}"])
    }

    /// How the terminal's line is set.
    pub(crate) fn line(&self) -> String {
        let file = self.directory.path().join("stty");
        let _ = std::fs::remove_file(&file);
        // Its name comes when it is complete.
        self.command(&format!("stty -a > {0}.new && mv {0}.new {0}", file.display()));
        self.waits_for(&file);
        std::fs::read_to_string(file).unwrap()
    }

    fn waits_for(&self, file: &Path) {
        let begin = Instant::now();
        while !file.exists() {
            assert!(begin.elapsed() < PATIENCE, "no {}:\n{}", file.display(), self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The terminal is as it was when [`line`](Self::line) told this: back on its screen, with a cursor, and
    /// not raw.
    pub(crate) fn is_clean(&self, line: &str) {
        self.until("shell", |screen| screen.trim_end().ends_with("shell>"));
        assert_eq!(self.flags(), "0 1 0\n", "alternate screen, cursor, mouse");
        assert_eq!(self.line(), line);
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // Without tmux there is none.
        let _ = self.output(&["kill-server"]);
    }
}
