//! The host's kernel settings that the configuration asks for, held for as long as the daemon runs.
//!
//! Nothing is changed that cannot be recorded: on a disk that is full or read-only they wait, and what is
//! held stays held.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_journal::{
    Journal, JournalError, Record,
    knobs::{self, Outcome},
};
use lowtide_kernfs::{Root, shown};
use lowtide_policy::Config;
use lowtide_setup::SetupError;

/// What keeps the journal from being written may go away.
const RETRY: Duration = Duration::from_secs(30);

/// What is still to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Everything. Devices are made at the start alone.
    Start,
    /// The settings have changed.
    Reload,
}

/// Whether the settings are as the configuration says.
#[derive(Debug)]
pub struct Settings {
    /// Where devices that are made are recorded.
    state_dir: PathBuf,
    due: Option<Due>,
    /// What was held before is put back: what is recorded from now on is what is asked for.
    cleared: bool,
    tried: Option<Duration>,
    problem: Option<String>,
}

impl Settings {
    /// Those of a daemon that starts: nothing is set yet.
    #[must_use]
    pub fn new(state_dir: PathBuf) -> Self {
        Self { state_dir, due: Some(Due::Start), cleared: false, tried: None, problem: None }
    }

    /// The configuration asks for others now.
    pub fn changed(&mut self) {
        self.due = Some(self.due.unwrap_or(Due::Reload));
        self.cleared = false;
        self.tried = None;
    }

    /// Sets what is still to be set, and puts back what is not asked for any more, but for what is `held`.
    /// `now` is since the start.
    pub fn turn(
        &mut self,
        root: &Root,
        journal: &mut Journal,
        config: &Config,
        held: impl FnOnce() -> Vec<PathBuf>,
        now: Duration,
    ) {
        let Some(due) = self.due else { return };
        if self.tried.is_some_and(|tried| now < tried + RETRY) {
            return;
        }
        self.tried = Some(now);
        let outcome = self.hold(root, journal, config, &held(), due);
        let is_late = matches!(&outcome, Err(SetupError::Journal(error)) if error.is_late());
        if is_late {
            // It may be there by the next turn, and nothing is lost by a look.
            self.tried = None;
        }
        match outcome {
            Ok(()) => {
                if self.problem.take().is_some() {
                    tracing::info!("what `tiers` asks for could be recorded now, and is set");
                }
                self.due = None;
            }
            Err(error) => {
                let again =
                    if is_late { "in each turn".to_owned() } else { format!("every {} s", RETRY.as_secs()) };
                let problem = format!(
                    "what `tiers` asks for is not set, because it cannot be recorded, and is tried again {again}: {error}"
                );
                if self.problem.as_ref() != Some(&problem) {
                    tracing::error!("{problem}");
                }
                self.problem = Some(problem);
            }
        }
    }

    fn hold(
        &mut self,
        root: &Root,
        journal: &mut Journal,
        config: &Config,
        held: &[PathBuf],
        due: Due,
    ) -> Result<(), SetupError> {
        if !self.cleared {
            journal.check()?;
            // What cgroups are held to is looked at in the first turn: in between they are to stay out of
            // what is forbidden.
            put_back(root, journal, |record| record.cgroup.is_none() && !held.contains(&record.path))?;
            self.cleared = true;
        }
        match (config.tiers.apply, due) {
            (true, Due::Start) => set_up(root, &self.state_dir, config),
            // They were set up, to stay.
            (true, Due::Reload) => Ok(()),
            (false, _) => Ok(set(root, journal, config)?),
        }
    }

    /// What keeps them from being set.
    #[must_use]
    pub fn problem(&self) -> Option<&String> {
        self.problem.as_ref()
    }
}

/// Puts those knobs back that `which` says; how many were not as they had been.
pub fn put_back(
    root: &Root,
    journal: &mut Journal,
    which: impl Fn(&Record) -> bool,
) -> Result<usize, JournalError> {
    let mut count = 0;
    for (path, outcome) in knobs::restore_some(root, journal, which)? {
        report(&path, &outcome, "put back");
        count += usize::from(matches!(outcome, Outcome::Written { .. }));
    }
    Ok(count)
}

fn set(root: &Root, journal: &mut Journal, config: &Config) -> Result<(), JournalError> {
    let wanted = lowtide_setup::wanted(&config.tiers);
    let outcomes = knobs::apply(root, journal, &wanted)?;
    for (knob, outcome) in wanted.iter().zip(outcomes) {
        report(&knob.path, &outcome, knob.key);
    }
    Ok(())
}

/// Sets the tiers up. What fails is said, and the daemon works with what there is.
fn set_up(root: &Root, state_dir: &Path, config: &Config) -> Result<(), SetupError> {
    let applied = lowtide_setup::apply_in(root, state_dir, config)?;
    let as_asked = applied.failed.is_none() && applied.plan.is_done();
    for line in applied.to_string().lines() {
        if as_asked {
            tracing::info!("tiers: {line}");
        } else {
            tracing::warn!("tiers: {line}");
        }
    }
    Ok(())
}

