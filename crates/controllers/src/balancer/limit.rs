//! The kernel's limit of what may be written back, made ours.

use lowtide_journal::{
    Journal, JournalError,
    knobs::{self, Knob},
    sealed::SealedError,
};
use lowtide_kernfs::Root;
use lowtide_tiers::Writeback;

/// Why nothing can be moved.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Kernel(#[from] lowtide_kernfs::Error),
    #[error(transparent)]
    Books(#[from] SealedError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Knob(String),
}

/// Makes the limit of `device` count, at nothing: whatever is written from now on is on our account.
///
/// The switch is looked at each time. A device that was removed and made anew has the old one's name, and its
/// switch off; and somebody else may have written it.
pub(super) fn hold(root: &Root, journal: &mut Journal, device: &str) -> Result<(), Problem> {
    let writeback = Writeback::of(root, device);
    let is_limited = writeback.is_limited().unwrap_or(false);
    let knob = |path, value: &str| Knob { path, value: value.to_owned(), key: "balancer" };
    for knob in [knob(writeback.limit_file(), "0"), knob(writeback.limit_switch(), "1")] {
        // The limit is made to count after it was set to nothing: while it does not, neither is held,
        // whatever is recorded. A record may be there for a write that was not made, since it came too late
        // for it, or be on its way out.
        if journal.is_kept(&knob.path) && is_limited {
            continue;
        }
        match knobs::hold(root, journal, &knob)? {
            knobs::Outcome::Unchanged => {}
            knobs::Outcome::Written { from } => {
                tracing::info!("/{}: was `{from}`, written (balancer)", knob.path.display());
            }
            knobs::Outcome::Refused(error) => return Err(Problem::Knob(error)),
            knobs::Outcome::Missing | knobs::Outcome::Gone | knobs::Outcome::Drifted { .. } => {
                return Err(Problem::Knob(format!("/{}: this kernel has no such file", knob.path.display())));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lowtide_journal::restorable;

    use super::*;
    use std::fs;

    #[test]
    fn a_switch_that_was_turned_off_is_turned_on_again_and_put_back_as_it_was_found() {
        let (tree, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let directory = tree.path().join("sys/block/zram0");
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir_all(tree.path().join("proc/sys/kernel/random")).unwrap();
        fs::write(tree.path().join("proc/sys/kernel/random/boot_id"), "boot\n").unwrap();
        let put = |limit: &str, switch: &str| {
            fs::write(directory.join("writeback_limit"), limit).unwrap();
            fs::write(directory.join("writeback_limit_enable"), switch).unwrap();
        };
        let switch = || fs::read_to_string(directory.join("writeback_limit_enable")).unwrap();
        let root = Root::open(tree.path()).unwrap();
        let mut journal = Journal::open(state.path(), &root).unwrap();

        put("7\n", "0\n");
        hold(&root, &mut journal, "zram0").unwrap();
        assert_eq!(switch(), "1");
        let all = journal.records();
        assert!(all.len() == 2 && all.iter().all(|record| restorable::is_of_the_host(&record.path)));
        // As zram_add leaves them.
        put("0\n", "0\n");
        hold(&root, &mut journal, "zram0").unwrap();
        assert_eq!(switch(), "1");
        knobs::restore_some(&root, &mut journal, |record| knobs::is_counted(&record.path)).unwrap();
        assert_eq!(switch(), "0");
    }
}
