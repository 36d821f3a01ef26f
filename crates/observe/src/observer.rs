//! Looks at the host and at every cgroup that a policy names.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use lowtide_cgroup::{Cgroup, Descend, Error, Mount, Walked};
use lowtide_core::{
    Bytes, CgroupId, CgroupObservation, Confinement, HostObservation, LeftOut, Memory, Mode, NodeId,
    Observation, Policy, Ratio, Stall, Stored, Tier, TierId, TierKind,
    left_out::Kind,
    lineage::{Level, Limits, Place, Settings},
};
use lowtide_kernfs::{Files, Root};
use lowtide_pods::Pod;
use lowtide_policy::{Found as Named, PolicySet};
use lowtide_psi::Resource;

use crate::{
    choices::{Choices, Chosen},
    complaints::Complaints,
    descriptors,
    late::{self, Late, Order},
    lineage::Lineage,
    pods::{Pods, Whose},
    process::Process,
    targets::{self, Candidate},
    unchanged::Unchanged,
};

/// The eyes of the daemon.
#[derive(Debug)]
pub struct Observer {
    root: Root,
    mount: Mount,
    own: String,
    /// `None` until a policy that acts has a target to ask.
    takes_swappiness: Option<bool>,
    before: HashMap<CgroupId, Pressures>,
    complaints: Complaints,
    unchanged: Unchanged,
    /// The last turn was too short for all.
    late: Option<Late>,
    choices: Choices,
    pods: Pods,
}

/// Pressure over the last interval, for metrics.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Stalls {
    /// Some task stalled on memory.
    pub memory_some: Option<Ratio>,
    /// All tasks stalled on memory.
    pub memory_full: Option<Ratio>,
    /// Some task stalled on I/O.
    pub io_some: Option<Ratio>,
    /// All tasks stalled on I/O.
    pub io_full: Option<Ratio>,
}

/// What was seen, with the handles to act on it.
#[derive(Debug)]
pub struct Sight {
    /// What was seen.
    pub seen: Observation,
    /// Every target that is there, also one that could not be observed this time.
    pub targets: HashSet<CgroupId>,
    /// Handles of the observed cgroups, by identity: a path may have a new cgroup by the time it is acted on.
    pub handles: HashMap<CgroupId, Cgroup>,
    /// Pressure since the last look.
    pub stalls: HashMap<CgroupId, Stalls>,
    /// What targets have chosen for their policy.
    pub chosen: HashMap<CgroupId, Chosen>,
    /// Whose targets are that are containers of pods.
    pub pods: HashMap<CgroupId, Arc<Pod>>,
    /// Paths that could not be looked at, with all below them: whether there are targets is not known.
    pub unseen: Vec<Arc<str>>,
    /// Targets that this turn was too short for.
    pub unread: Vec<CgroupId>,
    /// What could not be seen.
    pub left_out: LeftOut,
}

/// So many cgroups are looked at. Each takes about 30 KiB of locked memory and a descriptor
/// (docs/benchmarks.md); a tenant can make any number of them.
const MOST: usize = 8192;
/// So many are visited to find them. One takes three system calls, and three more if a policy names it: some
/// ten milliseconds for a thousand.
pub(crate) const WALKED: usize = 32_768;
/// What has a longer path (PATH_MAX) counts as a part of the cgroup above it: each path is kept several
/// times, in locked memory.
const LONGEST: usize = 4096;

/// What the walk of a turn comes to.
#[derive(Default)]
struct Walk {
    /// Those that a policy names, parents before children.
    candidates: Vec<Candidate>,
    /// What must not be touched, and what may have it below.
    protected: Vec<Arc<str>>,
    /// What could not be looked at, with the policy that names it.
    unseen: Vec<(Arc<str>, usize)>,
    /// Cgroups of pods that are in no container that is known, and that a policy would be for that asks whose
    /// they are.
    unnamed: Vec<(Arc<str>, usize)>,
    /// What could not be looked at and may have what must not be touched.
    lost: Vec<Arc<str>>,
    /// Handles of the candidates, no more than are used in the end, and where they stand among the levels.
    handles: HashMap<CgroupId, (Option<Cgroup>, Place)>,
    chosen: HashMap<CgroupId, Chosen>,
    pods: HashMap<CgroupId, Arc<Pod>>,
    levels: Vec<Level>,
}

