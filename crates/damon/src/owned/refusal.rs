use lowtide_kernfs::{Errno, Error as FileError, Result as FileResult, parse::integer};

use super::Owned;
use crate::{Context, Error, Result, slot::Command};

impl Owned {
    /// What the kernel's refusal of a command means.
    pub(super) fn refused(&self, command: Command, error: FileError, context: Option<&Context>) -> Error {
        match self.reason(command, error, context) {
            Ok(reason) | Err(reason) => reason,
        }
    }

    /// `Err` if that could not be found out.
    fn reason(&self, command: Command, error: FileError, context: Option<&Context>) -> Result<Error> {
        let Some(errno @ (Errno::EINVAL | Errno::ENOMEM | Errno::ECANCELED)) = error.errno() else {
            return Ok(self.lost_or(error.into()));
        };
        if command != Command::On && self.slot.running()?.is_none() {
            return self.off();
        }
        if errno == Errno::ECANCELED {
            return Ok(Error::NothingTried { index: self.index() });
        }
        // A missing cgroup is EINVAL, which schemes turn into ENOMEM (`damon_sysfs_mk_scheme`); a missing
        // process is EINVAL.
        let not_there = context.map(|context| self.not_there(context)).transpose()?.flatten();
        Ok(not_there.unwrap_or_else(|| {
            let path = error.path().into();
            match errno {
                Errno::ENOMEM => Error::OutOfMemory { path },
                errno => Error::Rejected { path, command: command.keyword(), errno },
            }
        }))
    }

    /// Why it does not run.
    pub(super) fn off(&self) -> Result<Error> {
        let index = self.index();
        if self.thread().is_none() {
            return Ok(Error::NotRunning { index });
        }
        let pids = self.watched().unwrap_or_default();
        Ok(Error::Ended { index, gone: self.gone_of(pids.into_iter())? })
    }

    /// The processes in its directory, which for physical memory are zeros.
    fn watched(&self) -> FileResult<Vec<u32>> {
        let targets = self.context.subdir("targets")?;
        let pids = targets.entries()?.directories.into_iter().map(|index| {
            let text = targets.read(&format!("{index}/pid_target"))?;
            Ok(integer(&text).ok().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0))
        });
        pids.filter_map(FileResult::transpose).collect()
    }
}
