//! The kernel's limit of what may be written back, made ours.

use lowtide_kernfs::Root;
use lowtide_tiers::Writeback;

use super::books::BooksError;
use crate::{
    journal::{Journal, JournalError},
    knobs::{self, Knob},
};

/// Why nothing can be moved.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Kernel(#[from] lowtide_kernfs::Error),
    #[error(transparent)]
    Books(#[from] BooksError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Knob(String),
}

/// Makes the limit of `device` count, at nothing: whatever is written from now on is on our account.
pub(super) fn hold(root: &Root, journal: &mut Journal, device: &str) -> Result<(), Problem> {
    let writeback = Writeback::of(root, device);
    let knob = |path, value: &str| Knob { path, value: value.to_owned(), key: "balancer" };
    for knob in [knob(writeback.limit_file(), "0"), knob(writeback.limit_switch(), "1")] {
        if journal.record(&knob.path).is_some() {
            continue;
        }
        match knobs::hold(root, journal, &knob)? {
            knobs::Outcome::Unchanged => {}
            knobs::Outcome::Written { from } => {
                tracing::info!("/{}: was `{from}`, written (balancer)", knob.path.display());
            }
            knobs::Outcome::Refused(error) => return Err(Problem::Knob(error)),
            knobs::Outcome::Missing | knobs::Outcome::Drifted { .. } => {
                return Err(Problem::Knob(format!("/{}: this kernel has no such file", knob.path.display())));
            }
        }
    }
    Ok(())
}