/// The targets among it.
#[derive(Default)]
struct Found {
    /// Each with its handle, and where it stands among the levels.
    targets: Vec<(Candidate, Cgroup, Place)>,
    /// Those beyond what is looked at.
    beyond: Vec<CgroupId>,
    levels: Vec<Level>,
    /// Paths that could not be looked at, with all below them.
    unseen: Vec<Arc<str>>,
    /// What cgroups have chosen for their policy.
    chosen: HashMap<CgroupId, Chosen>,
    /// Whose they are.
    pods: HashMap<CgroupId, Arc<Pod>>,
}

#[derive(Debug, Clone, Copy)]
struct Pressures {
    at: Duration,
    memory: Option<Stall>,
    io: Option<Stall>,
}

impl Observer {
    /// Finds the cgroup mount and the daemon's own place in it.
    pub fn new(root: Root) -> Result<Self, Error> {
        let mount = if root.is_host() { Mount::find(&root)? } else { Mount::find_unchecked(&root)? };
        let own = mount.own(&root)?.unwrap_or_else(|| "/".to_owned());
        Ok(Self {
            unchanged: Unchanged::new(&root),
            root,
            mount,
            own,
            takes_swappiness: None,
            before: HashMap::new(),
            complaints: Complaints::default(),
            late: None,
            choices: Choices::default(),
            pods: Pods::default(),
        })
    }

    /// The daemon's own cgroup.
    #[must_use]
    pub fn own(&self) -> &str {
        &self.own
    }

    /// The cgroup hierarchy.
    #[must_use]
    pub fn mount(&self) -> &Mount {
        &self.mount
    }

    /// Where the kernel's files are.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The slower nodes of a host, by their numbers.
    #[must_use]
    pub fn slow_nodes(host: &HostObservation) -> Arc<[u32]> {
        slow_nodes(host).into_iter().map(|node| node.0).collect()
    }

    /// The kernel answered a request that it does not know `swappiness=` after all.
    pub fn lacks_swappiness(&mut self) {
        self.takes_swappiness = Some(false);
    }

    /// Whether `memory.reclaim` takes `swappiness=`, if that was found out already.
    #[must_use]
    pub fn takes_swappiness(&self) -> bool {
        self.takes_swappiness.unwrap_or(false)
    }

