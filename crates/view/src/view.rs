//! What the daemon knows at one moment: the one record that metrics, `status` and `explain` are drawn from.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use lowtide_ages::Sampling;
use lowtide_controllers::{Shown, StoreView};
use lowtide_core::{
    ByType, Bytes, CgroupId, Compressed, Confinement, Decision, FaultCost, Forecast, HostObservation,
    Hotness, Ladder, LeftOut, Memory, Observation, Policy, Stall, State, Tier,
    savings::{self, Origins, Placed},
};
use lowtide_observe::{Chosen, Process, Stalls};
use lowtide_pods::{Place, Pod};
use lowtide_reclaim::Hanging;

use crate::{
    ledger::{Account, Ledger},
    stuck::Stuck,
    sums::Sums,
};

/// The daemon's knowledge after one tick.
#[derive(Debug, Clone, serde::Serialize)]
pub struct View {
    /// Time since the daemon's start.
    pub uptime: Duration,
    /// Ticks so far.
    pub ticks: u64,
    /// What the last tick cost: observing, deciding and starting requests.
    pub tick_cpu: Duration,
    /// How long the last tick took, by the clock.
    #[serde(skip)]
    pub tick_duration: Duration,
    /// Time between the beginnings of two ticks, as configured.
    #[serde(skip)]
    pub interval: Duration,
    /// The host.
    pub host: HostObservation,
    /// What a fault on a page costs, for each tier of the host in its order.
    pub costs: Vec<TierCost>,
    /// Memory that the daemon itself has in DRAM.
    pub own: Bytes,
    /// What lowtide offloaded of all targets, less the DRAM that is taken for it, less the daemon's own
    /// memory.
    pub net_saved: i64,
    /// Uncompressed bytes that lie in swap because somebody else put them there: the kernel by itself, or
    /// another program.
    pub swapped_by_others: Bytes,
    /// How idle ages are got.
    pub sampling: Sampling,
    /// What is wrong without stopping the daemon: a reload that was refused, a device that fails.
    pub problems: Vec<String>,
    /// What could not be read in the last turn, and was left out.
    pub left_out: LeftOut,
    /// The configuration was changed and is wrong: the one before it is in force.
    pub reload_refused: bool,
    /// What was saved so far, for the report.
    #[serde(skip)]
    pub sums: Sums,
    /// Memory that does not get into swap, though it was sent there.
    pub stuck: Option<Stuck>,
    /// Reclaim requests that get no further.
    #[serde(skip)]
    pub hanging: Vec<Hanging>,
    /// How many wait for others to end.
    #[serde(skip)]
    pub queued: usize,
    /// Every store that the balancer looks at; none if it is not configured.
    pub balancer: Vec<StoreView>,
    /// What the controllers of the host show, each under its name.
    #[serde(flatten)]
    pub controllers: Shown,
    /// Some policy is for certain namespaces alone.
    #[serde(skip)]
    pub asks_for_pods: bool,
    /// The policies in force.
    #[serde(skip)]
    pub policies: Vec<Policy>,
    /// When the last turn was done, by the system's clock.
    #[serde(skip)]
    pub done: Option<SystemTime>,
    /// When the configuration in force was read.
    #[serde(skip)]
    pub configured: Option<SystemTime>,
    /// What the daemon's own process takes.
    #[serde(skip)]
    pub process: Process,
    /// Every target.
    pub cgroups: Vec<CgroupView>,
}

/// What a tier costs those who need their pages back.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct TierCost {
    /// A fault on one page.
    pub fault: FaultCost,
    /// How long ago that was measured; `None` if it is assumed, or told by firmware.
    pub age: Option<Duration>,
    /// Stall for each GiB of DRAM that it frees, if all of it is touched once: what tiers are ranked by.
    pub per_gib_freed: Option<Duration>,
}

/// One target.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CgroupView {
    /// Inode.
    pub id: CgroupId,
    /// From the cgroup root.
    pub path: Arc<str>,
    /// What was chosen for its policy, by its owner; `None` if the files alone say which one it is.
    pub chosen: Option<Chosen>,
    /// Whose container it is, or a part of.
    pub pod: Option<Arc<Pod>>,
    /// Its policy lets lowtide offload its anonymous memory.
    pub acting: bool,
    /// Its memory.
    pub memory: Memory,
    /// What its policy's tiers come to on this host.
    pub confined: Confinement,
    /// Pressure over the last interval.
    pub stalls: Stalls,
    /// Time stalled on memory since the cgroup was made.
    #[serde(skip)]
    pub memory_stall: Option<Stall>,
    /// Time stalled on I/O since the cgroup was made.
    #[serde(skip)]
    pub io_stall: Option<Stall>,
    /// How long its memory in DRAM has been idle; `None` without a source.
    pub hotness: Option<Hotness>,
    /// From which idle age on which tier is worth it; `None` without a source.
    pub ladder: Option<Ladder>,
    /// What `full` would save beyond what is offloaded.
    pub forecast: Option<Forecast>,
    /// What compression leaves of its memory; `None` as long as too little was seen.
    pub compressed: Option<Compressed>,
    /// Where its offloaded bytes live, whoever put them there.
    pub placed: Vec<Placed>,
    /// Who put them there.
    pub origins: Origins,
    /// What lowtide put there.
    #[serde(skip)]
    pub sent: Vec<Placed>,
    /// What lowtide put there, less what the tiers take for it.
    pub net_saved: Bytes,
    /// What was decided last.
    pub decision: Decision,
    /// What was done so far.
    pub account: Arc<Account>,
    /// What was faulted back since lowtide first saw it, as its promotion rate counts that.
    #[serde(skip)]
    pub came_back: ByType,
}

