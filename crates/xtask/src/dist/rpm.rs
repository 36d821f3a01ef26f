//! The .rpm, packed by `rpmbuild` from the tree of files.

use super::files::{self, Family, below, put};
use super::{Dist, text};
use anyhow::{Context, Result};
use lowtide_lab::process::{output_of, say};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Directories that belong to the package; the others are the distribution's.
const OWN: [&str; 4] = ["etc/lowtide", "usr/share/lowtide", files::DOC, files::POLICIES];

/// Packs it.
pub(super) fn make(dist: &Dist, licences: Option<&Path>) -> Result<()> {
    let tree = dist.tree(Family::Rpm, licences)?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        put(&dist.top.join(licence), &tree.join("usr/share/licenses/lowtide").join(licence), 0o644)?;
    }
    let list = dist.work.join("rpm-files");
    fs::write(&list, listing(&tree)?).context("cannot write the list of files")?;
    let packages = dist.work.join("rpm-packages");
    let mut command = Command::new("rpmbuild");
    command.args(["-bb", "--quiet", "--target", "x86_64-linux"]);
    for (name, value) in [
        ("_topdir", &dist.work.join("rpmbuild")),
        ("_rpmdir", &packages),
        ("dist_root", &tree),
        ("dist_files", &list),
    ] {
        command.arg("--define").arg(format!("{name} {}", value.display()));
    }
    command.arg("--define").arg(format!("dist_version {}", dist.version));
    command.arg(dist.top.join("packaging/rpm/lowtide.spec"));
    // The package's own header names the host that it was built on.
    output_of(command.env("SOURCE_DATE_EPOCH", dist.epoch.to_string()))?;
    let name = format!("lowtide-{}-1.x86_64.rpm", dist.version);
    let made = packages.join("x86_64").join(&name);
    fs::copy(&made, dist.into.join(&name)).with_context(|| format!("rpmbuild made no {}", made.display()))?;
    say(&format!("made {}", dist.into.join(&name).display()));
    Ok(())
}

/// Lines of `%files`: who owns it, which of them are configuration, documentation or licences.
fn listing(tree: &Path) -> Result<String> {
    let mut lines = String::from("%defattr(-,root,root,-)\n");
    for path in below(tree)? {
        let inside = path.strip_prefix(tree)?;
        let kind = if path.is_dir() {
            if !OWN.iter().any(|own| inside.starts_with(own))
                && inside != Path::new("usr/share/licenses/lowtide")
            {
                continue;
            }
            "%dir "
        } else if inside == Path::new(files::CONFIGURATION) {
            "%config(noreplace) "
        } else if inside.starts_with("usr/share/licenses") {
            "%license "
        } else if inside.starts_with(files::DOC) || inside.starts_with("usr/share/man") {
            "%doc "
        } else {
            ""
        };
        lines.extend([kind, "/", text(inside)?, "\n"]);
    }
    Ok(lines)
}