/// Says what became of a knob.
pub(crate) fn report(path: &Path, outcome: &Outcome, why: &str) {
    let path = shown(path);
    match outcome {
        Outcome::Unchanged => tracing::debug!("/{path}: holds the value already ({why})"),
        Outcome::Written { from } => tracing::info!("/{path}: was `{from}`, written ({why})"),
        Outcome::Gone => tracing::debug!("/{path}: the cgroup is gone ({why})"),
        Outcome::Missing => tracing::warn!("/{path}: this kernel has no such file ({why})"),
        Outcome::Drifted { found, written } => {
            tracing::warn!(
                "/{path}: lowtide wrote `{written}`, somebody else `{found}`: left as it is ({why})"
            );
        }
        Outcome::Refused(error) => tracing::warn!("{error} ({why})"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use lowtide_testing::SlowDisk;

    const ENABLED: &str = "sys/module/zswap/parameters/enabled";

    fn config(tiers: &str) -> Config {
        let text = format!("tiers: {{ {tiers} }}\npolicies: []\n");
        lowtide_policy::parse(Path::new("lowtide.yaml"), &text).unwrap().config
    }

    /// Kind 8: a disk that is full or read-only is no reason to end, and none to change what cannot be
    /// recorded.
    #[test]
    fn what_cannot_be_recorded_waits() {
        let (tree, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (path, text) in [("proc/sys/kernel/random/boot_id", "boot"), (ENABLED, "N")] {
            fs::create_dir_all(tree.path().join(path).parent().unwrap()).unwrap();
            fs::write(tree.path().join(path), text).unwrap();
        }
        let root = Root::open(tree.path()).unwrap();
        let mut journal = Journal::open(state.path(), &root).unwrap();
        let mut settings = Settings::new(state.path().into());
        let wanted = config("zswap: { enabled: true }");
        let enabled = || fs::read_to_string(tree.path().join(ENABLED)).unwrap();

        let in_the_way = state.path().join("journal.new");
        fs::create_dir(&in_the_way).unwrap();
        settings.turn(&root, &mut journal, &wanted, Vec::new, Duration::ZERO);
        assert!(settings.problem().unwrap().contains("cannot be recorded"), "{:?}", settings.problem());
        assert_eq!(enabled(), "N");
        fs::remove_dir(&in_the_way).unwrap();
        settings.turn(&root, &mut journal, &wanted, Vec::new, Duration::from_secs(29));
        assert_eq!(enabled(), "N", "not at every turn");
        settings.turn(&root, &mut journal, &wanted, Vec::new, RETRY);
        assert_eq!((enabled().as_str(), settings.problem()), ("Y", None));

        // What is held stays held, and is put back as soon as that can be recorded.
        fs::create_dir(&in_the_way).unwrap();
        settings.changed();
        settings.turn(&root, &mut journal, &config(""), Vec::new, RETRY * 2);
        assert_eq!(enabled(), "Y");
        fs::remove_dir(&in_the_way).unwrap();
        settings.turn(&root, &mut journal, &config(""), Vec::new, RETRY * 3);
        assert_eq!((enabled().as_str(), settings.problem()), ("N", None));
        assert!(journal.records().is_empty());
    }

    /// Kind 8: a disk that is slow.
    #[test]
    fn what_is_recorded_late_is_set_once_it_is() {
        let (tree, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (path, text) in [("proc/sys/kernel/random/boot_id", "boot"), (ENABLED, "N")] {
            fs::create_dir_all(tree.path().join(path).parent().unwrap()).unwrap();
            fs::write(tree.path().join(path), text).unwrap();
        }
        let root = Root::open(tree.path()).unwrap();
        let (mut journal, disk) = (Journal::open(state.path(), &root).unwrap(), SlowDisk::default());
        journal.wait_at_most(Duration::ZERO, Some(disk.hook()));
        let mut settings = Settings::new(state.path().into());
        let enabled = || fs::read_to_string(tree.path().join(ENABLED)).unwrap();
        let mut turns = |wanted: &Config, journal: &mut Journal| {
            settings.changed();
            (0..8).any(|_| {
                settings.turn(&root, journal, wanted, Vec::new, Duration::ZERO);
                SlowDisk::settle(journal);
                settings.due.is_none()
            })
        };
        disk.let_through(100);
        assert!(turns(&config("zswap: { enabled: true }"), &mut journal));
        assert_eq!(enabled(), "Y");
        assert!(turns(&config(""), &mut journal));
        assert_eq!((enabled().as_str(), journal.records().len()), ("N", 0));
    }
}
