//! What can this host do? For `lowtide doctor`: each kernel feature that lowtide can use, found or missing,
//! by which evidence, and how to enable it.
//!
//! Needs no configuration and no running daemon, though one that runs is asked for what only a write would
//! tell. Writes nothing: what a write alone would tell is said to be unknown.

mod ages;
mod build;
mod cgroups;
mod damon;
mod finding;
mod hygiene;
mod pressure;
mod running;
mod sight;
mod tiers;
mod zram;

use std::{fmt, path::Path};

use lowtide_kernfs::{Files, Result, Root};
use lowtide_policy::SourceChoice;

use sight::Sight;

pub use finding::{Evidence, Feature, Finding, Group, Verdict};
pub use hygiene::Waste;
pub use running::Running;

/// What was found out about a host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// The kernel, as `uname -r` names it; empty if that cannot be read.
    pub kernel: String,
    /// Nothing is missing that lowtide cannot do without.
    pub can_run: bool,
    /// The source of idle ages that `hotness.source: auto` takes here.
    pub source: Auto,
    /// Every feature, in groups.
    pub findings: Vec<Finding>,
    /// What this host loses memory to; empty on a healthy one.
    pub hygiene: Vec<Waste>,
    /// Files that are there and could not be read: what they would tell is missing above.
    pub unread: Vec<Evidence>,
}

/// So many of these are named for people.
const NAMED: usize = 8;

/// The source of idle ages that `hotness.source: auto` takes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Auto {
    /// Which: `mglru`, `damon`, or `none` for pressure alone. By which addresses DAMON would watch is known
    /// only once it does.
    pub source: &'static str,
    /// Why this one, and not a better one.
    pub why: String,
    /// What the daemon takes, if one runs here.
    pub running: Option<Taken>,
}

/// The source of idle ages that a running daemon takes, by its own configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Taken {
    /// Which; `None` for pressure alone, and as long as it is not known which kind of DAMON it is.
    pub source: Option<String>,
    /// Why this one.
    pub why: String,
}

/// What lowtide cannot do without and this host has not, each in a sentence with the way to have it.
#[must_use]
pub fn lacking(root: &Root) -> Vec<String> {
    let findings = cgroups::findings(&Sight::new(root, None));
    let lacking = findings.iter().filter(|finding| finding.is_lacking());
    lacking
        .map(|finding| {
            let enable = finding.verdict.enable().unwrap_or_default();
            format!("no {}: {}; {enable}", finding.feature.name, finding.feature.without)
        })
        .collect()
}

/// Looks at the host whose files are below `root`; fails only if there is no such directory. `running` is
/// what a daemon that runs on that host answers, if there is one.
pub fn examine(root: &Path, running: Option<Running>) -> Result<Report> {
    let root = Root::open(root)?;
    let sight = Sight::new(&root, running);
    let groups = [pressure::findings, cgroups::findings, ages::findings, tiers::findings];
    let findings: Vec<_> = groups.iter().flat_map(|findings| findings(&sight)).collect();
    let (source, hygiene) = (Auto::choose(&sight), hygiene::wastes(&sight));
    Ok(Report {
        kernel: root.read("proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        can_run: !findings.iter().any(Finding::is_lacking),
        source,
        findings,
        hygiene,
        unread: sight.unread(),
    })
}

impl Auto {
    fn choose(sight: &Sight) -> Self {
        let misleads = sight.running.as_ref().is_some_and(Running::found_mglru_misleading);
        let (source, why) = match &sight.mount {
            Some(mount) => lowtide_ages::auto(&sight.root, mount, misleads.then_some(false)),
            None => (SourceChoice::None, "there is no cgroup v2 hierarchy".to_owned()),
        };
        // As if the root were `/`, as in the evidence.
        let root = sight.root.path().to_string_lossy();
        let why = if sight.root.is_host() { why } else { why.replace(&*root, "") };
        Self { source: source.name(), why, running: sight.running.as_ref().map(Taken::from) }
    }
}

impl From<&Running> for Taken {
    fn from(running: &Running) -> Self {
        Self { source: running.source.clone(), why: running.why.clone() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernel = if self.kernel.is_empty() { "an unknown kernel" } else { &self.kernel };
        write!(f, "{kernel}: {} features", self.findings.len())?;
        for word in ["yes", "partly", "no", "unknown"] {
            let count = self.findings.iter().filter(|finding| finding.verdict.word() == word).count();
            write!(f, ", {count} {word}")?;
        }
        writeln!(f)?;
        for group in Group::ALL {
            writeln!(f, "\n{}", group.title())?;
            for finding in self.findings.iter().filter(|finding| finding.feature.group == group) {
                write!(f, "{finding}")?;
            }
            if group == Group::IdleAges {
                write!(f, "{}", self.source)?;
            }
        }
        if !self.hygiene.is_empty() {
            writeln!(f, "\nmemory that is lost here")?;
            self.hygiene.iter().try_for_each(|waste| write!(f, "{waste}"))?;
        }
        if !self.unread.is_empty() {
            writeln!(f, "\ncould not be read, and what it would tell is missing above")?;
            self.unread.iter().take(NAMED).try_for_each(|evidence| writeln!(f, "    {evidence}"))?;
            if let Some(more) = self.unread.len().checked_sub(NAMED).filter(|more| *more > 0) {
                writeln!(f, "    and {more} more files")?;
            }
        }
        let verdict =
            if self.can_run { "can run here." } else { "cannot run here: see above what it lacks." };
        writeln!(f, "\nlowtide {verdict}")
    }
}

impl fmt::Display for Auto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alone =
            if self.source == SourceChoice::None.name() { ", the loop works by pressure alone" } else { "" };
        writeln!(f, "  `hotness.source: auto` takes {}{alone}: {}", self.source, self.why)?;
        match &self.running {
            Some(Taken { source: Some(source), why }) => {
                writeln!(f, "  the daemon that runs here takes {source}: {why}")
            }
            Some(Taken { source: None, why }) => writeln!(f, "  the daemon that runs here: {why}"),
            None => Ok(()),
        }
    }
}
