//! The cgroups above the one that the walk is at, each read once in a turn, however many targets lie below
//! it.

use std::sync::Arc;

use lowtide_cgroup::{Cgroup, Error};
use lowtide_core::lineage::{Level, Place, Settings};

use crate::unchanged::Unchanged;

/// What was read on the way, parents before children.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    levels: Vec<Level>,
    /// Those above the place where the walk is, the nearest last.
    path: Vec<(Arc<str>, Above)>,
}

/// The nearest level above a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Above {
    /// None that has anything to say.
    Root,
    /// Its place among the levels.
    Level(usize),
    /// It cannot be read: what holds below it is not known.
    Unknown,
}

impl Lineage {
    /// Takes in the next cgroup of a walk in depth-first order; returns where it stands, `None` if it cannot
    /// be read what holds above it. One that is not `needed` is not read.
    pub(crate) fn enter(
        &mut self,
        cgroup: &Cgroup,
        needed: bool,
        unchanged: &mut Unchanged,
    ) -> Result<Option<Place>, Error> {
        while self.path.last().is_some_and(|(last, _)| !is_below(cgroup.path(), last)) {
            self.path.pop();
        }
        let above = self.path.last().map_or(Above::Root, |(_, above)| *above);
        if !needed || !cgroup.may_have_children() || &**cgroup.path() == "/" {
            return Ok(above.place(None));
        }
        let read = if above == Above::Unknown {
            Ok(None)
        } else {
            unchanged.limits(cgroup).and_then(|limits| cgroup.settings(limits))
        };
        let (own, outcome) = match read {
            Ok(Some(settings)) => {
                let own = self.push(above, settings);
                (own, Ok(above.place(own.level())))
            }
            Ok(None) => (above, Ok(above.place(None))),
            // What lies below is gone, too.
            Err(error) if error.is_gone() => (above, Ok(above.place(None))),
            Err(error) => (Above::Unknown, Err(error)),
        };
        self.path.push((Arc::clone(cgroup.path()), own));
        outcome
    }

    /// All of them.
    pub(crate) fn into_levels(self) -> Vec<Level> {
        self.levels
    }

    fn push(&mut self, above: Above, settings: Settings) -> Above {
        self.levels.push(Level { parent: above.level(), settings });
        Above::Level(self.levels.len() - 1)
    }
}

impl Above {
    /// Where a cgroup stands that is right below, with a level of its own or without.
    const fn place(self, own: Option<usize>) -> Option<Place> {
        match self {
            Self::Unknown => None,
            Self::Root | Self::Level(_) => Some(Place { above: self.level(), own }),
        }
    }

    /// Its place among the levels, if there is one.
    const fn level(self) -> Option<usize> {
        match self {
            Self::Level(place) => Some(place),
            Self::Root | Self::Unknown => None,
        }
    }
}

/// Whether `path` lies below another one that is not the root.
pub(crate) fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}
