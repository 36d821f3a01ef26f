//! Idle ages from DAMON: one kdamond of ours, over physical memory where the kernel can tell it apart by
//! cgroup, else over the addresses of the cgroups' processes.
//!
//! Which of the two it is cannot be told without writing: what the kernel has is probed in a kdamond's own
//! directory. So that is found out at the first look, which comes only if a policy acts.

pub(crate) mod cohorts;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod kdamond;
pub(crate) mod memcgs;
mod pace;
mod paddr;
pub mod process;
pub mod ram;
pub mod records;
mod slots;
mod vaddr;

use std::{path::PathBuf, time::Duration};

use lowtide_cgroup::Mount;
use lowtide_core::{
    CgroupId, Cohort, LeftOut, Ratio,
    reading::{Resolution, Source},
};
use lowtide_damon::{Admin, Capabilities, Context, Error, ExclusiveUser, Operations, Part, Scheme, Space};
use lowtide_kernfs::{Root, thread_cpu};

use self::{
    kdamond::{Failure, Kdamond, Sight, end},
    pace::Pace,
    paddr::Paddr,
    records::Records,
    vaddr::Vaddr,
};
use super::{Ager, Look, Seen, Target};

/// Somebody else's snapshot keeps the tree busy for as long as its aggregation or apply interval.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The filter that tells targets apart.
const TARGET_FILTER: [&str; 2] =
    ["contexts/N/schemes/N/core_filters/N/type", "contexts/N/schemes/N/filters/N/type"];

/// What is watched at one look.
#[derive(Debug)]
struct Description {
    space: Space,
    /// None if there is nothing to watch.
    schemes: Vec<Scheme>,
    /// Targets for which there is no room.
    left_out: usize,
    /// Cgroups and processes that could not be looked at.
    failed: LeftOut,
}

/// A way to watch cgroups.
trait Watch: std::fmt::Debug + Send {
    /// Finds what belongs to the targets now.
    fn describe(&mut self, targets: &[Target]) -> Result<Description, String>;

    /// Idle ages of the targets of the last description.
    fn read(&self, sight: &Sight) -> Vec<(CgroupId, Vec<Cohort>)>;
}

/// DAMON.
#[derive(Debug)]
pub(super) struct Damon {
    root: Root,
    mount: Mount,
    admin: Admin,
    state_dir: PathBuf,
    /// Share of a processor for monitoring.
    budget: Ratio,
    /// Physical addresses are not asked for.
    addresses_only: bool,
    running: Option<Running>,
    why: String,
}

/// From the first look on.
#[derive(Debug)]
struct Running {
    kdamond: Kdamond,
    records: Records,
    source: Source,
    watch: Box<dyn Watch>,
    pace: Pace,
}

impl Damon {
    /// Writes nothing yet. An error says why there is no DAMON.
    pub(super) fn new(root: Root, mount: Mount, state_dir: PathBuf, cpu: Ratio) -> Result<Self, Error> {
        let admin = Admin::open(&root)?.with_patience(PATIENCE);
        let why = match ExclusiveUser::enabled(&root)?.as_slice() {
            [] => {
                "DAMON; whether by physical or by virtual address is found out at the first look".to_owned()
            }
            users => exclusive(users),
        };
        // The other half is for looks.
        let budget = Ratio::new(cpu.get() / 2.0);
        Ok(Self { root, mount, admin, state_dir, budget, addresses_only: false, running: None, why })
    }

    /// The same by virtual address, whatever the kernel can.
    pub(super) fn of_addresses(
        root: Root,
        mount: Mount,
        state_dir: PathBuf,
        cpu: Ratio,
    ) -> Result<Self, Error> {
        Ok(Self { addresses_only: true, ..Self::new(root, mount, state_dir, cpu)? })
    }

    fn begin(&mut self) -> Result<Running, Failure> {
        let users = ExclusiveUser::enabled(&self.root)?;
        if !users.is_empty() {
            return Err(Error::Exclusive { users }.into());
        }
        let mut records = Records::open(&self.state_dir)?;
        // Of a look that failed.
        end(&self.root, &mut records)?;
        let begun = Kdamond::claim(&self.admin, &mut records).and_then(|kdamond| {
            let (source, why, watch) = self.choose(kdamond.capabilities())?;
            Ok((kdamond, source, why, watch))
        });
        match begun {
            Ok((kdamond, source, why, watch)) => {
                tracing::info!(%source, "idle ages: {why}");
                self.why = why;
                let finest = if source == Source::DamonPaddr { pace::PHYSICAL } else { pace::ADDRESSES };
                Ok(Running { kdamond, records, source, watch, pace: Pace::new(finest, self.budget) })
            }
            Err(failure) => {
                end(&self.root, &mut records)?;
                Err(failure)
            }
        }
    }

