//! Setting the host's tiers up, and undoing it: `lowtide tiers plan`, `lowtide tiers apply` and `lowtide
//! restore`.
//!
//! ```text
//! configuration ─┐
//!                ├─plan─► steps ──apply──► one call each, recorded first, looked at after
//! host ──facts───┘                                 │
//!                                         state_dir/tiers ──undo──► the host as it was, but for what holds pages
//! ```

mod apply;
mod deeds;
mod facts;
mod hot_add;
mod kernel;
#[cfg(test)]
mod model;
mod plan;
mod present;
mod step;
#[cfg(test)]
mod tests;
mod undo;
mod wanted;
mod zram;

use std::path::Path;

use lowtide_journal::{HostError, HostLock, Journal, JournalError, StateDir, StateDirError, knobs};
use lowtide_kernfs::Root;
use lowtide_policy::Config;

pub use apply::{Applied, Failed};
pub use deeds::{Deed, DeedsError};
pub use step::{Action, Plan, State, Step};
pub use undo::Undone;
pub use wanted::wanted;

use deeds::Deeds;
use facts::Facts;
use kernel::Real;

/// Why nothing could be planned, set up or undone.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A kernel file.
    #[error(transparent)]
    Kernel(#[from] lowtide_kernfs::Error),
    /// The record of what was set up.
    #[error(transparent)]
    Deeds(#[from] DeedsError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateDirError),
    /// Another daemon.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The journal of knobs.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What [`apply`] would do. Writes nothing, and may run beside a daemon.
pub fn plan(root: &Path, config: &Config) -> Result<Plan, SetupError> {
    let root = Root::open(root)?;
    let deeds = Deeds::open(&config.state_dir, &root)?;
    let facts = Facts::read(&Real(root), &config.tiers, deeds.all())?;
    Ok(plan::plan(&config.tiers, &facts))
}

/// Sets up what the configuration asks for. Not beside a daemon, which holds the state directory.
///
/// What a daemon that was killed left set is put back first: the next one would put it back, and it would be
/// gone.
pub fn apply(root: &Path, config: &Config) -> Result<Applied, SetupError> {
    let root = Root::open(root)?;
    let state_dir = StateDir::take(&config.state_dir)?;
    let _host = HostLock::take(&root)?;
    knobs::restore(&root, &mut Journal::open(state_dir.path(), &root)?)?;
    apply_in(&root, state_dir.path(), config)
}

/// As [`apply`], in a state directory that is held.
pub fn apply_in(root: &Root, state_dir: &Path, config: &Config) -> Result<Applied, SetupError> {
    let mut deeds = Deeds::open(state_dir, root)?;
    apply::apply(&mut Real(root.clone()), &mut deeds, &config.tiers)
}

/// Undoes what was set up, in a state directory that is held.
pub fn undo(root: &Root, state_dir: &Path) -> Result<Vec<(Deed, Undone)>, SetupError> {
    let mut deeds = Deeds::open(state_dir, root)?;
    undo::undo(&mut Real(root.clone()), &mut deeds)
}