    /// Looks once. What vanishes meanwhile is left out, and so is what cannot be read: it says nothing about
    /// the others. Who was not come to when reading has taken as long as `patience` is first next time.
    pub fn look(&mut self, policies: &PolicySet, now: Duration, patience: Duration) -> Result<Sight, Error> {
        let began = Instant::now();
        let mut left_out = LeftOut::default();
        let host = self.host(&mut left_out)?;
        // Off, and without pages, it has no limit that matters.
        let with_zswap = host.tiers.iter().any(|tier| tier.kind == TierKind::Zswap);
        self.unchanged.begin(now, with_zswap);
        self.choices.begin(now);
        self.pods.begin(now);
        let Found { targets, beyond, levels, unseen, chosen, pods } =
            self.targets(policies, &mut left_out)?;
        let mut sight = Sight {
            seen: Observation { host, cgroups: Vec::with_capacity(targets.len()) },
            targets: targets.iter().map(|(target, ..)| target.id).chain(beyond).collect(),
            handles: HashMap::with_capacity(targets.len()),
            stalls: HashMap::with_capacity(targets.len()),
            chosen,
            pods,
            unseen,
            unread: Vec::new(),
            left_out,
        };
        let mut before = HashMap::with_capacity(targets.len());
        let slow = slow_nodes(&sight.seen.host);
        // The walk has its own bound; however long it took, some are read.
        let walked = began.elapsed();
        let patience = patience.max(walked.saturating_add(patience / 2));
        let paths: Vec<_> = targets.iter().map(|(target, ..)| (target.id, &*target.path)).collect();
        let last = self.late.take();
        let Order { places, shared } = late::order(&paths, last);
        let mut queue = places.into_iter();
        let mut read = Vec::with_capacity(targets.len());
        for index in queue.by_ref() {
            let (target, cgroup, place) = &targets[index];
            let limits = self.unchanged.limits(cgroup);
            let observed = limits.and_then(|limits| Ok((observe(target, cgroup, &slow, limits)?, limits)));
            match observed.map(|(seen, limits)| Some((seen?, limits))) {
                Ok(Some((mut seen, limits))) => {
                    seen.opted_out = sight.chosen.get(&seen.id).is_some_and(Chosen::is_off);
                    self.unchanged.ran(target.id, seen.processor_time);
                    let pressures = Pressures { at: now, memory: seen.memory_pressure, io: seen.io_pressure };
                    let last = before.insert(target.id, pressures).or(self.before.get(&target.id).copied());
                    sight.stalls.insert(target.id, pressures.since(last));
                    sight.handles.insert(target.id, cgroup.clone());
                    read.push((index, *place, settings(&seen, limits), seen));
                }
                Ok(None) => {}
                Err(error) if error.is_gone() => tracing::trace!(%error, "a cgroup vanished"),
                Err(error) => sight.left_out.add_of(&target.path, Kind::Cgroup, &error.to_string()),
            }
            if began.elapsed() >= patience {
                break;
            }
        }
        sight.unread = queue.map(|place| targets[place].0.id).collect();
        let count = targets.len() - sight.unread.len();
        self.late = sight.unread.first().map(|next| Late::after(count, *next, shared, last));
        self.leave(&mut sight, &mut before);
        read.sort_unstable_by_key(|(index, ..)| *index);
        let (mut places, mut own) = (Vec::with_capacity(read.len()), Vec::with_capacity(read.len()));
        for (_, place, settings, seen) in read {
            places.push(place);
            own.push(settings);
            sight.seen.cgroups.push(seen);
        }
        self.before = before;
        self.unchanged.end();
        self.look_at_disks(&mut sight);
        sight.seen.bound(&mut sight.left_out);
        let recursive = self.mount.protects_recursively();
        lowtide_core::lineage::settle(&levels, &mut sight.seen.cgroups, &places, &own, recursive);
        Ok(sight)
    }

    /// Leaves what was not read for the next turn, with what is known of its pressure.
    fn leave(&self, sight: &mut Sight, before: &mut HashMap<CgroupId, Pressures>) {
        if sight.unread.is_empty() {
            return;
        }
        before.extend(sight.unread.iter().filter_map(|id| Some((*id, *self.before.get(id)?))));
        let why = "one turn is too short for all cgroups: the others are looked at in the next ones";
        sight.left_out.add(Kind::Cgroup, why);
        sight.left_out.add_unnamed(Kind::Cgroup, sight.unread.len() as u64 - 1);
    }

    /// Says each of them once.
    pub fn complain(&mut self, left_out: &LeftOut) {
        self.complaints.say(left_out);
    }

    /// The devices that cgroups read from, once each.
    fn look_at_disks(&self, Sight { seen, left_out, .. }: &mut Sight) {
        let devices: BTreeSet<_> = seen.cgroups.iter().flat_map(|cgroup| cgroup.reads.keys()).collect();
        for device in devices {
            let found = left_out.unless(Kind::Device, lowtide_tiers::reads_of_number(&self.root, device));
            if let Some(found) = found.flatten() {
                seen.host.reads.insert(Arc::clone(device), found);
            }
        }
    }

