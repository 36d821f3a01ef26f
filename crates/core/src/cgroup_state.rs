//! What is remembered of one cgroup from tick to tick.

use std::{sync::Arc, time::Duration};

use crate::{
    cgroup::ByType,
    compression::{Compression, OnDevices},
    confinement::PastZswap,
    cost::Costs,
    effect::{Effect, Scope},
    forecast::Forecast,
    history::{History, Sample},
    idle::{Since, Tracker},
    mode::Mode,
    observation::{CgroupObservation, HostObservation},
    pace::Pace,
    placement::Ladder,
    policy::Policy,
    reads::Reads,
    savings::Origins,
    slowdown::Slowdown,
    swapoff::SwapChange,
    units::{Bytes, Ratio},
    usual::UsualIo,
    watch::Watch,
    worth::{Change, Worth},
};

/// What a turn is to all cgroups.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn<'a> {
    pub(crate) host: &'a HostObservation,
    pub(crate) costs: &'a Costs,
    pub(crate) swap: SwapChange,
    /// Memory of the host is demoted to slower nodes.
    pub(crate) slow_nodes: bool,
    pub(crate) now: Duration,
}

/// What left DRAM on request.
#[derive(Debug, Clone, Copy)]
struct Left {
    /// For swap, or for nowhere.
    reclaimed: ByType,
    /// For slower nodes.
    demoted: ByType,
    /// From slower nodes, for swap.
    sunk: ByType,
}

impl Left {
    fn all(self) -> ByType {
        [self.reclaimed, self.demoted, self.sunk].into_iter().sum()
    }

    fn total(self) -> Bytes {
        self.all().total()
    }
}

/// How memory goes on from slower nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sinking {
    /// From this idle age on.
    pub(crate) from: Duration,
    /// Whatever the cut and the ladder were when it went, it had been idle there for so long.
    pub(crate) at_least: Duration,
    /// To the disk behind zswap, which does not give back what it has stored: what belongs on the disk has to
    /// go there at once.
    pub(crate) past_zswap: bool,
}

/// What came back.
#[derive(Debug, Clone, Copy)]
struct Back {
    /// With page cache of the working set.
    promoted: ByType,
    /// With all page cache that was read again.
    refaulted: ByType,
}

/// What is remembered of one cgroup.
#[derive(Debug)]
pub(crate) struct CgroupState {
    pub(crate) policy: Arc<str>,
    pub(crate) mode: Mode,
    pub(crate) watch: Watch,
    pub(crate) last_seen: Duration,
    /// Turns in which it was not observed, since it last was.
    pub(crate) absent: u8,
    pub(crate) history: History,
    pub(crate) pace: Pace,
    /// What came of offloading each type of memory.
    pub(crate) worth: PerType<Worth>,
    /// What a page of page cache costs to read again.
    pub(crate) reads: Reads,
    /// By how much its work takes longer for what came back.
    pub(crate) slowdown: Slowdown,
    /// What the cgroup stalls on I/O by itself.
    pub(crate) usual: UsualIo,
    pub(crate) tracker: Tracker,
    /// Of the last tick; `None` without an idle-age source.
    pub(crate) ladder: Option<Ladder>,
    /// What more could be saved, as of the last tick; `None` without an idle-age source, or without anything
    /// to offload to.
    pub(crate) forecast: Option<Forecast>,
    /// How its memory compresses, and where what was swapped out is, as of the last tick.
    pub(crate) compression: Compression,
    pub(crate) on_devices: OnDevices,
    /// Who put there what lies outside DRAM.
    pub(crate) origins: Origins,
    /// How anonymous memory goes on from slower nodes to swap, as of the last tick; `None` if it stays.
    pub(crate) sinking: Option<Sinking>,
    /// Some of it is to go past zswap now.
    pub(crate) wants_past_zswap: bool,
    /// The host is about to run short, and this is one of those that are asked first.
    pub(crate) asked_first: bool,
    /// What of it was swapped out at the last tick; nothing for one without processes, that nobody waits for.
    pub(crate) offloaded: Bytes,
    /// Part of the SLO was broken at the last tick: the price is lowered once per breach, not once per tick.
    pub(crate) was_broken: bool,
    /// No request before this, after a trigger.
    pub(crate) calm_from: Duration,
    /// Requests in a row that freed next to nothing, and when the next may be made.
    pub(crate) fruitless: u32,
    pub(crate) retry_from: Duration,
    /// Nothing is demoted before this: the kernel swapped out what it was to demote, as it does where the
    /// cgroup's cpuset leaves the slower node out (7.3, `can_demote`, mm/vmscan.c).
    demotes_from: Duration,
    /// Nothing goes past zswap before this, since it was refused.
    pub(crate) passes_from: Duration,
    /// Allowed by price and headroom but too small for a request of its own.
    pub(crate) credit: ByType,
    /// Swap that the request in flight may still fill.
    pub(crate) promised: Bytes,
    reclaimed: Bytes,
    cpu: Duration,
    promoted: ByType,
    refaulted: ByType,
    /// Since lowtide first saw the cgroup.
    so_far: SoFar,
}

