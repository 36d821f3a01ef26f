//! The account of bytes written to each slower device, on the disk before the kernel is told to write.
//!
//! It is written by the run that it is for, on the run's own thread: a disk that hangs keeps that run, and
//! not the loop.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lowtide_core::{
    Bytes,
    balancer::{Endurance, Moment},
};
use lowtide_journal::sealed::{SealedError, SealedFile};

/// The file's name in the state directory.
const FILE_NAME: &str = "endurance";

const REMEDY: &str =
    "nobody knows what may still be written; remove the file when a day has passed since the last write";

type Accounts = BTreeMap<String, Endurance>;

/// The accounts of all devices.
#[derive(Debug)]
pub(super) struct Books {
    accounts: Arc<Mutex<Accounts>>,
    /// Held for as long as a write takes: by threads of runs alone.
    file: Arc<Mutex<SealedFile>>,
}

/// What has to be on the disk before bytes are written.
#[derive(Debug, Clone)]
pub(super) struct Promise {
    accounts: Arc<Mutex<Accounts>>,
    file: Arc<Mutex<SealedFile>>,
}

impl Promise {
    /// Puts the accounts on the disk, as they are by now. Blocks.
    pub(super) fn keep(&self) -> Result<(), SealedError> {
        let file = locked(&self.file);
        let accounts = locked(&self.accounts).clone();
        file.write(&[accounts])
    }
}

/// A thread that panicked has left nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Books {
    /// Those of an earlier process, or empty ones.
    pub(super) fn open(state_dir: &Path) -> Result<Self, SealedError> {
        let file = SealedFile::new(state_dir, FILE_NAME, "the account of written bytes", REMEDY);
        // One line with all of them.
        let lines: Vec<Accounts> = file.read()?;
        let accounts = lines.into_iter().flatten().collect();
        Ok(Self { accounts: Arc::new(Mutex::new(accounts)), file: Arc::new(Mutex::new(file)) })
    }

    /// Brings the account of `device` up to date with the kernel's counter. Call it before
    /// [`Books::reserve`].
    ///
    /// With no run of ours `in_flight`, what is still promised was promised by a process that is gone: the
    /// lock of the state directory is not given up before its last write has ended. What is counted goes to
    /// the disk with the next promise: until then the disk has more as promised than it is.
    pub(super) fn count(&mut self, device: &str, now: &Moment, counter: Bytes, in_flight: bool) -> Endurance {
        let mut accounts = locked(&self.accounts);
        let account =
            accounts.entry(device.to_owned()).or_insert_with(|| Endurance::new(now.clone(), counter));
        account.advance(now.clone());
        account.counted(counter);
        if !in_flight {
            account.release();
        }
        account.clone()
    }

    /// Promises bytes, of which the first may be written once the promise is [kept](Promise::keep).
    pub(super) fn reserve(&mut self, device: &str, amount: Bytes) -> Promise {
        if let Some(account) = locked(&self.accounts).get_mut(device) {
            account.reserve(amount);
        }
        Promise { accounts: Arc::clone(&self.accounts), file: Arc::clone(&self.file) }
    }

    /// Whoever holds it is as a disk that hangs.
    #[cfg(test)]
    pub(super) fn file(&self) -> Arc<Mutex<SealedFile>> {
        Arc::clone(&self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn moment(boot_id: &str) -> Moment {
        Moment { boot_id: boot_id.into(), since_boot: Duration::from_mins(1), wall: Duration::from_hours(1) }
    }

    fn left(books: &mut Books, now: &Moment, counter: Bytes) -> Bytes {
        books.count("/dev/b", now, counter, false).left(Bytes::mib(10))
    }

    #[test]
    fn a_process_that_is_killed_has_counted_what_it_was_about_to_write() {
        let state = tempfile::tempdir().unwrap();
        let mut books = Books::open(state.path()).unwrap();
        assert_eq!(left(&mut books, &moment("a"), Bytes::mib(100)), Bytes::mib(10));
        books.reserve("/dev/b", Bytes::mib(8)).keep().unwrap();
        drop(books);

        // Of the same boot the kernel's counter knows how much it was; of an earlier one nobody does.
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(state.path().join(FILE_NAME), copy.path().join(FILE_NAME)).unwrap();
        let mut same = Books::open(state.path()).unwrap();
        assert_eq!(left(&mut same, &moment("a"), Bytes::mib(103)), Bytes::mib(7));
        let mut rebooted = Books::open(copy.path()).unwrap();
        assert_eq!(left(&mut rebooted, &moment("b"), Bytes::ZERO), Bytes::mib(2));
    }

    #[test]
    fn while_a_run_goes_on_its_promise_stands() {
        let state = tempfile::tempdir().unwrap();
        let mut books = Books::open(state.path()).unwrap();
        left(&mut books, &moment("a"), Bytes::ZERO);
        books.reserve("/dev/b", Bytes::mib(8)).keep().unwrap();
        let account = books.count("/dev/b", &moment("a"), Bytes::mib(3), true);
        assert_eq!(account.left(Bytes::mib(10)), Bytes::mib(2));
        assert_eq!(left(&mut books, &moment("a"), Bytes::mib(3)), Bytes::mib(7));
    }

    #[test]
    fn no_damage_goes_unseen() {
        let state = tempfile::tempdir().unwrap();
        let mut books = Books::open(state.path()).unwrap();
        left(&mut books, &moment("a"), Bytes::ZERO);
        books.reserve("/dev/b", Bytes::mib(8)).keep().unwrap();
        let file = state.path().join(FILE_NAME);
        let whole = std::fs::read(&file).unwrap();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            std::fs::write(&file, &damaged).unwrap();
            assert!(
                matches!(
                    Books::open(state.path()),
                    Err(SealedError::Damaged { .. } | SealedError::Miscounted { .. })
                ),
                "byte {position}"
            );
            std::fs::write(&file, &whole[..position]).unwrap();
            let cut = Books::open(state.path());
            assert_eq!(cut.is_ok(), position == 0, "cut at {position}");
        }
    }
}
