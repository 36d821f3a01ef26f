mod refusal;
mod results;
mod write;

use std::sync::Arc;

use lowtide_kernfs::Root;

use crate::{
    Admin, Capabilities, Claim, Context, Error, KdamondState, Record, Result, Thread,
    directory::Directory,
    probe,
    record::boot_id,
    recover::stop,
    slot::{Command, STATE, Slot},
};

/// A kdamond of ours. Dropping it leaves it as it is: running, if it runs.
#[derive(Debug)]
pub struct Owned {
    pub(crate) root: Root,
    pub(crate) slot: Slot,
    pub(crate) context: Arc<dyn Directory>,
    claim: Claim,
    capabilities: Capabilities,
}

/// A kdamond that is taken and still empty. Dropping it leaves it vacant.
#[derive(Debug)]
#[must_use = "it is probed before it can be started"]
pub struct Claimed {
    root: Root,
    slot: Slot,
    context: Arc<dyn Directory>,
    claim: Claim,
}

impl Claimed {
    /// Makes the context of a vacant kdamond anew, with the kernel's defaults.
    pub(crate) fn take(admin: &Admin, index: u32) -> Result<Self> {
        let slot = admin.slot(index)?;
        match slot.state()? {
            KdamondState::Vacant => {}
            KdamondState::Running { pid } => return Err(Error::AlreadyRunning { index, pid }),
            KdamondState::Configured => return Err(Error::Lost { index }),
        }
        slot.set_contexts(1)?;
        let context = slot.context()?;
        let claim = Claim {
            boot_id: boot_id(&admin.root)?,
            index,
            kdamond: slot.directory.inode()?,
            context: context.inode()?,
            thread: None,
            capabilities: None,
        };
        Ok(Self { root: admin.root.clone(), slot, context, claim })
    }

    /// Its number.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.claim.index
    }

    /// To be kept on disk before probing.
    #[must_use]
    pub fn record(&self) -> Record {
        Record::Claim(self.claim.clone())
    }

    /// Finds out what the kernel has: makes one of everything, tries the words, and leaves the context as
    /// empty as it was.
    pub fn probe(self) -> Result<Owned> {
        let Self { root, slot, context, mut claim } = self;
        let capabilities = probe::probe(&slot, &*context)?;
        claim.capabilities = Some(capabilities.clone());
        let owned = Owned { root, slot, context, claim, capabilities };
        owned.ours()?;
        Ok(owned)
    }
}

impl Owned {
    /// Takes over a kdamond that an earlier process of ours recorded, running or not. `None` if it is gone
    /// (another boot, or directories that another program made anew) or was not probed yet: tear such a one
    /// down.
    ///
    /// It does what it did, ages and all; [`Owned::commit`] gives it a description of this process,
    /// [`Owned::start`] if it does not run.
    pub fn adopt(admin: &Admin, claim: &Claim) -> Result<Option<Self>> {
        let Some(slot) = claim.find_slot(admin)? else { return Ok(None) };
        let Some(context) = claim.find_context(&slot)? else { return Ok(None) };
        let Some(capabilities) = claim.capabilities.clone() else { return Ok(None) };
        let mut owned = Self { root: admin.root.clone(), slot, context, claim: claim.clone(), capabilities };
        // Killed between starting and recording the thread.
        if let Some(pid) = owned.slot.running()? {
            owned.claim.thread = Thread::find(&owned.root, pid)?;
        }
        Ok(Some(owned))
    }

    /// Its number.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.claim.index
    }

    /// What its kernel has.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Its thread, once it was started. It may have ended since.
    #[must_use]
    pub const fn thread(&self) -> Option<Thread> {
        self.claim.thread
    }

    /// To be kept on disk before starting, and again after.
    #[must_use]
    pub fn record(&self) -> Record {
        Record::Claim(self.claim.clone())
    }

    /// Whether it runs.
    pub fn is_running(&self) -> Result<bool> {
        self.ours()?;
        Ok(self.slot.running()?.is_some())
    }

    /// Writes the description and starts the kdamond.
    ///
    /// What the description asks for and the kernel lacks, or cannot be at all, or names what is not there,
    /// is refused before anything is written.
    pub fn start(&mut self, context: &Context) -> Result<()> {
        self.admit(context)?;
        if let Some(pid) = self.slot.running()? {
            return Err(Error::AlreadyRunning { index: self.index(), pid });
        }
        self.not_exclusive()?;
        self.write(&self.plan(context))?;
        self.ours()?;
        let on = || self.slot.directory.write(STATE, Command::On.keyword());
        // EBUSY is the lock of the tree, or somebody who tolerates no other.
        let started = self.slot.patience.unless(on, || self.not_exclusive())?;
        started.map_err(|error| self.refused(Command::On, error, Some(context)))?;
        match self.slot.running()? {
            Some(pid) => self.claim.thread = Thread::find(&self.root, pid)?,
            None => return Err(Error::Ended { index: self.index(), gone: self.gone(context)? }),
        }
        Ok(())
    }

    /// Retunes it while it runs: no directory is made anew whose number stays the same, and regions and ages
    /// are kept (ages are converted if the aggregation interval changes).
    ///
    /// Targets, schemes, filters and goals are matched by their place in the list. With a goal for the
    /// intervals, what the kernel has tuned is replaced by the description's: put [`Owned::tuned_intervals`]
    /// into it to keep them.
    ///
    /// Up to 6.13 a kdamond whose commit is wrong ends, and the kernel reports success; what can be wrong is
    /// checked before, but a cgroup or process may vanish in between. That is [`Error::Ended`]: start it
    /// again.
    pub fn commit(&mut self, context: &Context) -> Result<()> {
        self.admit(context)?;
        self.must_run()?;
        self.write(&self.plan(context))?;
        self.run(Command::Commit, Some(context))
    }

    /// Hands over new targets and current values of quota goals, and nothing else.
    pub fn commit_quota_goals(&mut self, context: &Context) -> Result<()> {
        self.admit(context)?;
        self.must_run()?;
        self.write(&self.plan(context).goals_only())?;
        self.run(Command::CommitQuotaGoals, Some(context))
    }

    /// Ends it; fine if it does not run. Its description and last results stay.
    pub fn stop(&mut self) -> Result<()> {
        self.ours()?;
        stop(&self.slot)?;
        self.claim.thread = None;
        Ok(())
    }

    /// Ends it and empties its directory, which is vacant then. If `nr_kdamonds` was written for it, give the
    /// record of that to [`teardown_recorded`](crate::teardown_recorded) afterwards.
    pub fn teardown(mut self) -> Result<()> {
        self.stop()?;
        self.slot.set_contexts(0)
    }

    /// That the directory is the one that was claimed.
    pub(crate) fn ours(&self) -> Result<()> {
        match self.slot.context().and_then(|context| context.inode()) {
            Ok(inode) if inode == self.claim.context => Ok(()),
            Err(error) if !error.is_gone() => Err(error.into()),
            _ => Err(Error::Lost { index: self.index() }),
        }
    }

    /// Runs a command that needs a running kdamond, and sees that it still runs afterwards.
    pub(crate) fn run(&self, command: Command, context: Option<&Context>) -> Result<()> {
        self.ours()?;
        self.slot.command(command)?.map_err(|error| self.refused(command, error, context))?;
        self.must_run()
    }

    pub(crate) fn must_run(&self) -> Result<()> {
        if self.slot.running()?.is_some() { Ok(()) } else { Err(self.off()?) }
    }
}