/// One of each for the two types of memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PerType<T> {
    pub(crate) anon: T,
    pub(crate) file: T,
}

/// Sums since lowtide first saw a cgroup; what swapoff brought back is left out.
#[derive(Debug, Clone, Copy, Default)]
struct SoFar {
    /// Faulted back.
    came_back: ByType,
    /// What the swap-ins cost.
    swap_in_stall: Duration,
    /// What reading page cache again cost.
    refault_stall: Duration,
}

/// The longest wait after requests that freed nothing.
const LONGEST_RETRY: Duration = Duration::from_mins(10);
/// A request that frees less than this share of what was asked is fruitless.
const FRUITFUL: Ratio = Ratio::new(0.1);

impl CgroupState {
    pub(crate) fn new(seen: &CgroupObservation, policy: &Policy, now: Duration) -> Self {
        Self {
            policy: Arc::clone(&policy.name),
            mode: policy.mode,
            watch: Watch::new(now),
            last_seen: now,
            absent: 0,
            history: History::default(),
            pace: Pace::default(),
            worth: PerType::default(),
            reads: Reads::default(),
            slowdown: Slowdown::default(),
            usual: UsualIo::default(),
            tracker: Tracker::default(),
            ladder: None,
            forecast: None,
            compression: Compression::default(),
            on_devices: OnDevices::default(),
            origins: Origins::default(),
            sinking: None,
            wants_past_zswap: false,
            asked_first: false,
            offloaded: Bytes::ZERO,
            was_broken: false,
            calm_from: Duration::ZERO,
            fruitless: 0,
            retry_from: Duration::ZERO,
            demotes_from: Duration::ZERO,
            passes_from: Duration::ZERO,
            credit: ByType::default(),
            promised: Bytes::ZERO,
            reclaimed: Bytes::ZERO,
            cpu: Duration::ZERO,
            promoted: seen.memory.promoted(),
            refaulted: seen.memory.refaulted(),
            so_far: SoFar::default(),
        }
    }

    /// Takes in one observation; returns the time since the last one.
    pub(crate) fn learn(&mut self, seen: &CgroupObservation, policy: &Policy, turn: &Turn<'_>) -> Duration {
        let Turn { swap, now, .. } = *turn;
        let elapsed = now.saturating_sub(self.last_seen);
        if seen.confined.past_zswap == PastZswap::Refused {
            self.passes_from = now + LONGEST_RETRY;
        }
        let left = self.left(seen, now);
        self.reclaimed += left.total();
        self.cpu = seen.effects.iter().fold(self.cpu, |sum, effect| sum.saturating_add(effect.cpu));
        let back = self.came_back(seen, swap);
        self.account(seen, back.refaulted, left, turn, elapsed);
        let since = Since {
            taken: left.reclaimed,
            demoted: left.demoted,
            sunk: left.sunk,
            promoted: back.promoted,
            faults: seen.memory.stat.faults.unwrap_or_default(),
            offloaded: seen.memory.offloaded(),
            shmem: seen.memory.stat.shmem,
            slow_nodes: turn.slow_nodes && now >= self.demotes_from,
        };
        self.tracker.account(&since, policy, now);
        self.tracker.learn(seen.reading.as_deref(), policy);
        if !seen.pending.is_any() {
            self.promised = Bytes::ZERO;
        }
        self.origins.learn(&seen.memory, &seen.effects, seen.pending);
        for effect in &seen.effects {
            self.judge(effect, now, elapsed);
        }
        if swap.other_devices {
            (self.fruitless, self.retry_from) = (0, Duration::ZERO);
        }
        self.so_far.came_back += back.promoted;
        self.history.push(self.sample(seen, now));
        self.usual.observe(&self.history, now);
        self.last_seen = now;
        self.absent = 0;
        elapsed
    }

    /// What left DRAM on request since the last turn.
    fn left(&mut self, seen: &CgroupObservation, now: Duration) -> Left {
        let of = |wanted: fn(Scope) -> bool| -> ByType {
            seen.effects.iter().filter(|effect| wanted(effect.scope)).map(Effect::taken).sum()
        };
        let demotions = || seen.effects.iter().filter(|effect| effect.scope == Scope::Demote);
        let anon = |size: Bytes| ByType { anon: size, file: Bytes::ZERO };
        let swapped_instead = anon(demotions().map(|effect| effect.offloaded).sum());
        if demotions().any(|effect| effect.offloaded > effect.demoted) {
            self.demotes_from = now + LONGEST_RETRY;
        }
        let asked = of(|scope| !matches!(scope, Scope::Demote | Scope::Sink));
        Left {
            reclaimed: [asked, swapped_instead].into_iter().sum(),
            demoted: anon(demotions().map(|effect| effect.demoted).sum()),
            sunk: of(|scope| scope == Scope::Sink),
        }
    }

