//! Holds every target to the tiers of its policy, by the cgroup's own knobs: journalled, written before
//! anything is asked of the cgroup, looked at in every turn, put back when they are not wanted any more.

mod above;
mod found;
mod knob;
#[cfg(test)]
mod tests;
mod ways;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use lowtide_cgroup::{Cgroup, Mount};
use lowtide_core::{
    Bytes, CgroupId, CgroupObservation, Confinement, HostObservation, Limit, Mode, Observation, PastZswap,
    Policy, Ratio, SwapBound, TierRules,
    confine::{confine, may_reach_disk},
    confinement::Why,
    share::interleaved,
};
use lowtide_journal::{
    CgroupKnob, Journal, JournalError, Record,
    knobs::{self, Outcome},
};
use lowtide_kernfs::{Root, shown};
use lowtide_observe::{Sight, is_in_a_pod};
use lowtide_policy::Config;

use self::{
    above::Above,
    found::Found,
    knob::{Knob, Step},
};

pub use ways::ways;

/// By so much a cgroup may grow or shrink before its shares are taken anew: each time costs a write to the
/// disk.
const SLACK: Ratio = Ratio::new(1.0 / 16.0);

/// So many lines of one kind in a turn: a policy with tiers may have thousands of cgroups, and a tenant may
/// make them.
const NAMED: usize = 8;

/// Holds cgroups to their tiers.
#[derive(Debug)]
pub struct Confine {
    root: Root,
    mount: Mount,
    /// What shares were taken of.
    sizes: HashMap<CgroupId, Bytes>,
    complaints: HashSet<Complaint>,
}

/// What could not be done, and of which cgroup; of none where it is the disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Complaint {
    of: Arc<str>,
    why: String,
}

impl Complaint {
    fn of_the_disk(error: &JournalError) -> Self {
        Self { of: "".into(), why: error.to_string() }
    }
}

/// A step with one knob of one cgroup.
struct Planned {
    /// Its place in the observation.
    index: usize,
    handle: Cgroup,
    knob: Knob,
    path: PathBuf,
    step: Step,
    /// Not for the sake of a rule of the policy: to pass zswap for the moment.
    passing: bool,
}

impl Confine {
    /// One that holds nothing yet.
    #[must_use]
    pub fn new(root: Root, mount: Mount) -> Self {
        Self { root, mount, sizes: HashMap::new(), complaints: HashSet::new() }
    }

    /// Has every knob hold what its cgroup's policy asks for, and tells the observation what it comes to.
    ///
    /// A cgroup whose knobs cannot be set counts as one without swap. What `past_zswap` names is to be
    /// swapped out past zswap for the moment.
    pub fn turn(
        &mut self,
        journal: &mut Journal,
        sight: &mut Sight,
        config: &Config,
        past_zswap: &dyn Fn(CgroupId) -> bool,
    ) {
        sight.seen.host.ways = ways(&self.root, config, &sight.seen.host.tiers);
        let planned = self.plan(journal, sight, config, past_zswap);
        let mut complaints = carry_out(journal, &mut sight.seen, planned);
        keep_tmpfs(&mut sight.seen, config.policies.policies());
        self.sizes.retain(|id, _| sight.targets.contains(id));
        complaints.extend(let_go(&self.root, journal, sight));
        // Once, not at every turn.
        let new: Vec<_> =
            complaints.iter().filter(|complaint| !self.complaints.contains(*complaint)).collect();
        // One of each subtree after the other: a tenant with thousands keeps nobody else's from being told.
        let paths: Vec<_> = new.iter().map(|complaint| &*complaint.of).collect();
        for place in interleaved(&paths, 0).into_iter().take(NAMED) {
            tracing::warn!("{} (tiers of a policy)", new[place].why);
        }
        if let Some(more) = new.len().checked_sub(NAMED + 1) {
            tracing::warn!("{} more like this (tiers of a policy)", more + 1);
        }
        self.complaints = complaints.into_iter().collect();
    }

