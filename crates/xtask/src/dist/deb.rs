//! The .deb, packed by `dpkg-deb`.

use super::files::{self, Family, below, compressed, put};
use super::{Dist, text};
use anyhow::{Context, Result};
use lowtide_lab::process::{output_of, say};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Scripts of the maintainer.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// What a .deb of one version is called.
pub(super) fn name(version: &str) -> String {
    format!("lowtide_{version}-1_amd64.deb")
}

/// Packs it.
pub(super) fn make(dist: &Dist, licences: Option<&Path>) -> Result<PathBuf> {
    let tree = dist.tree(Family::Deb, licences)?;
    let packaging = dist.top.join("packaging/deb");
    let doc = tree.join(files::DOC);
    put(&packaging.join("copyright"), &doc.join("copyright"), 0o644)?;
    put(&packaging.join("lintian-overrides"), &tree.join("usr/share/lintian/overrides/lowtide"), 0o644)?;
    let changelog = dist.work.join("changelog.Debian");
    fs::write(&changelog, changelog_of(dist)?).context("cannot write the changelog")?;
    compressed(&changelog, &doc.join("changelog.Debian"))?;
    let (sums, kibibytes) = contents(&tree)?;
    let control = tree.join("DEBIAN");
    for script in SCRIPTS {
        put(&packaging.join(script), &control.join(script), 0o755)?;
    }
    put(&packaging.join("conffiles"), &control.join("conffiles"), 0o644)?;
    let template = fs::read_to_string(packaging.join("control")).context("cannot read the control file")?;
    let filled = template
        .replace("@VERSION@", &format!("{}-1", dist.version))
        .replace("@INSTALLED_SIZE@", &kibibytes.to_string());
    fs::write(control.join("control"), filled).context("cannot write the control file")?;
    fs::write(control.join("md5sums"), sums).context("cannot write md5sums")?;
    let package = dist.into.join(name(&dist.version));
    let mut command = Command::new("dpkg-deb");
    command.args(["--root-owner-group", "-Zxz", "--build"]).arg(&tree).arg(&package);
    output_of(command.env("SOURCE_DATE_EPOCH", dist.epoch.to_string()))?;
    say(&format!("made {}", package.display()));
    Ok(package)
}

/// `md5sums`, and how many KiB the files take.
fn contents(tree: &Path) -> Result<(String, u64)> {
    let found = below(tree)?;
    let mut kibibytes = 0;
    let mut command = Command::new("md5sum");
    command.current_dir(tree);
    for path in &found {
        let inside = path.strip_prefix(tree)?;
        let size = fs::metadata(path)?.size();
        kibibytes += if path.is_file() { size.div_ceil(1024) } else { 1 };
        // dpkg knows by itself what it was that came as a configuration file.
        if path.is_file() && inside != Path::new(files::CONFIGURATION) {
            command.arg(inside);
        }
    }
    Ok((output_of(&mut command)?, kibibytes))
}

/// In the form that Debian's tools read; what changed is in the other one.
fn changelog_of(dist: &Dist) -> Result<String> {
    let mut command = Command::new("date");
    command.args(["--utc", "--rfc-email", "--date"]).arg(format!("@{}", dist.epoch));
    let date = output_of(command.env("LC_ALL", "C"))?;
    let control = fs::read_to_string(dist.top.join("packaging/deb/control"))?;
    let maintainer = control.lines().find_map(|line| line.strip_prefix("Maintainer: "));
    let maintainer = maintainer.context("the control file names no maintainer")?;
    Ok(format!(
        "lowtide ({}-1) unstable; urgency=medium\n\n  * What changed is in {}/changelog.gz.\n\n -- {maintainer}  {}\n",
        dist.version,
        text(&Path::new("/").join(files::DOC))?,
        date.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another directory, and files that are newer than the commit.
    #[test]
    fn packed_twice_it_is_the_same_to_the_byte() {
        let packed = || {
            let place = tempfile::tempdir().unwrap();
            let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
            let dist = Dist {
                program: top.join("Cargo.toml"),
                top,
                into: place.path().to_owned(),
                work: place.path().join("work"),
                version: "1.0".to_owned(),
                epoch: 1_700_000_000,
            };
            fs::create_dir(&dist.work).unwrap();
            fs::read(make(&dist, None).unwrap()).unwrap()
        };
        assert!(packed() == packed());
    }
}
