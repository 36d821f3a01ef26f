//! Kernel settings that the configuration asks for: written once, journalled first, put back at the end.

use std::path::{Path, PathBuf};

use lowtide_kernfs::{Files, Root};
use lowtide_policy::HostTiers;

use crate::journal::{Journal, JournalError};

const ZSWAP: &str = "sys/module/zswap/parameters";
const DEMOTION_ENABLED: &str = "sys/kernel/mm/numa/demotion_enabled";
/// zram's limit and its switch begin with this.
const WRITEBACK_LIMIT: &str = "writeback_limit";

/// A kernel file and what it shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knob {
    /// From the root directory.
    pub path: PathBuf,
    /// What to write.
    pub value: String,
    /// The key of the configuration that asks for it.
    pub key: &'static str,
}

/// The knobs that the configuration asks for, in the order in which they are written: zswap is told how to work before
/// it begins. None by default: a key that is left out is a file left alone.
#[must_use]
pub fn wanted(tiers: &HostTiers) -> Vec<Knob> {
    let zswap = &tiers.zswap;
    let parameter = |name: &str| Path::new(ZSWAP).join(name);
    let switch = |on: bool| if on { "Y" } else { "N" }.to_owned();
    let knobs = [
        (parameter("compressor"), zswap.compressor.as_deref().map(str::to_owned), "tiers.zswap.compressor"),
        (
            parameter("max_pool_percent"),
            zswap.max_pool_percent.map(|percent| percent.to_string()),
            "tiers.zswap.max_pool_percent",
        ),
        (parameter("shrinker_enabled"), zswap.shrinker.map(switch), "tiers.zswap.shrinker"),
        (parameter("enabled"), zswap.enabled.map(switch), "tiers.zswap.enabled"),
        (DEMOTION_ENABLED.into(), tiers.demotion.map(|on| u8::from(on).to_string()), "tiers.demotion"),
    ];
    knobs.into_iter().filter_map(|(path, value, key)| Some(Knob { path, value: value?, key })).collect()
}

/// What a knob's way was.
#[derive(Debug)]
pub enum Outcome {
    /// It held the value already: nothing was written.
    Unchanged,
    /// It was written, and holds the value now.
    Written {
        /// What it held before.
        from: String,
    },
    /// This kernel has no such file.
    Missing,
    /// Somebody else changed it since lowtide wrote it: left as it is.
    Drifted {
        /// What it holds.
        found: String,
        /// What lowtide had written.
        written: String,
    },
    /// The kernel refused, or took the write and kept another value.
    Refused(String),
}

/// Sets every knob that does not hold its value yet. Returns one outcome each.
pub fn apply(root: &Root, journal: &mut Journal, knobs: &[Knob]) -> Result<Vec<Outcome>, JournalError> {
    knobs.iter().map(|knob| set(root, journal, knob)).collect()
}

fn set(root: &Root, journal: &mut Journal, knob: &Knob) -> Result<Outcome, JournalError> {
    let found = match read(root, &knob.path) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Outcome::Missing),
        Err(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    if same(&found, &knob.value) {
        return Ok(Outcome::Unchanged);
    }
    journal.note(&knob.path, &found, &knob.value)?;
    Ok(write(root, &knob.path, &knob.value)
        .map_or_else(Outcome::Refused, |()| Outcome::Written { from: found }))
}

/// Sets a knob that is going to be changed again and again: it is journalled even if it holds the value already.
pub(crate) fn hold(root: &Root, journal: &mut Journal, knob: &Knob) -> Result<Outcome, JournalError> {
    if let Ok(Some(found)) = read(root, &knob.path) {
        journal.note(&knob.path, &found, &knob.value)?;
    }
    set(root, journal, knob)
}

/// Whether `path` is the limit of what zram may write back, or the switch of that limit.
pub(crate) fn is_counted(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(WRITEBACK_LIMIT))
}

/// Puts every journalled knob back, the last one first, and forgets those that are done with.
///
/// A knob that could not be written stays in the journal for the next attempt. Where the journal cannot be written,
/// every knob is put back all the same before that is said.
pub fn restore(root: &Root, journal: &mut Journal) -> Result<Vec<(PathBuf, Outcome)>, JournalError> {
    restore_some(root, journal, |_| true)
}

/// As [`restore`], of those knobs that `which` says.
pub(crate) fn restore_some(
    root: &Root,
    journal: &mut Journal,
    which: impl Fn(&Path) -> bool,
) -> Result<Vec<(PathBuf, Outcome)>, JournalError> {
    let wanted = journal.records().iter().rev().filter(|record| which(&record.path));
    let records: Vec<_> = wanted.cloned().collect();
    let back = records.into_iter().map(|record| {
        let outcome = put_back(root, &record.path, &record.original, &record.written);
        (record.path, outcome)
    });
    let outcomes: Vec<_> = back.collect();
    for (path, outcome) in &outcomes {
        if !matches!(outcome, Outcome::Refused(_)) {
            journal.forget(path)?;
        }
    }
    Ok(outcomes)
}

pub(crate) fn put_back(root: &Root, path: &Path, original: &str, written: &str) -> Outcome {
    match read(root, path) {
        Err(refusal) => Outcome::Refused(refusal),
        Ok(None) => Outcome::Missing,
        // The daemon was ended between the journal and the knob, or somebody put it back.
        Ok(Some(found)) if same(&found, original) => Outcome::Unchanged,
        // The kernel counts the limit down, so after a kill in the middle of a run it holds what nobody wrote.
        Ok(Some(found)) if !same(&found, written) && !is_limit(path) => {
            Outcome::Drifted { found, written: written.to_owned() }
        }
        Ok(Some(found)) => {
            write(root, path, original).map_or_else(Outcome::Refused, |()| Outcome::Written { from: found })
        }
    }
}