    fn plan(
        &mut self,
        journal: &Journal,
        sight: &mut Sight,
        config: &Config,
        past_zswap: &dyn Fn(CgroupId) -> bool,
    ) -> Vec<Planned> {
        let policies = config.policies.policies();
        let mut records: HashMap<CgroupId, Vec<&Record>> = HashMap::new();
        for record in journal.records() {
            if let Some(id) = record.cgroup {
                records.entry(id).or_default().push(record);
            }
        }
        let (mut planned, mut above) = (Vec::new(), Above::new(&self.mount));
        for (index, cgroup) in sight.seen.cgroups.iter_mut().enumerate() {
            let records = records.get(&cgroup.id).map(Vec::as_slice).unwrap_or_default();
            let (Some(policy), Some(handle)) = (policies.get(cgroup.policy), sight.handles.get(&cgroup.id))
            else {
                continue;
            };
            let left_alone = cgroup.opted_out || config.budgets.holdout.has(&cgroup.path, policy.mode);
            // What a policy forbids stays forbidden: that is no matter of saving.
            let tiers = &policy.tiers;
            let past = past_zswap(cgroup.id)
                && policy.mode == Mode::Full
                && !left_alone
                && !keeps_tmpfs(cgroup, policy, &sight.seen.host);
            if *tiers == TierRules::Any && records.is_empty() && !past {
                continue;
            }
            let found = Found::read(self.root.path(), handle, records).ok();
            let Some((found, bounds)) = found.zip(above.of(&cgroup.path).ok()) else {
                not_set(cgroup);
                continue;
            };
            let size = self.size(cgroup);
            let own = found.own(bounds, size);
            cgroup.confined = confine(tiers, &sight.seen.host, &own);
            if past {
                cgroup.confined = if found.has(Knob::ZswapMax) && !found::stays_below(handle) {
                    cgroup.confined.past_zswap(&own)
                } else {
                    Confinement { past_zswap: PastZswap::Refused, ..cgroup.confined }
                };
            }
            let told = if policy.mode == Mode::Observe { Confinement::default() } else { cgroup.confined };
            let passing = *tiers == TierRules::Any;
            let plan =
                |(knob, path, step)| Planned { index, handle: handle.clone(), knob, path, step, passing };
            planned.extend(found.steps(&told).map(plan));
        }
        tracing::trace!(directories = above.read(), "what is set above targets");
        planned
    }

    /// The size that shares are taken of: a little below what the cgroup has, so that it may shrink by as
    /// much.
    fn size(&mut self, cgroup: &CgroupObservation) -> Bytes {
        let now = cgroup.memory.footprint();
        let slack = now.scale(SLACK);
        let size = self.sizes.entry(cgroup.id).or_default();
        if *size > now || *size < now - slack - slack {
            *size = now - slack;
        }
        *size
    }
}

/// Journals all, then writes; returns what the kernel refused, and what the disk did. A knob that is not
/// recorded keeps what it holds, and its cgroup counts as one that is not bounded; those of others that are
/// recorded are written.
fn carry_out(journal: &mut Journal, seen: &mut Observation, mut planned: Vec<Planned>) -> Vec<Complaint> {
    let noted: Vec<_> = planned.iter().filter_map(|planned| planned.noted(seen)).collect();
    let (mut done, mut refused, mut held) = (HashSet::new(), Vec::new(), HashSet::new());
    if let Err(error) = journal.note_cgroups(&noted) {
        refused.push(Complaint::of_the_disk(&error));
        let known = journal.are_noted(&noted);
        planned.retain(|planned| {
            let is_noted = planned.noted(seen).is_none() || known.contains(&planned.path);
            if !is_noted {
                planned.fails_in(&mut seen.cgroups[planned.index]);
                if !planned.passing {
                    held.insert(planned.index);
                }
            }
            is_noted
        });
    }
    // What lets a cgroup have more comes last, and not where something that is to hold it back was refused,
    // or is not recorded.
    let (loose, tight): (Vec<_>, Vec<_>) = planned.into_iter().partition(|planned| planned.loosens(seen));
    let last = tight.len();
    let mut written = 0;
    for (place, planned) in tight.into_iter().chain(loose).enumerate() {
        if place >= last && held.contains(&planned.index) {
            continue;
        }
        let cgroup = &mut seen.cgroups[planned.index];
        let outcome = planned.write(written < NAMED);
        written += usize::from(outcome == Ok(true));
        match outcome.map(drop) {
            Ok(()) if planned.is_done_with() => drop(done.insert(planned.path)),
            Ok(()) => planned.shows_in(cgroup),
            Err(refusal) => {
                planned.fails_in(cgroup);
                if !planned.passing {
                    held.insert(planned.index);
                }
                refused.push(Complaint { of: Arc::clone(&cgroup.path), why: refusal });
            }
        }
    }
    if written > NAMED {
        tracing::info!("{written} knobs of cgroups were written in this turn (tiers of policies)");
    }
    refused.extend(journal.forget(&done).err().map(|error| Complaint::of_the_disk(&error)));
    refused
}

