use std::fmt;

use lowtide_core::escaped;

/// A part of the host that features belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Pressure stall information.
    Pressure,
    /// cgroup v2, `memory.reclaim` and what a cgroup's counters tell.
    Cgroups,
    /// Sources of idle ages, and what they need.
    IdleAges,
    /// Places for offloaded pages.
    Tiers,
}

impl Group {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Pressure, Self::Cgroups, Self::IdleAges, Self::Tiers];

    /// Its heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Pressure => "pressure",
            Self::Cgroups => "cgroups and reclaim",
            Self::IdleAges => "idle ages",
            Self::Tiers => "tiers",
        }
    }
}

/// Something that a kernel may have and lowtide can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Feature {
    /// Where it belongs.
    pub group: Group,
    /// Its name, which does not change from version to version.
    pub name: &'static str,
    /// Without it lowtide cannot run at all.
    pub required: bool,
    /// What lowtide uses it for.
    pub used_for: &'static str,
    /// What it does where there is none.
    pub without: &'static str,
}

/// Whether a feature is there and, if it is not all there, what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "found", content = "enable", rename_all = "snake_case")]
pub enum Verdict {
    /// It can be used now.
    Yes,
    /// The kernel has it, and it is switched off, not set up, or there for a part only.
    Partly(String),
    /// It is not there.
    No(String),
    /// It cannot be told without a write, or without more privileges.
    Unknown(String),
}

impl Verdict {
    /// The word for it, in text and JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partly(_) => "partly",
            Self::No(_) => "no",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What to do to have it.
    #[must_use]
    pub fn enable(&self) -> Option<&str> {
        match self {
            Self::Yes => None,
            Self::Partly(enable) | Self::No(enable) | Self::Unknown(enable) => Some(enable),
        }
    }
}

/// A file and what it said.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Evidence {
    /// Its path from `/`.
    pub file: String,
    /// Its content or the interesting part of it, or the kernel's answer to opening it.
    pub said: String,
}

impl Evidence {
    /// Names of cgroups are anybody's.
    pub(crate) fn new(file: impl AsRef<str>, said: impl AsRef<str>) -> Self {
        let file = file.as_ref().trim_start_matches('/');
        Self { file: format!("/{}", printable(file)), said: printable(said.as_ref()) }
    }
}

fn printable(text: &str) -> String {
    escaped(&text.replace('\t', " ")).into_owned()
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.said)
    }
}

/// What was found out about one feature.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The feature.
    #[serde(flatten)]
    pub feature: Feature,
    /// Whether it is there.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How that is known.
    pub evidence: Vec<Evidence>,
}

impl Feature {
    /// What was found out about it.
    pub(crate) fn finding(self, verdict: Verdict, evidence: Vec<Evidence>) -> Finding {
        Finding { feature: self, verdict, evidence }
    }
}

impl Finding {
    /// It is not there, and nothing works without it.
    pub(crate) const fn is_lacking(&self) -> bool {
        self.feature.required && matches!(self.verdict, Verdict::No(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { feature: Feature { name, used_for, without, .. }, verdict, evidence } = self;
        let required = if self.is_lacking() { " (lowtide cannot run without it)" } else { "" };
        writeln!(f, "  {name}: {}{required}", verdict.word())?;
        for evidence in evidence {
            writeln!(f, "    {evidence}")?;
        }
        writeln!(f, "    used for: {used_for}")?;
        if let Some(enable) = verdict.enable() {
            writeln!(f, "    without:  {without}")?;
            writeln!(f, "    enable:   {enable}")?;
        }
        Ok(())
    }
}
