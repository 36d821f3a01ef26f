//! What a package has, and where it goes.

use super::{Dist, bill};
use anyhow::{Context, Result};
use lowtide_lab::process::output_of;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
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
const TREES: [(&str, &str, &str); 4] = [
    ("docs", "md", "usr/share/doc/lowtide/docs"),
    ("docs/dashboards", "svg", "usr/share/doc/lowtide/docs/dashboards"),
    ("policies", "yaml", "usr/share/doc/lowtide/examples/policies"),
    ("packaging/grafana", "json", "usr/share/lowtide/grafana"),
];

/// Directories that pages lead to, beside those of [`TREES`]: from the workspace, to the root of the host.
const PLACES: [(&str, &str); 3] = [
    ("docs/man", "usr/share/man"),
    ("docs/completions", "usr/share/bash-completion/completions"),
    ("packaging", "usr/share/lowtide"),
];

/// Makes the tree of one kind of package, with the modes that its files shall have.
pub(super) fn lay_out(dist: &Dist, family: Family, licences: Option<&Path>, tree: &Path) -> Result<()> {
    put(&dist.program, &tree.join("usr/bin/lowtide"), 0o755)?;
    for (from, to) in FILES {
        put(&dist.top.join(from), &tree.join(to), 0o644)?;
        links_hold(Path::new(from), tree, Path::new(to))?;
    }
    put(&dist.top.join("docs/completions/_lowtide"), &tree.join(family.zsh()), 0o644)?;
    // An earlier commit, packed for the lab, need not have all of them; a test holds that this one has.
    for (from, ending, to) in TREES.into_iter().filter(|(from, ..)| dist.top.join(from).is_dir()) {
        for file in listed(&dist.top.join(from), ending)? {
            let name = file.file_name().unwrap_or_default();
            put(&file, &tree.join(to).join(name), 0o644)?;
            links_hold(&Path::new(from).join(name), tree, &Path::new(to).join(name))?;
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

/// Where the host has a file or a directory of the workspace.
fn installed(from: &Path) -> Option<PathBuf> {
    let single = FILES.iter().chain(&PLACES).find(|(known, _)| Path::new(known) == from);
    let of_tree = || {
        TREES.iter().find_map(|(known, ending, to)| match from.strip_prefix(known).ok()?.to_str()? {
            "" => Some(PathBuf::from(to)),
            name if !name.contains('/') && from.extension()? == *ending => Some(Path::new(to).join(name)),
            _ => None,
        })
    };
    single.map(|(_, to)| PathBuf::from(to)).or_else(of_tree)
}

/// `path` without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
        plain
    })
}

/// The way from a file to another one.
fn way(from: &Path, to: &Path) -> PathBuf {
    let above = from.parent().unwrap_or(Path::new(""));
    let shared = above.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = above.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

/// Targets of the links of a page, as they are written, without those to another host or in the page itself.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let targets = targets.map(|(target, _)| target);
    targets.filter(|target| !target.contains([' ', ':']) && !target.starts_with('#') && !target.is_empty())
}

/// Where a link of a page leads.
fn target(page: &Path, link: &str) -> PathBuf {
    let file = link.split('#').next().unwrap_or_default();
    plain(&page.parent().unwrap_or(Path::new("")).join(file))
}

/// In a page links lead where the host has the files, which is not how they lie in the workspace.
fn links_hold(from: &Path, tree: &Path, to: &Path) -> Result<()> {
    if from.extension().is_none_or(|ending| ending != "md") {
        return Ok(());
    }
    let page = tree.join(to);
    let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let mut mended = text.clone();
    for link in links(&text) {
        let Some(there) = installed(&target(from, link)) else { continue };
        let anchor = link.find('#').map_or("", |begin| &link[begin..]);
        let leads = format!("{}{anchor}", way(to, &there).display());
        mended = mended.replace(&format!("]({link})"), &format!("]({leads})"));
    }
    fs::write(&page, mended).with_context(|| format!("cannot write {}", page.display()))
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

    fn dist(work: &Path) -> Dist {
        Dist {
            top: top(),
            into: work.to_owned(),
            work: work.to_owned(),
            version: "1.0".to_owned(),
            epoch: 0,
            program: top().join("Cargo.toml"),
        }
    }

    /// Both kinds have the same files; only zsh looks in two places.
    #[test]
    fn every_file_of_the_lists_is_there() {
        let work = tempfile::tempdir().unwrap();
        let dist = dist(work.path());
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
        for (from, _, to) in TREES {
            assert!(deb.iter().any(|path| path.starts_with(to)), "nothing of {from}");
        }
    }

    /// What only a checkout has, and pages lead to.
    const IN_THE_CHECKOUT: [&str; 5] = [
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "deny.toml",
        "packaging/helm/lowtide.yaml",
        "packaging/helm/lowtide/values.yaml",
    ];

    #[test]
    fn links_of_installed_pages_lead_to_installed_files() {
        let work = tempfile::tempdir().unwrap();
        let tree = dist(work.path()).tree(Family::Deb, None).unwrap();
        let (mut wrong, mut unused, mut count) = (Vec::new(), Vec::from(IN_THE_CHECKOUT), 0);
        let found = below(&tree).unwrap();
        for page in found.iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
            let text = fs::read_to_string(page).unwrap();
            for link in links(&text) {
                count += 1;
                let there = target(page, link);
                let lies = there.strip_prefix(tree.join(DOC)).unwrap_or(&there);
                if let Some(known) = IN_THE_CHECKOUT.iter().find(|known| Path::new(known) == lies) {
                    unused.retain(|name| name != known);
                } else if !there.exists() {
                    wrong.push(format!("{}: {link}", page.strip_prefix(&tree).unwrap().display()));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(unused.is_empty() && count > 200, "{count} links, none to {unused:?}");
        for file in IN_THE_CHECKOUT {
            assert!(top().join(file).is_file() && installed(Path::new(file)).is_none(), "{file}");
        }
    }

    #[test]
    fn a_link_goes_where_the_file_is() {
        let lead = |from: &str, to: &str, link: &str| {
            let there = installed(&target(Path::new(from), link));
            there.map(|there| way(Path::new(to), &there).display().to_string())
        };
        let (page, doc) = ("docs/a.md", "usr/share/doc/lowtide/docs/a.md");
        for (link, expected) in [
            ("policy.md#the-host", Some("policy.md")),
            ("../policies/batch.yaml", Some("../examples/policies/batch.yaml")),
            ("../policies", Some("../examples/policies")),
            ("output.schema.json", Some("../../../lowtide/output.schema.json")),
            ("../systemd/lowtide.service", Some("../../../../lib/systemd/system/lowtide.service")),
            ("man", Some("../../../man")),
            ("../deny.toml", None),
            ("../packaging/helm/lowtide.yaml", None),
        ] {
            assert_eq!(lead(page, doc, link).as_deref(), expected, "{link}");
        }
    }
}
