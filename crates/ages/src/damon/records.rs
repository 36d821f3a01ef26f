//! What has to be known of our kdamond if this process is killed: on the disk before anything is written into
//! DAMON's tree.

use std::{path::Path, time::Duration};

use lowtide_damon::{Record, Recovered, teardown_recorded};
use lowtide_journal::sealed::{SealedError, SealedFile};
use lowtide_kernfs::Root;

/// The file's name in the state directory.
const FILE_NAME: &str = "damon";

const REMEDY: &str = "see below /sys/kernel/mm/damon/admin/kdamonds whether one of lowtide's runs, write `off` into its `state`, and \
     remove the file";

/// Some of it is written by the daemon's loop, and the end of a look is waited for: a disk that hangs may
/// keep neither. What is not recorded by then is not begun, and what was ended is looked at once more by the
/// next one.
const PATIENCE: Duration = Duration::from_secs(2);

/// The records in a state directory.
#[derive(Debug)]
pub struct Records {
    file: SealedFile,
    records: Vec<Record>,
}

impl Records {
    /// Those of an earlier process, or none.
    pub fn open(state_dir: &Path) -> Result<Self, SealedError> {
        let file = SealedFile::new(state_dir, FILE_NAME, "the record of lowtide's kdamond", REMEDY);
        // One line with all of them.
        let lines: Vec<Vec<Record>> = file.read()?;
        Ok(Self { file, records: lines.into_iter().flatten().collect() })
    }

    /// Adds one. Call it before what it is of is written.
    pub(crate) fn note(&mut self, record: Record) -> Result<(), SealedError> {
        self.records.push(record);
        self.save()
    }

    /// The last one has changed.
    pub(crate) fn update(&mut self, record: Record) -> Result<(), SealedError> {
        self.records.pop();
        self.note(record)
    }

    /// Removes from DAMON's tree what is recorded, and forgets what was removed. One result for each record.
    pub fn clear(
        &mut self,
        root: &Root,
    ) -> Result<Vec<Result<Recovered, lowtide_damon::Error>>, SealedError> {
        if self.records.is_empty() {
            return Ok(Vec::new());
        }
        let results = teardown_recorded(root, &self.records)
            .unwrap_or_else(|error| vec![Err(error); self.records.len()]);
        let mut failed = results.iter().map(Result::is_err);
        self.records.retain(|_| failed.next().unwrap_or(true));
        self.save()?;
        Ok(results)
    }

    fn save(&self) -> Result<(), SealedError> {
        let lines = if self.records.is_empty() { Vec::new() } else { vec![self.records.clone()] };
        self.file.write_within(lines, PATIENCE)
    }
}

/// What became of a record, in words.
#[must_use]
pub fn in_words(outcome: &Result<Recovered, lowtide_damon::Error>) -> String {
    match outcome {
        Ok(Recovered::Ended) => "lowtide's kdamond was ended and removed".to_owned(),
        Ok(Recovered::Emptied) => "lowtide's kdamond did not run and was removed".to_owned(),
        Ok(Recovered::Removed) => "nr_kdamonds was put back".to_owned(),
        Ok(Recovered::Gone) => "nothing of lowtide is left".to_owned(),
        Ok(Recovered::InUse) => "nr_kdamonds was left as it is: somebody uses a kdamond now".to_owned(),
        Err(error) => format!("lowtide's kdamond was NOT removed, still recorded: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_damon::Creation;

    fn record(was: u32) -> Record {
        Record::Creation(Creation { boot_id: "a boot".into(), was, count: 1 })
    }

    #[test]
    fn what_was_noted_is_there_after_a_kill() {
        let state = tempfile::tempdir().unwrap();
        let mut records = Records::open(state.path()).unwrap();
        assert!(!state.path().join(FILE_NAME).exists(), "nothing is written without a record");
        records.note(record(0)).unwrap();
        records.note(record(7)).unwrap();
        records.update(record(8)).unwrap();
        assert_eq!(Records::open(state.path()).unwrap().records, [record(0), record(8)]);
    }

    #[test]
    fn what_cannot_be_removed_stays_recorded_and_the_rest_does_not() {
        let state = tempfile::tempdir().unwrap();
        let host = tempfile::tempdir().unwrap();
        let root = Root::open(host.path()).unwrap();
        let mut records = Records::open(state.path()).unwrap();
        assert!(records.clear(&root).unwrap().is_empty());
        records.note(record(0)).unwrap();
        // A tree without DAMON.
        assert!(records.clear(&root).unwrap()[0].is_err());
        assert_eq!(Records::open(state.path()).unwrap().records, [record(0)]);
        let tree = host.path().join("sys/kernel/mm/damon/admin/kdamonds");
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join("nr_kdamonds"), "0\n").unwrap();
        // Of another boot.
        assert_eq!(records.clear(&root).unwrap(), [Ok(Recovered::Gone)]);
        assert!(!state.path().join(FILE_NAME).exists());
    }

    #[test]
    fn damage_is_named() {
        let state = tempfile::tempdir().unwrap();
        Records::open(state.path()).unwrap().note(record(0)).unwrap();
        let file = state.path().join(FILE_NAME);
        let whole = std::fs::read(&file).unwrap();
        for position in 0..whole.len() - 1 {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            std::fs::write(&file, &damaged).unwrap();
            let error = Records::open(state.path()).unwrap_err().to_string();
            assert!(error.contains("damaged"), "byte {position}: {error}");
        }
    }
}
