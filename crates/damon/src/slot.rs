use std::sync::Arc;

use lowtide_kernfs::{Fault, Result as FileResult, parse::integer};

use crate::{Error, KdamondState, Result, directory::Directory, patience::Patience};

/// What `state` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    On,
    Off,
    Commit,
    CommitQuotaGoals,
    UpdateStats,
    UpdateTriedBytes,
    UpdateTriedRegions,
    UpdateEffectiveQuotas,
    UpdateTunedIntervals,
}

impl Command {
    pub(crate) const fn keyword(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Commit => "commit",
            Self::CommitQuotaGoals => "commit_schemes_quota_goals",
            Self::UpdateStats => "update_schemes_stats",
            Self::UpdateTriedBytes => "update_schemes_tried_bytes",
            Self::UpdateTriedRegions => "update_schemes_tried_regions",
            Self::UpdateEffectiveQuotas => "update_schemes_effective_quotas",
            Self::UpdateTunedIntervals => "update_tuned_intervals",
        }
    }
}

pub(crate) const STATE: &str = "state";
const PID: &str = "pid";
const NR_CONTEXTS: &str = "contexts/nr_contexts";

/// One directory `kdamonds/N`, held open.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) index: u32,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) patience: Patience,
}

impl Slot {
    pub(crate) fn state(&self) -> Result<KdamondState> {
        if let Some(pid) = self.running()? {
            return Ok(KdamondState::Running { pid });
        }
        Ok(if self.is_empty()? { KdamondState::Vacant } else { KdamondState::Configured })
    }

    /// Its thread's process id, if it runs.
    pub(crate) fn running(&self) -> Result<Option<u32>> {
        match self.text(STATE)?.trim_ascii() {
            "on" => self.parse(PID, pid),
            "off" => Ok(None),
            other => Err(self.malformed(STATE, Fault::new(1, other, "`on` or `off`"))),
        }
    }

    /// Whether nothing stands in it that anybody could have meant.
    fn is_empty(&self) -> Result<bool> {
        if self.count(NR_CONTEXTS)? == 0 {
            return Ok(true);
        }
        Ok(self.count("contexts/0/targets/nr_targets")? == 0
            && self.count("contexts/0/schemes/nr_schemes")? == 0)
    }

    /// Makes the one context anew, with the kernel's defaults, or removes it.
    pub(crate) fn set_contexts(&self, count: u32) -> Result<()> {
        self.patience.get(|| self.directory.write(NR_CONTEXTS, &count.to_string()))
    }

    pub(crate) fn context(&self) -> FileResult<Arc<dyn Directory>> {
        self.directory.subdir(crate::plan::CONTEXT)
    }

    /// Waits while the tree is busy, then for the kdamond.
    pub(crate) fn command(&self, command: Command) -> Result<FileResult<()>> {
        self.patience.with(|| self.directory.write(STATE, command.keyword()))
    }

    fn count(&self, path: &str) -> Result<u64> {
        self.parse(path, integer)
    }

    fn text(&self, path: &str) -> Result<String> {
        self.patience.get(|| self.directory.read(path))
    }

    fn parse<T>(&self, path: &str, parser: impl FnOnce(&str) -> FileResult<T, Fault>) -> Result<T> {
        parser(&self.text(path)?).map_err(|fault| self.malformed(path, fault))
    }

    fn malformed(&self, path: &str, fault: Fault) -> Error {
        malformed(&*self.directory, path, fault)
    }
}

pub(crate) fn malformed(directory: &dyn Directory, path: &str, fault: Fault) -> Error {
    lowtide_kernfs::Error::Malformed { path: directory.shown(path).into(), fault }.into()
}

/// −1 without a thread: it ended since its state was read.
fn pid(text: &str) -> Result<Option<u32>, Fault> {
    if text.trim_ascii() == "-1" {
        return Ok(None);
    }
    let pid = integer(text)?;
    u32::try_from(pid).map(Some).map_err(|_| Fault::new(1, text, "a process id"))
}
