//! What a package has, and where it goes.

use super::{Dist, bill};
use anyhow::{Context, Result};
use lowtide_lab::process::output_of;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who installs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Debian and what came of it.
    Deb,
    /// Fedora, RHEL, SUSE.
    Rpm,
}

impl Family {
    /// The ending of its packages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        }
    }

    const fn zsh(self) -> &'static str {
        match self {
            Self::Deb => "usr/share/zsh/vendor-completions/_lowtide",
            Self::Rpm => "usr/share/zsh/site-functions/_lowtide",
        }
    }
}

/// The configuration that an upgrade leaves as the administrator has it.
pub(super) const CONFIGURATION: &str = "etc/lowtide/lowtide.yaml";
/// Where more policies go; empty.
pub(super) const POLICIES: &str = "etc/lowtide/policies.d";
/// Documentation.
pub(super) const DOC: &str = "usr/share/doc/lowtide";

/// Single files: from the workspace, to the root of the host.
const FILES: [(&str, &str); 9] = [
    ("systemd/lowtide.service", "usr/lib/systemd/system/lowtide.service"),
    ("systemd/lowtide-tiers.service", "usr/lib/systemd/system/lowtide-tiers.service"),
    ("systemd/lowtide.yaml", CONFIGURATION),
    ("docs/completions/lowtide.bash", "usr/share/bash-completion/completions/lowtide"),
    ("docs/completions/lowtide.fish", "usr/share/fish/vendor_completions.d/lowtide.fish"),
    ("docs/policy.schema.json", "usr/share/lowtide/policy.schema.json"),
    ("docs/output.schema.json", "usr/share/lowtide/output.schema.json"),
    ("README.md", "usr/share/doc/lowtide/README.md"),
    ("packaging/prometheus/lowtide.rules.yml", "usr/share/lowtide/prometheus/lowtide.rules.yml"),
];

/// All files of a directory with one ending.
const TREES: [(&str, &str, &str); 3] = [
    ("docs", "md", "usr/share/doc/lowtide/docs"),
    ("policies", "yaml", "usr/share/doc/lowtide/examples/policies"),
    ("packaging/grafana", "json", "usr/share/lowtide/grafana"),
];

/// Makes the tree of one kind of package, with the modes that its files shall have.
pub(super) fn lay_out(dist: &Dist, family: Family, licences: Option<&Path>, tree: &Path) -> Result<()> {
    put(&dist.program, &tree.join("usr/bin/lowtide"), 0o755)?;
    for (from, to) in FILES {
        put(&dist.top.join(from), &tree.join(to), 0o644)?;
    }
    put(&dist.top.join("docs/completions/_lowtide"), &tree.join(family.zsh()), 0o644)?;
    for (from, ending, to) in TREES {
        for file in listed(&dist.top.join(from), ending)? {
            put(&file, &tree.join(to).join(file.file_name().unwrap_or_default()), 0o644)?;
        }
    }
    for section in ["1", "5"] {
        for page in listed(&dist.top.join("docs/man"), section)? {
            let directory = tree.join(format!("usr/share/man/man{section}"));
            compressed(&page, &directory.join(page.file_name().unwrap_or_default()))?;
        }
    }
    compressed(&dist.top.join("CHANGELOG.md"), &tree.join(DOC).join("changelog"))?;
    if let Some(licences) = licences {
        put(licences, &tree.join(DOC).join("third-party-licences.txt"), 0o644)?;
        put(&licences.with_file_name(bill::LIBRARY), &tree.join(DOC).join(bill::LIBRARY), 0o644)?;
    }
    directory(&tree.join(POLICIES))
}

/// Copies one file, with its directories.
pub(super) fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    directory(to.parent().context("a file without a directory")?)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, Permissions::from_mode(mode)).context("cannot set a mode")
}

/// As [`put`], with `gzip`, and `.gz` behind the name.
pub(super) fn compressed(from: &Path, to: &Path) -> Result<()> {
    put(from, to, 0o644)?;
    output_of(Command::new("gzip").args(["-9", "--no-name", "--force"]).arg(to)).map(drop)
}

/// Creates a directory and those above it, whatever the umask.
pub(super) fn directory(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        directory(parent)?;
    }
    fs::create_dir(path).with_context(|| format!("cannot create {}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(0o755)).context("cannot set a mode")
}

/// Files of a directory with an ending, in the order of their names.
pub(super) fn listed(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|found| found == ending));
    paths.sort();
    Ok(paths)
}

/// Everything below a directory, itself left out, in the order of the names; what is in a directory after it.
pub(super) fn below(top: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(top).with_context(|| format!("cannot list {}", top.display()))?;
    let mut found = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    for directory in found.clone().iter().filter(|path| path.is_dir()) {
        found.extend(below(directory)?);
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// Both kinds have the same files; only zsh looks in two places.
    #[test]
    fn every_file_of_the_lists_is_there() {
        let work = tempfile::tempdir().unwrap();
        let dist = Dist {
            top: top(),
            into: work.path().to_owned(),
            work: work.path().to_owned(),
            version: "1.0".to_owned(),
            epoch: 0,
            program: top().join("Cargo.toml"),
        };
        let names = |family: Family| {
            let tree = dist.tree(family, None).unwrap();
            let found = below(&tree).unwrap().into_iter().filter(|path| path.is_file());
            found.map(|path| path.strip_prefix(&tree).unwrap().to_owned()).collect::<Vec<_>>()
        };
        let (deb, rpm) = (names(Family::Deb), names(Family::Rpm));
        assert_eq!(deb.len(), rpm.len());
        let only: Vec<_> = deb.iter().filter(|path| !rpm.contains(path)).collect();
        assert_eq!(only, [Path::new(Family::Deb.zsh())]);
        for path in ["usr/share/man/man5/lowtide.yaml.5.gz", "usr/share/man/man1/lowtide.1.gz", CONFIGURATION]
        {
            assert!(deb.contains(&PathBuf::from(path)), "{path}");
        }
        assert!(deb.iter().any(|path| path.starts_with("usr/share/lowtide/grafana")));
        assert!(deb.iter().any(|path| path.starts_with("usr/share/doc/lowtide/examples/policies")));
    }
}