fn is_limit(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == WRITEBACK_LIMIT)
}

pub(crate) fn read(root: &Root, path: &Path) -> Result<Option<String>, String> {
    let text = root.read_optional(path).map_err(|error| error.to_string())?;
    Ok(text.map(|text| text.trim().to_owned()))
}

/// Writes and reads back: a write that succeeded is no evidence.
pub(crate) fn write(root: &Root, path: &Path, value: &str) -> Result<(), String> {
    root.write(path, value.as_bytes()).map_err(|error| error.to_string())?;
    match read(root, path)? {
        Some(found) if same(&found, value) => Ok(()),
        found => Err(format!(
            "/{}: the kernel took `{value}` and holds `{}`",
            path.display(),
            found.unwrap_or_default()
        )),
    }
}

/// Booleans have many spellings: module parameters read `Y` or `N`, demotion_enabled takes 0 or 1 and reads `true`
/// or `false` (mm/memory-tiers.c).
pub(crate) fn same(one: &str, other: &str) -> bool {
    let canonical = |text: &str| match text.trim() {
        "Y" | "y" | "1" | "true" => "1".to_owned(),
        "N" | "n" | "0" | "false" => "0".to_owned(),
        text => text.to_owned(),
    };
    canonical(one) == canonical(other)
}

#[cfg(test)]
mod tests {
    use lowtide_policy::ZswapSetup;

    use super::*;

    const ZSWAP_ENABLED: &str = "sys/module/zswap/parameters/enabled";

    struct Host {
        directory: tempfile::TempDir,
        state: tempfile::TempDir,
        root: Root,
    }

    impl Host {
        fn new(zswap: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let root = Root::open(directory.path()).unwrap();
            let host = Self { directory, state: tempfile::tempdir().unwrap(), root };
            host.put("proc/sys/kernel/random/boot_id", "boot\n");
            host.put(ZSWAP_ENABLED, zswap);
            host
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn zswap(&self) -> String {
            std::fs::read_to_string(self.directory.path().join(ZSWAP_ENABLED)).unwrap()
        }

        fn journal(&self) -> Journal {
            Journal::open(self.state.path(), &self.root).unwrap()
        }
    }

    fn on() -> Vec<Knob> {
        wanted(&HostTiers {
            zswap: ZswapSetup { enabled: Some(true), ..ZswapSetup::default() },
            ..HostTiers::default()
        })
    }

    #[test]
    fn nothing_is_written_that_was_not_asked_for() {
        assert_eq!(wanted(&HostTiers::default()), []);
    }

    #[test]
    fn set_twice_is_set_once_and_restore_finds_the_original() {
        let host = Host::new("N\n");
        assert!(matches!(
            apply(&host.root, &mut host.journal(), &on()).unwrap()[..],
            [Outcome::Written { .. }]
        ));
        assert!(matches!(apply(&host.root, &mut host.journal(), &on()).unwrap()[..], [Outcome::Unchanged]));
        assert_eq!(host.zswap(), "Y");
        assert!(matches!(
            restore(&host.root, &mut host.journal()).unwrap()[..],
            [(_, Outcome::Written { .. })]
        ));
        assert_eq!(host.zswap(), "N");
        assert!(restore(&host.root, &mut host.journal()).unwrap().is_empty(), "safe to run twice");
    }

    #[test]
    fn ended_between_journal_and_knob() {
        let host = Host::new("N\n");
        host.journal().note(Path::new(ZSWAP_ENABLED), "N", "Y").unwrap();
        assert!(matches!(restore(&host.root, &mut host.journal()).unwrap()[..], [(_, Outcome::Unchanged)]));
        assert_eq!(host.zswap(), "N\n");
    }

    #[test]
    fn what_somebody_else_wrote_is_left_alone() {
        let host = Host::new("something else\n");
        host.journal().note(Path::new(ZSWAP_ENABLED), "N", "Y").unwrap();
        assert!(matches!(
            restore(&host.root, &mut host.journal()).unwrap()[..],
            [(_, Outcome::Drifted { .. })]
        ));
        assert_eq!(host.zswap(), "something else\n");
    }

    #[test]
    fn a_limit_that_the_kernel_counted_down_is_put_back() {
        let host = Host::new("N\n");
        let (limit, switch) = ("sys/block/zram0/writeback_limit", "sys/block/zram0/writeback_limit_enable");
        host.put(limit, "7\n");
        host.put(switch, "0\n");
        let mut journal = host.journal();
        for (path, value) in [(limit, "0"), (switch, "1")] {
            hold(
                &host.root,
                &mut journal,
                &Knob { path: path.into(), value: value.to_owned(), key: "balancer" },
            )
            .unwrap();
        }
        host.put(limit, "1234\n");
        host.journal().note(Path::new(ZSWAP_ENABLED), "N", "Y").unwrap();
        let outcomes = restore_some(&host.root, &mut host.journal(), is_counted).unwrap();
        assert!(
            outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Written { .. })),
            "{outcomes:?}"
        );
        assert_eq!(outcomes.len(), 2);
        assert_eq!(host.root.read(limit).unwrap(), "7");
        assert_eq!(host.journal().records().len(), 1, "the others stay");
    }

    #[test]
    fn a_missing_file_is_not_created() {
        let host = Host::new("N\n");
        let demotion = wanted(&HostTiers { demotion: Some(true), ..HostTiers::default() });
        assert!(matches!(apply(&host.root, &mut host.journal(), &demotion).unwrap()[..], [Outcome::Missing]));
        assert!(!host.directory.path().join(DEMOTION_ENABLED).exists());
    }
}
