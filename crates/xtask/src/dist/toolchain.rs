//! What the toolchain links into the program beside crates: Rust's own library, musl's libc, and LLVM's
//! unwinder.

use super::program::TARGET;
use anyhow::{Context, Result};
use lowtide_lab::process::output;
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Its name, whose it is, and its licence.
#[derive(Debug)]
struct Part {
    name: &'static str,
    version: String,
    copyright: &'static str,
    licence: &'static str,
    /// Among the texts that come with the toolchain.
    text: &'static [&'static str],
}

/// What is there now.
#[derive(Debug)]
pub(super) struct Toolchain {
    parts: Vec<Part>,
    /// Where it has the texts of licences.
    texts: PathBuf,
}

impl Toolchain {
    /// The one that builds the program.
    pub(super) fn find() -> Result<Self> {
        let said = output("rustc", &["--verbose", "--version"])?;
        let library = output("rustc", &["--print", "target-libdir", "--target", TARGET])?;
        let libc = Path::new(library.trim()).join("self-contained/libc.a");
        let bytes = fs::read(&libc).with_context(|| format!("cannot read {}", libc.display()))?;
        let musl = musl_version(&bytes).with_context(|| format!("no version in {}", libc.display()))?;
        let root = output("rustc", &["--print", "sysroot"])?;
        let parts = vec![
            Part {
                name: "rust-std",
                version: after(&said, "release: ")?.to_owned(),
                copyright: "Copyright (c) The Rust Project Contributors",
                licence: "Apache-2.0 OR MIT",
                text: &["MIT", "Apache-2.0"],
            },
            Part {
                name: "musl",
                version: musl,
                copyright: "Copyright (c) Rich Felker, et al.",
                licence: "MIT",
                text: &["MIT"],
            },
            Part {
                name: "llvm-libunwind",
                version: after(&said, "LLVM version: ")?.to_owned(),
                copyright: "Copyright (c) The LLVM Project",
                licence: "Apache-2.0 WITH LLVM-exception",
                text: &["Apache-2.0", "LLVM-exception"],
            },
        ];
        Ok(Self { parts, texts: Path::new(root.trim()).join("share/doc/rust/licenses") })
    }

    /// The same form as the rest of the list.
    pub(super) fn licences(&self) -> Result<String> {
        let rule = "=".repeat(80);
        let mut all = format!("\n{rule}\nFrom the toolchain\n\n");
        for Part { name, version, copyright, licence, .. } in &self.parts {
            writeln!(all, "  {name} {version}  {copyright}  ({licence})")?;
        }
        let mut names: Vec<_> = self.parts.iter().flat_map(|part| part.text).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let file = self.texts.join(format!("{name}.txt"));
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}, which rustup installs", file.display()))?;
            write!(all, "{}\n\n{}\n\n", "-".repeat(80), text.trim())?;
        }
        Ok(all)
    }

    /// Adds them to a CycloneDX bill.
    pub(super) fn add_to(&self, bill: &mut Value) -> Result<()> {
        let components = bill["components"].as_array_mut().context("the bill has no components")?;
        components.extend(self.parts.iter().map(|Part { name, version, copyright, licence, .. }| {
            json!({
                "type": "library",
                "bom-ref": format!("toolchain#{name}@{version}"),
                "name": name,
                "version": version,
                "copyright": copyright,
                "scope": "required",
                "licenses": [{ "expression": licence }],
                "purl": format!("pkg:generic/{name}@{version}"),
            })
        }));
        Ok(())
    }
}

fn after<'a>(said: &'a str, key: &str) -> Result<&'a str> {
    let found = said.lines().find_map(|line| line.strip_prefix(key));
    found.with_context(|| format!("`rustc --verbose --version` has no `{key}`"))
}

/// musl's `__libc_version` (src/internal/version.c): digits and dots between two bytes of nought.
fn musl_version(library: &[u8]) -> Option<String> {
    let texts = library.split(|byte| *byte == 0).filter_map(|bytes| str::from_utf8(bytes).ok());
    let is_version = |text: &&str| {
        text.split('.').count() == 3
            && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    texts.filter(is_version).map(ToOwned::to_owned).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_musl_is_in_its_library() {
        assert_eq!(musl_version(b"\x7fELF\0/etc/passwd\x001.2.5\0x"), Some("1.2.5".to_owned()));
        assert_eq!(musl_version(b"1.2\0a.b.c\0..\0"), None);
    }

    #[test]
    fn parts_are_added_to_a_bill() {
        let parts = vec![Part {
            name: "musl",
            version: "1.2.5".to_owned(),
            copyright: "Copyright",
            licence: "MIT",
            text: &["MIT"],
        }];
        let texts = tempfile::tempdir().unwrap();
        fs::write(texts.path().join("MIT.txt"), "Permission is granted\n").unwrap();
        let toolchain = Toolchain { parts, texts: texts.path().to_owned() };
        let mut bill = json!({ "components": [{ "name": "anyhow" }] });
        toolchain.add_to(&mut bill).unwrap();
        assert_eq!(bill["components"][1]["purl"], "pkg:generic/musl@1.2.5");
        let licences = toolchain.licences().unwrap();
        assert!(licences.contains("musl 1.2.5") && licences.contains("Permission is granted"), "{licences}");
        assert!(toolchain.add_to(&mut json!({})).is_err());
    }
}
