use std::{num::NonZeroU32, sync::Arc, time::Duration};

use lowtide_kernfs::{Errno, Fault, Root, parse::integer};

use crate::{
    Claimed, Creation, Error, Record, Result, Snapshot, Stats,
    directory::Directory,
    patience::Patience,
    record::boot_id,
    regions,
    slot::{Slot, malformed},
    stats,
};

const KDAMONDS: &str = "sys/kernel/mm/damon/admin/kdamonds";
const NR_KDAMONDS: &str = "nr_kdamonds";

/// The whole tree: everybody's kdamonds.
#[derive(Debug, Clone)]
pub struct Admin {
    pub(crate) root: Root,
    kdamonds: Arc<dyn Directory>,
    pub(crate) patience: Patience,
}

/// A kdamond, whoever's it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kdamond {
    /// Its number.
    pub index: u32,
    /// What it does.
    pub state: KdamondState,
}

/// What a kdamond does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KdamondState {
    /// It runs.
    Running {
        /// Its thread's process id.
        pid: u32,
    },
    /// It does not run, and somebody's description stands in its directory.
    Configured,
    /// It does not run, and there is nothing in its directory: no context, or one without targets and
    /// schemes.
    Vacant,
}

impl Admin {
    /// Opens the tree. Reads nothing and writes nothing; [`Error::NotThere`] if the kernel has none.
    pub fn open(root: &Root) -> Result<Self> {
        let directory = root.dir(KDAMONDS).map_err(|error| {
            if error.is_missing() { Error::not_there(error.path()) } else { error.into() }
        })?;
        Ok(Self::with_directory(root, Arc::new(directory)))
    }

    pub(crate) fn with_directory(root: &Root, kdamonds: Arc<dyn Directory>) -> Self {
        Self { root: root.clone(), kdamonds, patience: Patience::default() }
    }

    /// Waits so long while others keep the tree busy; five seconds by default.
    #[must_use]
    pub fn with_patience(mut self, longest: Duration) -> Self {
        self.patience = Patience(longest);
        self
    }

    /// All kdamonds, ours and others'.
    pub fn kdamonds(&self) -> Result<Vec<Kdamond>> {
        let all = (0..self.count()?).map(|index| Ok(Kdamond { index, state: self.slot(index)?.state()? }));
        all.collect()
    }

    /// What stands in a kdamond's directory since somebody last asked for it, whoever's it is: the regions
    /// that its schemes tried, and what they have done. Writes nothing.
    pub fn results(&self, index: u32) -> Result<(Snapshot, Vec<Stats>)> {
        let context = self.slot(index)?.context()?;
        let unit = regions::address_unit(&*context)?;
        Ok((regions::read(&*context, unit, None)?, stats::read(&*context, unit)?))
    }

    /// Finds room for `count` kdamonds. Writes nothing.
    ///
    /// Vacant ones are taken where there are enough. Otherwise `nr_kdamonds` is to be written, if no
    /// directory holds anything that would be lost; since it cannot be raised later while any runs, ask for
    /// all that you will need.
    pub fn reserve(&self, count: NonZeroU32) -> Result<Reservation<'_>> {
        let (wanted, kdamonds) = (count.get(), self.kdamonds()?);
        let of = |state: fn(&KdamondState) -> bool| -> Vec<u32> {
            kdamonds.iter().filter(|kdamond| state(&kdamond.state)).map(|kdamond| kdamond.index).collect()
        };
        let vacant = of(|state| *state == KdamondState::Vacant);
        let was = u32::try_from(kdamonds.len()).unwrap_or(u32::MAX);
        let enough = usize::try_from(wanted).unwrap_or(usize::MAX);
        let place = if enough <= vacant.len() {
            Place::There(vacant.into_iter().take(enough).collect())
        } else if vacant.len() == kdamonds.len() {
            Place::New(Creation { boot_id: boot_id(&self.root)?, was, count: wanted })
        } else {
            return Err(Error::NoVacancy {
                wanted,
                vacant: u32::try_from(vacant.len()).unwrap_or(u32::MAX),
                running: of(|state| matches!(state, KdamondState::Running { .. })),
                configured: of(|state| *state == KdamondState::Configured),
            });
        };
        Ok(Reservation { admin: self, place })
    }

    pub(crate) fn count(&self) -> Result<u32> {
        let text = self.patience.get(|| self.kdamonds.read(NR_KDAMONDS))?;
        let fault = || Fault::new(1, &text, "a number of kdamonds");
        let count = integer(&text).and_then(|count| u32::try_from(count).map_err(|_| fault()));
        count.map_err(|fault| malformed(&*self.kdamonds, NR_KDAMONDS, fault))
    }

    /// Makes all directories anew. The caller has seen that nothing is lost.
    pub(crate) fn set_count(&self, count: u32) -> Result<()> {
        let written = self.patience.unless(
            || self.kdamonds.write(NR_KDAMONDS, &count.to_string()),
            // EBUSY is the lock, or a kdamond that somebody started meanwhile.
            || match self.reserve(NonZeroU32::MIN) {
                Err(error @ Error::NoVacancy { .. }) => Err(error),
                _ => Ok(()),
            },
        )?;
        written.map_err(|error| match error.errno() {
            Some(Errno::ENOMEM) => Error::OutOfMemory { path: error.path().into() },
            _ => error.into(),
        })
    }

    pub(crate) fn slot(&self, index: u32) -> Result<Slot> {
        let directory = self.kdamonds.subdir(&index.to_string())?;
        Ok(Slot { index, directory, patience: self.patience })
    }
}

/// Room for some kdamonds, found and not yet taken.
#[derive(Debug)]
#[must_use = "a reservation does nothing until it is claimed"]
pub struct Reservation<'a> {
    admin: &'a Admin,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// These are vacant.
    There(Vec<u32>),
    /// `nr_kdamonds` is to be written.
    New(Creation),
}

impl Reservation<'_> {
    /// To be kept on disk before claiming; `None` if claiming leaves `nr_kdamonds` alone.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        match &self.place {
            Place::There(_) => None,
            Place::New(creation) => Some(Record::Creation(creation.clone())),
        }
    }

    /// Takes them: one context each, empty.
    pub fn claim(self) -> Result<Vec<Claimed>> {
        let indices = match self.place {
            Place::There(indices) => indices,
            Place::New(creation) => {
                self.admin.set_count(creation.count)?;
                (0..creation.count).collect()
            }
        };
        indices.into_iter().map(|index| Claimed::take(self.admin, index)).collect()
    }
}
