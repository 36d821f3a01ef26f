use lowtide_kernfs::{Errno, Files};

use super::Owned;
use crate::{
    Context, Error, ExclusiveUser, Result,
    check::check,
    plan::{CONTEXT, Kind, Plan, Step},
    thread::process_lives,
};

/// Where cgroup hierarchies with the memory controller are mounted, and a file that every memory cgroup but
/// the root has: version 2, and version 1. A cgroup for which the controller is not enabled is none.
const MEMCGS: [(&str, &str); 2] =
    [("sys/fs/cgroup", "memory.current"), ("sys/fs/cgroup/memory", "memory.usage_in_bytes")];

impl Owned {
    /// Refuses what cannot be, what the kernel lacks, and what names things that are not there.
    pub(super) fn admit(&self, context: &Context) -> Result<()> {
        check(context)?;
        self.capabilities().require(context)?;
        self.ours()?;
        match self.not_there(context)? {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Cgroups or processes that the description names and that are gone.
    pub(super) fn not_there(&self, context: &Context) -> Result<Option<Error>> {
        let paths = self.missing_memcgs(context)?;
        if !paths.is_empty() {
            return Ok(Some(Error::MemcgGone { paths }));
        }
        let pids = self.gone(context)?;
        Ok((!pids.is_empty()).then_some(Error::ProcessGone { pids }))
    }

    /// The processes of the description that are gone.
    pub(super) fn gone(&self, context: &Context) -> Result<Vec<u32>> {
        let watched = context.space.processes().iter().filter(|process| !process.obsolete);
        self.gone_of(watched.map(|process| process.pid))
    }

    pub(super) fn gone_of(&self, pids: impl Iterator<Item = u32>) -> Result<Vec<u32>> {
        let gone = pids.filter_map(|pid| match process_lives(&self.root, pid) {
            Ok(true) => None,
            Ok(false) => Some(Ok(pid)),
            Err(error) => Some(Err(error)),
        });
        gone.collect()
    }

    fn missing_memcgs(&self, context: &Context) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for path in context.memcgs() {
            let mut found = path == "/";
            for (mount, file) in MEMCGS {
                found |= self.root.exists(format!("{mount}{path}/{file}"))?;
            }
            if !found && !missing.iter().any(|known| known == path) {
                missing.push(path.to_owned());
            }
        }
        Ok(missing)
    }

    pub(super) fn plan(&self, context: &Context) -> Plan {
        Plan::new(context, self.capabilities().layered()).for_kernel(self.capabilities())
    }

    pub(super) fn write(&self, plan: &Plan) -> Result<()> {
        plan.steps.iter().try_for_each(|step| self.step(step)).map_err(|error| self.lost_or(error))
    }

    fn step(&self, step: &Step) -> Result<()> {
        let in_context = step.path.strip_prefix(CONTEXT).and_then(|path| path.strip_prefix('/'));
        let (directory, path) = match in_context {
            Some(path) => (&self.context, path),
            None => (&self.slot.directory, step.path.as_str()),
        };
        let patience = self.slot.patience;
        if step.kind == Kind::Count {
            let held = patience.get(|| directory.read(path))?;
            if held.trim_ascii() == step.value {
                return Ok(());
            }
        }
        patience.get(|| directory.write(path, &step.value))
    }

    pub(super) fn not_exclusive(&self) -> Result<()> {
        let users = ExclusiveUser::enabled(&self.root)?;
        if users.is_empty() { Ok(()) } else { Err(Error::Exclusive { users }) }
    }

    /// A held directory that was removed answers as if its files were missing (ENOENT), one whose files are
    /// open ENODEV.
    pub(super) fn lost_or(&self, error: Error) -> Error {
        let gone = matches!(error.errno(), Some(Errno::ENOENT | Errno::ENODEV));
        if gone { self.ours().err().unwrap_or(error) } else { error }
    }
}