/// What is remembered besides what was seen.
#[derive(Debug)]
pub struct Remembered<'a> {
    /// By the decisions.
    pub state: &'a State,
    /// By the daemon.
    pub ledger: &'a Ledger,
    /// What the turn before shows of those that this one was too short for.
    pub carried: Vec<CgroupView>,
}

impl CgroupView {
    /// What it has in DRAM, without what lies on slower nodes.
    #[must_use]
    pub fn dram(&self) -> Bytes {
        self.memory.current - self.memory.demoted().total()
    }

    /// What people call it: `namespace/pod/container` and what lies below the container, or its path, which
    /// alone begins with `/`.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        let (Some(pod), Place::Container(container)) = (&self.pod, Place::of(&self.path)) else {
            return Cow::Borrowed(&self.path);
        };
        Cow::Owned(format!("{pod}{}", self.path.strip_prefix(container.cgroup()).unwrap_or_default()))
    }
}

impl View {
    /// Joins what was seen, decided and done. `stalls` gives a cgroup's pressure over the last interval,
    /// `hotness` its idle ages; `acting` says by policy whether its mode lets lowtide offload anonymous
    /// memory.
    #[must_use]
    pub fn new(
        seen: Observation,
        decisions: Vec<Decision>,
        Remembered { state, ledger, carried }: Remembered<'_>,
        own: Bytes,
        stalls: impl Fn(CgroupId) -> Stalls,
        mut hotness: HashMap<CgroupId, Hotness>,
        acting: &[bool],
    ) -> Self {
        let host = seen.host;
        let cgroup = |(cgroup, decision): (lowtide_core::CgroupObservation, Decision)| {
            let placed = state.placement(cgroup.id, &cgroup.memory, &host.tiers);
            let origins = state.origins(cgroup.id);
            let sent = origins.of_all(&placed);
            CgroupView {
                id: cgroup.id,
                path: cgroup.path,
                chosen: None,
                pod: None,
                acting: acting.get(cgroup.policy).copied().unwrap_or(false),
                stalls: stalls(cgroup.id),
                memory_stall: cgroup.memory_pressure,
                io_stall: cgroup.io_pressure,
                hotness: hotness.remove(&cgroup.id),
                ladder: state.ladder(cgroup.id).cloned(),
                forecast: state.forecast(cgroup.id).cloned(),
                compressed: state.compressed(cgroup.id, &cgroup.memory),
                net_saved: savings::net(&sent),
                placed,
                origins,
                sent,
                memory: cgroup.memory,
                confined: cgroup.confined,
                came_back: state.came_back(cgroup.id),
                account: ledger.account(cgroup.id).cloned().unwrap_or_default(),
                decision,
            }
        };
        let mut cgroups: Vec<_> = seen.cgroups.into_iter().zip(decisions).map(cgroup).collect();
        if !carried.is_empty() {
            cgroups.extend(carried);
            cgroups.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        }
        Self {
            net_saved: savings::host_net(cgroups.iter().map(|cgroup| cgroup.net_saved).sum(), own),
            swapped_by_others: swapped_by_others(&host.tiers, &cgroups),
            uptime: Duration::ZERO,
            ticks: 0,
            tick_cpu: Duration::ZERO,
            tick_duration: Duration::ZERO,
            interval: Duration::ZERO,
            configured: None,
            process: Process::default(),
            host,
            costs: Vec::new(),
            own,
            sampling: Sampling::default(),
            problems: Vec::new(),
            left_out: LeftOut::default(),
            reload_refused: false,
            sums: Sums::default(),
            stuck: None,
            hanging: Vec::new(),
            queued: 0,
            balancer: Vec::new(),
            controllers: Shown::default(),
            asks_for_pods: false,
            policies: Vec::new(),
            done: None,
            cgroups,
        }
    }

    /// The target at `path`.
    #[must_use]
    pub fn cgroup(&self, path: &str) -> Option<&CgroupView> {
        self.cgroups.iter().find(|cgroup| &*cgroup.path == path)
    }

    /// The target at a path, or that is called so ([`CgroupView::name`]).
    #[must_use]
    pub fn called(&self, name: &str) -> Option<&CgroupView> {
        self.cgroup(name).or_else(|| self.cgroups.iter().find(|cgroup| cgroup.name() == name))
    }
}

/// Swap of cgroups that are no targets is in it. Memory on slower nodes is not: most of it was allocated
/// there.
fn swapped_by_others(tiers: &[Tier], cgroups: &[CgroupView]) -> Bytes {
    let stored: Bytes = tiers.iter().filter(|tier| tier.kind.is_swap()).map(|tier| tier.stored).sum();
    let sent = cgroups.iter().flat_map(|cgroup| &cgroup.sent).filter(|part| part.kind.is_swap());
    stored - sent.map(|part| part.bytes).sum()
}