    /// What came back since the last turn.
    fn came_back(&mut self, seen: &CgroupObservation, swap: SwapChange) -> Back {
        let (promoted, refaulted) = (seen.memory.promoted(), seen.memory.refaulted());
        let mut back = Back { promoted: promoted - self.promoted, refaulted: refaulted - self.refaulted };
        (self.promoted, self.refaulted) = (promoted, refaulted);
        if swap.brought_back {
            (back.promoted.anon, back.refaulted.anon) = (Bytes::ZERO, Bytes::ZERO);
        }
        back
    }

    /// What came back has its cost, and says whether what left was worth it.
    fn account(
        &mut self,
        seen: &CgroupObservation,
        back: ByType,
        left: Left,
        turn: &Turn<'_>,
        elapsed: Duration,
    ) {
        self.reads.observe(&seen.reads, turn.costs, elapsed);
        let swap_in = turn.costs.of_swapped_out(&turn.host.tiers);
        // Where it is not known, PSI alone tells.
        let refault = self.reads.per_page().unwrap_or_default();
        // What lowtide did not take is the tenant's own doing, as when it lives at its own limit.
        let caused = of_pages(swap_in, back.anon.min(self.tracker.away()))
            .saturating_add(of_pages(refault, back.file.min(self.worth.file.away())));
        self.slowdown.observe(seen.processor_time, caused, elapsed);
        let stalls = (of_pages(swap_in, back.anon), of_pages(refault, back.file));
        self.so_far.swap_in_stall = self.so_far.swap_in_stall.saturating_add(stalls.0);
        self.so_far.refault_stall = self.so_far.refault_stall.saturating_add(stalls.1);
        let reclaim = over_pages(self.cpu, self.reclaimed);
        let all = left.all();
        let anon = Change {
            left: all.anon,
            back: back.anon,
            away: Some(seen.memory.offloaded()),
            per_page: swap_in + reclaim,
        };
        let file = Change { left: all.file, back: back.file, away: None, per_page: refault + reclaim };
        self.worth.anon.learn(anon, elapsed);
        self.worth.file.learn(file, elapsed);
    }

    fn sample(&self, seen: &CgroupObservation, now: Duration) -> Sample {
        let sample = Sample {
            at: now,
            swap_in_stall: self.so_far.swap_in_stall,
            refault_stall: self.so_far.refault_stall,
            promoted: self.so_far.came_back.total(),
            reclaimed: self.reclaimed,
            cpu: self.cpu,
            ..Sample::default()
        };
        sample.with_pressure(seen).carried_on_from(self.history.last())
    }

    /// What was faulted back since lowtide first saw the cgroup.
    pub(crate) const fn all_that_came_back(&self) -> ByType {
        self.so_far.came_back
    }

    /// What may be asked of a type of memory, saved up.
    pub(crate) const fn credit(&mut self, scope: Scope) -> &mut Bytes {
        if scope.is_file() { &mut self.credit.file } else { &mut self.credit.anon }
    }

    /// Anonymous bytes on slower nodes that may go on to swap.
    pub(crate) fn sinkable(&self, policy: &Policy) -> Bytes {
        self.sinking.map_or(Bytes::ZERO, |sinking| self.tracker.sinkable(sinking.from, policy))
    }

    /// Did it work? A write that succeeded is no evidence.
    fn judge(&mut self, effect: &Effect, now: Duration, interval: Duration) {
        if effect.stopped || effect.vanished || effect.requested.is_zero() {
            return;
        }
        if effect.taken().total() >= effect.requested.scale(FRUITFUL) {
            self.fruitless = 0;
            return;
        }
        self.fruitless = self.fruitless.saturating_add(1);
        let wait = interval.saturating_mul(1 << self.fruitless.min(10)).min(LONGEST_RETRY);
        self.retry_from = now + wait;
    }
}

/// `cost` for each page of `size`.
fn of_pages(cost: Duration, size: Bytes) -> Duration {
    cost.mul_f64(size.share_of(Bytes::pages(1)).get())
}

/// The share of one page in what `size` cost.
fn over_pages(cost: Duration, size: Bytes) -> Duration {
    cost.mul_f64(Bytes::pages(1).share_of(size).clamped().get())
}
