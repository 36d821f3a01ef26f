use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lowtide_doctor::{Finding, Report, examine};

/// The captured tree of a kernel.
pub(crate) fn fixture(kernel: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel)
}

/// A copy of a captured tree, to depart from.
pub(crate) struct Tree {
    directory: tempfile::TempDir,
}

impl Tree {
    pub(crate) fn of(kernel: &str) -> Self {
        let tree = Self { directory: tempfile::tempdir().unwrap() };
        let source = fixture(kernel).join(".");
        let status = Command::new("cp").arg("-a").arg(source).arg(tree.directory.path()).status().unwrap();
        assert!(status.success());
        tree
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(self, file: &str, text: &str) -> Self {
        let file = self.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self
    }

    /// A file or a directory with all below, which has to be there.
    pub(crate) fn remove(self, file: &str) -> Self {
        let file = self.path().join(file);
        if file.is_dir() {
            fs::remove_dir_all(file).unwrap();
        } else {
            fs::remove_file(file).unwrap();
        }
        self
    }

    /// Every file of this name.
    pub(crate) fn remove_all(self, name: &str) -> Self {
        let mut removed = 0;
        for (file, _) in self.files() {
            if file.file_name().unwrap() == name {
                fs::remove_file(file).unwrap();
                removed += 1;
            }
        }
        assert!(removed > 0, "{name}");
        self
    }

    /// Takes the lines with `word` in them out of a file.
    pub(crate) fn drop_lines(self, file: &str, word: &str) -> Self {
        let text = fs::read_to_string(self.path().join(file)).unwrap();
        let kept: String = text
            .lines()
            .filter(|line| !line.contains(word))
            .fold(String::new(), |kept, line| kept + line + "\n");
        assert_ne!(text, kept, "{file} has no {word}");
        self.write(file, &kept)
    }

    /// What the distribution keeps of how the kernel was built.
    pub(crate) fn built(self, options: &str) -> Self {
        let release = fs::read_to_string(self.path().join("proc/sys/kernel/osrelease")).unwrap();
        self.write(&format!("boot/config-{}", release.trim()), options)
    }

    /// Every regular file with its content.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut waiting = vec![self.path().to_owned()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    waiting.push(entry.path());
                } else if kind.is_file() {
                    files.push((entry.path(), fs::read(entry.path()).unwrap()));
                }
            }
        }
        files.sort();
        files
    }

    pub(crate) fn examine(&self) -> Report {
        examine(self.path(), None).unwrap()
    }
}

pub(crate) fn finding<'a>(report: &'a Report, name: &str) -> &'a Finding {
    report.findings.iter().find(|finding| finding.feature.name == name).unwrap()
}

/// `NAME: WORD`, then words that its evidence, and words that its remedy has.
pub(crate) type Expected = (&'static str, &'static str, &'static str, &'static str);

/// What to depart from.
pub(crate) fn healthy() -> Tree {
    Tree::of("6.12")
}

/// Looks at some findings.
pub(crate) fn expect(tree: &Tree, can_run: bool, expected: &[Expected]) {
    let report = tree.examine();
    assert_eq!(report.can_run, can_run, "{report}");
    for (name, word, evidence, enable) in expected {
        let finding = finding(&report, name);
        assert_eq!(finding.verdict.word(), *word, "{finding}");
        let said: Vec<_> = finding.evidence.iter().map(ToString::to_string).collect();
        assert!(said.join("\n").contains(evidence), "{evidence}: {finding}");
        assert!(finding.verdict.enable().unwrap_or_default().contains(enable), "{enable}: {finding}");
    }
}
