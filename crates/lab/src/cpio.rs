//! Writing a cpio archive in the `newc` form, the one the kernel unpacks as its first root.

use std::collections::BTreeSet;

/// An archive being written.
#[derive(Debug, Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
    directories: BTreeSet<String>,
}

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const SYMLINK: u32 = 0o120_777;

impl Cpio {
    /// Adds a directory and its parents, each once.
    pub fn directory(&mut self, name: &str) {
        self.parents_of(name);
        if self.directories.insert(name.to_owned()) {
            self.entry(name, DIRECTORY, &[]);
        }
    }

    /// Adds an executable file, with its directories.
    pub fn file(&mut self, name: &str, content: &[u8]) {
        self.parents_of(name);
        self.entry(name, PROGRAM, content);
    }

    /// Adds a symbolic link, with its directories.
    pub fn symlink(&mut self, name: &str, target: &str) {
        self.parents_of(name);
        self.entry(name, SYMLINK, target.as_bytes());
    }

    /// Ends the archive and returns its bytes.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn parents_of(&mut self, name: &str) {
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.directory(parent);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let header =
            [self.entries, mode, 0, 0, 1, 0, length(content), 0, 0, 0, 0, length(name.as_bytes()) + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in header {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The format has 32-bit lengths; the lab's files are a few megabytes.
fn length(content: &[u8]) -> u32 {
    u32::try_from(content.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_padded_to_four_bytes() {
        let mut cpio = Cpio::default();
        cpio.directory("bin");
        cpio.file("bin/a", b"hello");
        let bytes = cpio.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("07070100000001000041ed"), "{text}");
        assert!(text.contains("hello"));
        assert!(text.contains("TRAILER!!!"));
    }
}
