//! Whether MGLRU's ages can be relied on here: tried once, on the daemon's own memory.

use lowtide_cgroup::Mount;
use lowtide_kernfs::Root;
use lowtide_mglru::{LruGen, Place, Support};
use lowtide_policy::{Config, SourceChoice};

/// More are not made.
const MOST_TRIES: u8 = 5;

/// What trying it has shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trial {
    /// Not tried yet: nothing that was configured needed it, or there was no MGLRU.
    #[default]
    Due,
    /// Tried so many times, and the kernel was in the way: it is tried again.
    Again(u8),
    /// Tried: [`LruGen::notices_first_touch`]; `None` where nothing could be told.
    Done(Option<bool>),
}

impl Trial {
    /// Whether it has to be made now: a policy has cgroups looked at, and MGLRU is there and may be the
    /// source of ages. It writes into the kernel, so not where nothing is looked at, and not into a tree of
    /// fixtures.
    #[must_use]
    pub fn is_due(self, root: &Root, config: &Config) -> bool {
        let available = || Support::probe(root).is_ok_and(|support| support.is_available());
        !matches!(self, Self::Done(_)) && root.is_host() && allows(config) && available()
    }

    /// Makes it. The memory of this process must not be locked: walks leave out what is.
    #[must_use]
    pub fn make(self, root: &Root) -> Self {
        let tries = match self {
            Self::Again(tries) => tries,
            Self::Due | Self::Done(_) => 0,
        };
        match try_out(root) {
            Ok(shown) => Self::Done(shown),
            Err(problem) => {
                tracing::debug!("whether MGLRU notices the first touch cannot be tried: {problem}");
                if tries < MOST_TRIES { Self::Again(tries + 1) } else { Self::Done(None) }
            }
        }
    }

    /// What it has shown, if anything.
    #[must_use]
    pub const fn shown(self) -> Option<bool> {
        match self {
            Self::Due | Self::Again(_) => None,
            Self::Done(shown) => shown,
        }
    }
}

fn allows(config: &Config) -> bool {
    let looks = config.policies.policies().iter().any(|policy| config.hotness.looks_at(policy.mode));
    looks && matches!(config.hotness.source, SourceChoice::Auto | SourceChoice::Mglru)
}

fn try_out(root: &Root) -> Result<Option<bool>, String> {
    let mount = Mount::find(root).map_err(|error| error.to_string())?;
    let path = mount.own(root).map_err(|error| error.to_string())?;
    let Some(path) = path else { return Ok(None) };
    let Some(own) = mount.open(&path).map_err(|error| error.to_string())? else { return Ok(None) };
    let place: Place = (path.into(), own.id());
    LruGen::new(root.clone()).notices_first_touch(&place).map_err(|error| error.to_string())
}
