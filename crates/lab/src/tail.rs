//! Following files that grow while a machine runs.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// One growing file, printed line by line with a prefix.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    prefix: &'static str,
    file: Option<File>,
    rest: Vec<u8>,
}

impl Tail {
    /// Follows `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: PathBuf, prefix: &'static str) -> Self {
        Self { path, prefix, file: None, rest: Vec::new() }
    }

    /// The complete lines that were added since the last call, without their line ends.
    pub fn lines(&mut self) -> Vec<String> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        if let Some(file) = &mut self.file {
            // A read error shows up as missing lines; the files are read again, with errors, at the end.
            let _ = file.read_to_end(&mut self.rest);
        }
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else { return Vec::new() };
        let complete: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&complete)
            .lines()
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect()
    }

    /// Prints what was added since the last call to stderr.
    pub fn print(&mut self) {
        for line in self.lines() {
            eprintln!("{} {line}", self.prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_complete_lines_come_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut tail = Tail::new(path.clone(), "");
        assert!(tail.lines().is_empty());
        let mut file = File::create(path).unwrap();
        file.write_all(b"one\r\ntw").unwrap();
        assert_eq!(tail.lines(), ["one"]);
        file.write_all(b"o\nthree\n").unwrap();
        assert_eq!(tail.lines(), ["two", "three"]);
    }
}