/// Puts the knobs of cgroups back that are no targets any more; returns what the kernel refused. What could
/// not be looked at may be one still: its knobs stay.
fn let_go(root: &Root, journal: &mut Journal, sight: &Sight) -> Vec<Complaint> {
    let others = |record: &Record| {
        record.cgroup.is_some_and(|id| !sight.targets.contains(&id))
            && !may_be_unseen(&record.path, &sight.unseen)
    };
    let mut let_go = 0;
    let mut refused = |(path, outcome): (PathBuf, Outcome)| match outcome {
        Outcome::Refused(why) => Some(Complaint { of: path.to_string_lossy().into(), why }),
        // What is as it was, was put back before, and could not be forgotten yet.
        Outcome::Gone | Outcome::Unchanged => None,
        outcome => {
            let_go += 1;
            if let_go <= NAMED {
                tracing::info!("/{}: no target any more: {outcome:?}", shown(&path));
            }
            None
        }
    };
    let refusals = match knobs::restore_some(root, journal, others) {
        Ok(outcomes) => outcomes.into_iter().filter_map(&mut refused).collect(),
        Err(error) => vec![Complaint::of_the_disk(&error)],
    };
    if let_go > NAMED {
        tracing::info!("{let_go} knobs of cgroups that are no targets any more were put back");
    }
    refusals
}

/// Whether a knob is of a cgroup at or below one of these. Where the hierarchy is mounted does not matter: at
/// worst a knob stays for longer.
fn may_be_unseen(knob: &Path, unseen: &[Arc<str>]) -> bool {
    let knob = knob.to_string_lossy();
    unseen.iter().any(|path| knob.contains(&format!("{}/", path.trim_end_matches('/'))))
}

/// A pod's volumes in memory, secrets among them, are not sent to a disk. The kernel swaps them with all other
/// anonymous memory, so lowtide asks for none of it. It writes no knob for that: under a limit without swap a
/// pod would be killed where the kernel would have swapped.
fn keep_tmpfs(seen: &mut Observation, policies: &[Policy]) {
    for cgroup in &mut seen.cgroups {
        let keeps = |policy| keeps_tmpfs(cgroup, policy, &seen.host);
        if policies.get(cgroup.policy).is_some_and(keeps) {
            cgroup.confined.swap = Some(SwapBound { limit: Bytes::ZERO, why: Why::Tmpfs });
        }
    }
}

fn keeps_tmpfs(cgroup: &CgroupObservation, policy: &Policy, host: &HostObservation) -> bool {
    let has_tmpfs = !cgroup.memory.stat.shmem.is_zero() && is_in_a_pod(&cgroup.path);
    has_tmpfs && !policy.tmpfs_to_disk && may_reach_disk(&policy.tiers, host)
}

/// What is not bounded as it should be gets no swap by lowtide's requests.
fn not_set(cgroup: &mut CgroupObservation) {
    cgroup.confined.swap = Some(SwapBound { limit: Bytes::ZERO, why: Why::NotSet });
}

impl Planned {
    fn noted(&self, seen: &Observation) -> Option<CgroupKnob> {
        let Step::Set { original, before, value } = &self.step else { return None };
        Some(CgroupKnob {
            cgroup: seen.cgroups[self.index].id,
            path: self.path.clone(),
            original: original.clone(),
            written: value.clone(),
            before: before.clone(),
        })
    }

    /// Whether something was written that is to be told, which it is here if `named`. A cgroup that is gone
    /// takes its knobs with it.
    fn write(&self, named: bool) -> Result<bool, String> {
        let (Step::Set { value, .. } | Step::PutBack { original: value }) = &self.step else {
            return Ok(false);
        };
        let path = shown(&self.path);
        match knobs::write(self.handle.dir(), self.knob.file(), value) {
            Err(_) if self.handle.exists() == Ok(false) => return Ok(false),
            Err(refusal) => return Err(refusal),
            Ok(()) if self.passing => tracing::debug!("/{path}: `{value}` written (past zswap)"),
            Ok(()) if named => tracing::info!("/{path}: `{value}` written (tiers of the policy)"),
            Ok(()) => tracing::debug!("/{path}: `{value}` written (tiers of the policy)"),
        }
        Ok(!self.passing)
    }

    fn loosens(&self, seen: &Observation) -> bool {
        match (&self.step, self.knob) {
            (Step::PutBack { .. }, _) => true,
            (Step::Set { value, .. }, Knob::SwapMax) => {
                let now = seen.cgroups[self.index].memory.swap_max.map_or(Bytes::MAX, Limit::bytes);
                knob::parsed(value) > now
            }
            _ => false,
        }
    }

    /// It could not be set.
    fn fails_in(&self, cgroup: &mut CgroupObservation) {
        if self.passing {
            cgroup.confined.past_zswap = PastZswap::Refused;
        } else {
            not_set(cgroup);
        }
    }

    fn is_done_with(&self) -> bool {
        matches!(self.step, Step::PutBack { .. } | Step::Forget)
    }

    /// The observation was made before.
    fn shows_in(&self, cgroup: &mut CgroupObservation) {
        if let (Knob::SwapMax, Step::Set { value, .. }) = (self.knob, &self.step) {
            cgroup.memory.swap_max = Some(Limit::At(knob::parsed(value)));
        }
    }
}
