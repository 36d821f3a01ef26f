//! Finding out what the kernel has, by making one of everything in an empty context and trying the words.

use std::collections::BTreeSet;

use lowtide_kernfs::{Errno, Result as FileResult};

use crate::{
    Action, Capabilities, FilterKind, Goal, GoalTuner, Operations, ProbeKind, Result, Watermarks,
    capabilities::{AVAIL_OPERATIONS, template},
    describe::Keyword,
    directory::Directory,
    patience::Patience,
    plan::CONTEXT,
    slot::Slot,
};

/// What is made, in this order; where the kernel does not have it, nothing is.
const MADE: [&str; 10] = [
    "targets/nr_targets",
    "targets/0/regions/nr_regions",
    "schemes/nr_schemes",
    "schemes/0/dests/nr_dests",
    "schemes/0/quotas/goals/nr_goals",
    "schemes/0/filters/nr_filters",
    "schemes/0/core_filters/nr_filters",
    "schemes/0/ops_filters/nr_filters",
    "monitoring_attrs/probes/nr_probes",
    "monitoring_attrs/probes/0/filters/nr_filters",
];
/// What is removed again; the rest goes with it.
const REMOVED: [&str; 3] = ["targets/nr_targets", "schemes/nr_schemes", "monitoring_attrs/probes/nr_probes"];

const FILTERS: [&str; 3] = ["filters", "core_filters", "ops_filters"];

pub(crate) fn probe(slot: &Slot, context: &dyn Directory) -> Result<Capabilities> {
    let tree = Tree { context, patience: slot.patience };
    for file in MADE {
        tree.write(file, "1")?;
    }
    let mut found = Capabilities::default();
    list(&*slot.directory, "", &mut found)?;
    tree.tries("schemes/0/action", &Action::KEYWORDS, &mut found)?;
    tree.tries("schemes/0/watermarks/metric", &Watermarks::KEYWORDS, &mut found)?;
    tree.tries("schemes/0/quotas/goal_tuner", &GoalTuner::KEYWORDS, &mut found)?;
    tree.tries("schemes/0/quotas/goals/0/target_metric", &Goal::KEYWORDS, &mut found)?;
    for filters in FILTERS {
        tree.tries(&format!("schemes/0/{filters}/0/type"), &FilterKind::KEYWORDS, &mut found)?;
    }
    tree.tries("monitoring_attrs/probes/0/filters/0/type", &ProbeKind::KEYWORDS, &mut found)?;
    for file in REMOVED {
        tree.write(file, "0")?;
    }
    let available = tree.patience.get(|| context.read("avail_operations"))?;
    let operations = Operations::ALL.map(|operations| operations.keyword().to_owned()).into_iter();
    let operations = operations.filter(|word| available.lines().any(|line| line.trim_ascii() == word));
    found.keywords.insert(AVAIL_OPERATIONS.to_owned(), operations.collect());
    Ok(found)
}

struct Tree<'a> {
    context: &'a dyn Directory,
    patience: Patience,
}

impl Tree<'_> {
    /// Writes a file if there is one.
    fn write(&self, file: &str, value: &str) -> Result<()> {
        match self.patience.with(|| self.context.write(file, value))? {
            Err(error) if error.is_missing() => Ok(()),
            other => Ok(other?),
        }
    }

    /// Which of the words a file takes. An unknown one is EINVAL.
    fn tries(&self, file: &str, words: &[&str], found: &mut Capabilities) -> Result<()> {
        let name = template(&format!("{CONTEXT}/{file}"));
        if !found.has_file(&name) {
            return Ok(());
        }
        let mut taken = BTreeSet::new();
        for word in words {
            match self.patience.with(|| self.context.write(file, word))? {
                Ok(()) => drop(taken.insert((*word).to_owned())),
                Err(error) if error.errno() == Some(Errno::EINVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        found.keywords.insert(name, taken);
        Ok(())
    }
}

/// Every file below a directory, at its path with `N` for indices, and every directory with a slash behind
/// it.
pub(crate) fn list(directory: &dyn Directory, at: &str, found: &mut Capabilities) -> FileResult<()> {
    let entries = directory.entries()?;
    let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
    found.files.extend(entries.files.iter().map(|name| template(&path(name))));
    entries.directories.iter().try_for_each(|name| {
        found.files.insert(format!("{}/", template(&path(name))));
        list(&*directory.subdir(name)?, &path(name), found)
    })
}