    /// The better one of the two, and why.
    fn choose(&self, has: &Capabilities) -> Result<(Source, String, Box<dyn Watch>), Error> {
        let refused = match self.physical(has) {
            Ok(paddr) => {
                let why =
                    "DAMON by physical address: the kernel counts the bytes that pass a filter".to_owned();
                return Ok((Source::DamonPaddr, why, Box::new(paddr)));
            }
            Err(refused) => refused,
        };
        let tells_targets_apart = TARGET_FILTER.iter().any(|file| has.takes(file, "target"));
        if !has.operations(Operations::Vaddr) || !tells_targets_apart {
            let part = |file: &str, keyword: &str| Part { file: file.into(), keyword: Some(keyword.into()) };
            let operations = part("contexts/N/avail_operations", "vaddr");
            let parts = vec![operations, part(TARGET_FILTER[1], "target")];
            let parts = parts.into_iter().filter(|part| !has.has(part)).collect();
            return Err(Error::Missing { parts });
        }
        let why = format!("DAMON by virtual address; by physical address: {refused}");
        Ok((Source::DamonVaddr, why, Box::new(Vaddr::new(self.root.clone(), self.mount.clone()))))
    }

    fn physical(&self, has: &Capabilities) -> Result<Paddr, String> {
        if self.addresses_only {
            return Err(
                "its regions hold pages of many cgroups, so only `hotness.source: damon` takes it".into()
            );
        }
        if !has.operations(Operations::Paddr) {
            return Err("this kernel was built without it".into());
        }
        if !has.counts_passed_bytes() {
            return Err("this kernel does not count the bytes that pass a filter (6.14 and later do)".into());
        }
        let ram = ram::ranges(&self.root).map_err(|error| error.to_string())?;
        Ok(Paddr::new(self.mount.clone(), ram))
    }

    fn try_look(&mut self, targets: &[Target]) -> Result<Look, Trouble> {
        let begun = thread_cpu().unwrap_or_default();
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.begin()?,
        };
        let outcome = look(&mut running, targets);
        if outcome.as_ref().err().is_none_or(Trouble::passes) {
            self.running = Some(running);
        } else if let Err(failure) = end(&self.root, &mut running.records) {
            tracing::warn!("DAMON: {failure}");
        }
        let mut look = outcome?;
        look.cpu += thread_cpu().unwrap_or_default().saturating_sub(begun);
        Ok(look)
    }
}

/// Why there was nothing to see.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Kdamond(#[from] Failure),
    /// The targets could not be found out.
    #[error("{0}")]
    Targets(String),
}

impl Trouble {
    /// Whether the next look may go well with the same kdamond.
    const fn passes(&self) -> bool {
        match self {
            Self::Kdamond(failure) => failure.passes(),
            Self::Targets(_) => true,
        }
    }
}

fn look(running: &mut Running, targets: &[Target]) -> Result<Look, Trouble> {
    let Description { space, schemes, left_out, failed } =
        running.watch.describe(targets).map_err(Trouble::Targets)?;
    let mut look = Look { note: note(left_out, targets.len()), left_out: failed, ..Look::default() };
    if schemes.is_empty() {
        return Ok(look);
    }
    let context = Context { monitoring: running.pace.monitoring(), schemes, ..Context::new(space) };
    let Some(sight) = running.kdamond.look(&context, &mut running.records)? else { return Ok(look) };
    let (used, elapsed) = sight.rest;
    let (source, resolution) = (running.source, Resolution::Regions);
    let seen = |cohorts| Seen { source, cohorts, resolution, left: None, touched: None };
    look.readings = running.watch.read(&sight).into_iter().map(|(id, cohorts)| (id, seen(cohorts))).collect();
    look.at = sight.at;
    look.cpu = sight.cpu;
    look.between = used;
    look.share_between = Ratio::new(used.as_secs_f64() / elapsed.as_secs_f64().max(f64::MIN_POSITIVE));
    if running.pace.settle(used, elapsed) {
        let monitoring = running.pace.monitoring();
        tracing::info!(
            sample = ?monitoring.intervals.sample, regions = monitoring.regions.max,
            "DAMON took {} of a core: it looks so from now on", look.share_between
        );
    }
    Ok(look)
}

fn note(left_out: usize, of: usize) -> Option<String> {
    (left_out > 0)
        .then(|| format!("{left_out} of {of} cgroups have no idle ages: DAMON has no room for them"))
}

/// They are the operator's: lowtide does not switch them off.
pub(crate) fn exclusive(users: &[ExclusiveUser]) -> String {
    let remedies: Vec<_> =
        users.iter().map(|user| format!("`echo N > /{}`", user.parameter().display())).collect();
    let names: Vec<_> = users.iter().map(ToString::to_string).collect();
    format!("DAMON is taken by {}; {} makes room", names.join(", "), remedies.join(" and "))
}

impl Ager for Damon {
    fn source(&self) -> Option<Source> {
        self.running.as_ref().map(|running| running.source)
    }

    fn why(&self) -> String {
        self.why.clone()
    }

    /// All targets, whether or not they are due: what is not watched all the time has no ages.
    fn look(&mut self, all: &[Target], _due: &[Target]) -> Result<Look, String> {
        self.try_look(all).map_err(|trouble| {
            let said = match &trouble {
                Trouble::Kdamond(Failure::Damon(Error::Exclusive { users })) => exclusive(users),
                other => other.to_string(),
            };
            if self.running.is_none() {
                self.why.clone_from(&said);
            }
            said
        })
    }

    fn stop(&mut self) -> Result<(), String> {
        let ended = match self.running.take() {
            Some(mut running) => end(&self.root, &mut running.records),
            // A look that failed may have left one that could not be ended then.
            None => Records::open(&self.state_dir)
                .map_err(Failure::from)
                .and_then(|mut records| end(&self.root, &mut records)),
        };
        ended.map_err(|failure| failure.to_string())
    }
}