    /// The daemon's own memory in DRAM.
    #[must_use]
    pub fn own_memory(&self) -> Bytes {
        let status = self.root.read("proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok());
        Bytes::kib(kib.unwrap_or(0))
    }

    /// What the daemon's own process takes.
    #[must_use]
    pub fn own_process(&self, started: SystemTime) -> Process {
        Process::look(&self.root, started)
    }

    fn host(&self, left_out: &mut LeftOut) -> Result<HostObservation, Error> {
        let demotes = lowtide_tiers::demotes(&self.root)?;
        let tiers = lowtide_tiers::read(&self.root, left_out)?;
        let mut reads = HashMap::new();
        for path in tiers.iter().filter_map(|tier| tier.device.path()) {
            let found = left_out.unless(Kind::Device, lowtide_tiers::reads(&self.root, path));
            if let Some(found) = found.flatten() {
                reads.insert(path.into(), found);
            }
        }
        let host = lowtide_host::read(&self.root)?.observation(tiers, reads, self.takes_swappiness());
        let nodes = slow_nodes(&host).into_iter();
        let added_latency = nodes
            .filter_map(|node| {
                let told = left_out.unless(Kind::Device, lowtide_tiers::added_latency(&self.root, node.0));
                told.flatten().map(|latency| (node, latency))
            })
            .collect();
        let has_zram = host.tiers.iter().any(|tier| tier.kind == TierKind::Zram);
        let zram = if has_zram { lowtide_tiers::stored(&self.root)? } else { Stored::default() };
        Ok(HostObservation { demotes, added_latency, zram, ..host })
    }

    /// Every cgroup that a policy names and lowtide may act on.
    fn targets(&mut self, policies: &PolicySet, left_out: &mut LeftOut) -> Result<Found, Error> {
        if let Some(policy) = policies.of_whole_host() {
            return self.whole_host(policy);
        }
        let most = MOST.min(descriptors::cgroups_at_once());
        let walk = self.walk(policies, most, left_out)?;
        Ok(self.open(walk, most, left_out))
    }

    /// Goes once over the hierarchy.
    fn walk(&mut self, policies: &PolicySet, most: usize, left_out: &mut LeftOut) -> Result<Walk, Error> {
        let mut walk = Walk::default();
        let (mut lineage, mut failed) = (Lineage::default(), Vec::new());
        let unchanged = &mut self.unchanged;
        let (choices, pods, root) = (&mut self.choices, &mut self.pods, &self.root);
        let may_choose = policies.lets_choose();
        // Whatever the walk finds, what is read after it has descriptors.
        let reserve = descriptors::reserve_descriptors(&self.mount);
        let walked = self.mount.walk_within(WALKED, |cgroup| {
            if cgroup.path().len() > LONGEST {
                return Descend::No;
            }
            let entered = lineage.enter(cgroup, !policies.policies().is_empty(), unchanged);
            let fails = entered.as_ref().err().map(ToString::to_string);
            let place = entered.unwrap_or_default();
            let is_told = fails.is_some();
            failed.extend(fails.map(|why| (Arc::clone(cgroup.path()), why)));
            if may_choose {
                choices.enter(cgroup);
            }
            pods.enter(cgroup);
            if targets::is_protected(cgroup.path(), &self.own) {
                walk.protected.push(Arc::clone(cgroup.path()));
                return Descend::Yes;
            }
            let (named, whose) = pods.policy(cgroup.path(), policies, root);
            if named != Named::None && (self.before.contains_key(&cgroup.id()) || has_memory(cgroup)) {
                let policy = match named {
                    Named::Policy(policy) => policy,
                    Named::Unknown(policy) => {
                        // A container whose pod is known in another turn may be a target then, as it may have
                        // been in the last one.
                        let is_passing = matches!(whose, Whose::Later | Whose::Unknown);
                        let list = if is_passing { &mut walk.unseen } else { &mut walk.unnamed };
                        list.push((Arc::clone(cgroup.path()), policy));
                        return Descend::Yes;
                    }
                    Named::None => return Descend::Yes,
                };
                // What cannot be told is told with its error when the cgroup is observed; one that is gone is
                // left out.
                let Some(populated) = unchanged.populated(cgroup).unwrap_or(Some(true)) else {
                    return Descend::Yes;
                };
                let Some(place) = place else {
                    let path = Arc::clone(cgroup.path());
                    let why = || format!("{path}: what holds above it cannot be read");
                    failed.extend((!is_told).then(|| (Arc::clone(&path), why())));
                    walk.unseen.push((path, policy));
                    return Descend::Yes;
                };
                let (id, path) = (cgroup.id(), Arc::clone(cgroup.path()));
                let (policy, choice) = choices.of(&path, policy, policies, &whose);
                walk.chosen.extend(choice.map(|choice| (id, choice)));
                walk.pods.extend(whose.pod().map(|pod| (id, Arc::clone(pod))));
                walk.candidates.push(Candidate { id, path, policy, populated });
                // Who is chosen without one is opened again.
                let handle = (walk.handles.len() < most).then(|| cgroup.clone());
                walk.handles.insert(id, (handle, place));
            }
            Descend::Yes
        })?;
        drop(reserve);
        walk.levels = lineage.into_levels();
        left_out.join(self.choices.end());
        left_out.join(self.pods.end(&self.root));
        for (path, why) in &failed {
            left_out.add_of(path, Kind::Cgroup, why);
        }
        walk.leave_out(walked, policies, left_out);
        Ok(walk)
    }

    /// Who may be acted on of what the walk came to.
    fn open(&self, walk: Walk, most: usize, left_out: &mut LeftOut) -> Found {
        let Walk { candidates, protected, unseen, unnamed, lost, mut handles, mut chosen, mut pods, levels } =
            walk;
        let not_looked_at = unseen.iter().map(|(path, _)| Arc::clone(path)).chain(lost).collect();
        // What lies above one that is held to no policy is not asked in its place.
        let candidates = targets::with_unseen(candidates, [unseen, unnamed].concat());
        let candidates = targets::without_parents_of(&protected, candidates);
        let mut kept = targets::deepest(candidates);
        // Without those that nobody saw.
        kept.retain(|target| handles.contains_key(&target.id));
        let (kept, beyond) = targets::within(most, kept);
        if !beyond.is_empty() {
            left_out.add(
                Kind::Cgroup,
                &format!(
                    "policies name more than {most} cgroups: what a subtree has beyond its share is not looked at"
                ),
            );
            left_out.add_unnamed(Kind::Cgroup, beyond.len() as u64 - 1);
        }
        for id in &beyond {
            handles.remove(id);
        }
        let mut opened = Vec::with_capacity(kept.len());
        for target in kept {
            let Some((handle, place)) = handles.remove(&target.id) else { continue };
            let again = || self.mount.open_as(&target.path, target.id);
            match handle.map_or_else(again, |handle| Ok(Some(handle))) {
                Ok(cgroup) => opened.extend(cgroup.map(|cgroup| (target, cgroup, place))),
                Err(error) => left_out.add_of(&target.path, Kind::Cgroup, &error.to_string()),
            }
        }
        // A tenant can make any number of those that are none in the end.
        let chosen = opened.iter().filter_map(|(target, ..)| chosen.remove_entry(&target.id)).collect();
        let pods = opened.iter().filter_map(|(target, ..)| pods.remove_entry(&target.id)).collect();
        Found { targets: opened, beyond, levels, unseen: not_looked_at, chosen, pods }
    }

    /// The root and nothing else: there is no other policy, and all cgroups are its own.
    fn whole_host(&self, policy: usize) -> Result<Found, Error> {
        let cgroup = self.mount.root()?;
        let (id, path) = (cgroup.id(), Arc::clone(cgroup.path()));
        let target = Candidate { id, path, policy, populated: true };
        let targets = vec![(target, cgroup, Place { above: None, own: None })];
        Ok(Found { targets, ..Found::default() })
    }

    /// Asks the kernel once whether it takes `swappiness=`, through a cgroup that lowtide is told to act on:
    /// in observe mode nothing is written. Looking writes nothing at all.
    pub fn find_out_swappiness(&mut self, sight: &mut Sight, policies: &[Policy]) {
        if self.takes_swappiness.is_none() {
            let acts =
                |policy: usize| policies.get(policy).is_some_and(|policy| policy.mode != Mode::Observe);
            let target = sight.seen.cgroups.iter().find(|cgroup| acts(cgroup.policy));
            let handle = target.and_then(|target| sight.handles.get(&target.id));
            self.takes_swappiness = handle.and_then(probe);
        }
        sight.seen.host.reclaim_takes_swappiness = self.takes_swappiness();
    }
}

impl Walk {
    /// What was not visited. It may have what must not be touched below it, or targets of other policies than
    /// the one above.
    fn leave_out(&mut self, walked: Walked, policies: &PolicySet, left_out: &mut LeftOut) {
        left_out.join(walked.left_out);
        if walked.beyond > 0 {
            let why = format!(
                "there are more than {WALKED} cgroups: what a subtree has beyond its share is not looked at"
            );
            left_out.add(Kind::Cgroup, &why);
            left_out.add_unnamed(Kind::Cgroup, walked.beyond as u64 - 1);
            self.protected.extend(walked.cut.into_iter().filter(|path| targets::may_hold_protected(path)));
        }
        for path in walked.failed {
            if targets::may_hold_protected(&path) {
                self.lost.push(Arc::clone(&path));
                self.protected.push(path);
            } else {
                // Its policy does not matter: it only stands in for what may be there.
                let policy = policies.matching(&path).unwrap_or_default();
                self.unseen.push((path, policy));
            }
        }
    }
}

fn probe(cgroup: &Cgroup) -> Option<bool> {
    let answer = cgroup.takes_swappiness();
    match &answer {
        Ok(takes) => tracing::info!(takes, "memory.reclaim: swappiness="),
        Err(error) => tracing::debug!(%error, "cannot find out whether memory.reclaim takes swappiness="),
    }
    answer.ok()
}

/// A child without the memory controller is charged to its parent, which then is the target. Asked once:
/// should the controller go away later, the cgroup is not observed any more and asked again.
fn has_memory(cgroup: &Cgroup) -> bool {
    // What cannot be looked at is looked at again, with its error, when it is observed.
    cgroup.dir().exists("memory.current").unwrap_or(true)
}

/// The slower nodes.
fn slow_nodes(host: &HostObservation) -> Vec<NodeId> {
    let node = |tier: &Tier| match tier.device {
        TierId::Node(node) => Some(node),
        TierId::Zswap | TierId::Device(_) => None,
    };
    host.tiers.iter().filter_map(node).collect()
}

/// `None` if the memory controller is not enabled for the cgroup.
fn observe(
    target: &Candidate,
    cgroup: &Cgroup,
    slow: &[NodeId],
    limits: Limits,
) -> Result<Option<CgroupObservation>, Error> {
    let mut memory = match cgroup.memory_within(limits) {
        Ok(memory) => memory,
        Err(Error::NoMemoryController { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !slow.is_empty() {
        let nodes = cgroup.nodes()?;
        let there = |node: &NodeId| Some((*node, *nodes.get(&node.0)?));
        memory.slow = slow.iter().filter_map(there).collect();
    }
    Ok(Some(CgroupObservation {
        id: target.id,
        path: Arc::clone(&target.path),
        policy: target.policy,
        populated: target.populated,
        opted_out: false,
        memory,
        confined: Confinement::default(),
        processor_time: cgroup.processor_time()?,
        reads: cgroup.reads()?,
        memory_pressure: cgroup.pressure(Resource::Memory)?,
        io_pressure: cgroup.pressure(Resource::Io)?,
        alarm: false,
        pending: lowtide_core::Pending::Nothing,
        effects: Vec::new(),
        reading: None,
    }))
}

/// What a target has set, and takes.
fn settings(seen: &CgroupObservation, limits: Limits) -> Settings {
    let Memory { current, swap_current, zswap_current, .. } = &seen.memory;
    Settings {
        current: *current,
        swap_current: swap_current.unwrap_or_default(),
        zswap_current: zswap_current.unwrap_or_default(),
        limits,
    }
}

impl Pressures {
    fn since(self, before: Option<Self>) -> Stalls {
        let Some(before) = before else { return Stalls::default() };
        let span = self.at.saturating_sub(before.at).as_secs_f64();
        let share = |now: Option<Duration>, then: Option<Duration>| {
            let stalled = now?.saturating_sub(then?).as_secs_f64();
            (span > 0.0).then(|| Ratio::new(stalled / span))
        };
        let some = |stall: Option<Stall>| stall.map(|stall| stall.some);
        let full = |stall: Option<Stall>| stall.and_then(|stall| stall.full);
        Stalls {
            memory_some: share(some(self.memory), some(before.memory)),
            memory_full: share(full(self.memory), full(before.memory)),
            io_some: share(some(self.io), some(before.io)),
            io_full: share(full(self.io), full(before.io)),
        }
    }
}

#[cfg(test)]
#[path = "observer_tests.rs"]
mod tests;
