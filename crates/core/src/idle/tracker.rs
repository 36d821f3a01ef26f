//! One cgroup's idle ages over time, and what follows from them.

use std::time::Duration;

use super::{
    ages::{Ages, Between, Piece},
    cut,
    precision::{Measured, Precision},
    returns::{Away, Returns},
    slow::Slow,
    taken::Taken,
};
use crate::{
    cgroup::ByType,
    history::MINUTE,
    placement::{Rates, Touches},
    policy::Policy,
    reading::{BOUNDARIES, Cohort, Histogram, LineUse, Lines, Reading, Resolution, Source, Touched},
    units::{Bytes, Ratio},
};

/// What is known of a cgroup's idle ages, for people.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Hotness {
    /// Where it comes from.
    pub source: Source,
    /// How old the data itself is.
    pub data_age: Duration,
    /// Bytes in DRAM by idle age.
    pub histogram: Histogram,
    /// How finely the source looks.
    pub resolution: Resolution,
    /// Bytes younger than the policy's `cold_after`.
    pub working_set: Bytes,
    /// Half of the 95 % interval around it; `None` if the source cannot say.
    pub working_set_error: Option<Bytes>,
    /// From this idle age on anonymous memory may go.
    pub cut: Duration,
    /// The policy's three lines.
    pub lines: Lines<LineUse>,
    /// What another `cold_after` would mean.
    pub what_if: Vec<WhatIf>,
    /// Of what left DRAM lately, how much had been idle for `cold_after`; `None` if nothing was seen to
    /// leave.
    pub precision: Option<Measured>,
}

/// What would be if `cold_after` were something else.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct WhatIf {
    /// The other `cold_after`.
    pub cold_after: Duration,
    /// What could go now: bytes in DRAM idle for so long.
    pub could_go: Bytes,
    /// Half of the 95 % interval around them; `None` if the source cannot say.
    pub could_go_error: Option<Bytes>,
    /// Share of the working set that would come back in the worst minute, by what was seen touched after such
    /// idle times. Unknown for ages below the policy's own, which are not watched.
    pub promotion_rate: Option<Ratio>,
}

/// Beyond this age it makes no difference which of it goes.
const OLDEST_ASKED: Duration = Duration::from_mins(10);
/// Older than any memory is told to be.
const NEVER: Duration = Duration::from_hours(30 * 24);
/// The longest time from one look to the next, unless `cold_after` is longer than twice as much.
const SELDOM: Duration = Duration::from_mins(5);
/// On slower nodes a touch is no fault, so nobody feels what returns from swap would cost before memory is
/// there: a bound on them stands for it where the policy has none.
const CAREFUL: Ratio = Ratio::percent(0.2);

/// What is on a slower node is to have been idle there for so many times `cold_after` before it may go on to
/// swap.
const SINKS_AFTER: u32 = 4;

/// The same as a time; later where the cut is.
pub(crate) fn sinks_at_least(policy: &Policy) -> Duration {
    policy.cold_after.saturating_mul(SINKS_AFTER)
}

/// A reading is relied on for as long as so many looks take.
const VALID_LOOKS: u32 = 4;

/// All that is remembered of one cgroup's idle ages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracker {
    last: Option<Last>,
    anon: Ages,
    file: Ages,
    cohorts: Vec<Cohort>,
    slow: Slow,
    returns: Returns,
    away: Away,
    touches: Touches,
    /// What [`Touches`] watches of memory that is away.
    watched_away: Away,
    /// Cumulative faults now, and at the last reading.
    faults: [Bytes; 2],
    /// tmpfs and shared memory in DRAM.
    shmem: Bytes,
    /// Left DRAM on lowtide's request since the last reading.
    taken: Taken,
    /// The host demotes to slower nodes.
    slow_nodes: bool,
    /// From which age on memory is worth its returns at today's price; `None` before that was asked.
    worth_from: Option<Duration>,
    seen: Duration,
    precision: Precision,
}

/// What happened to a cgroup since the last turn.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Since {
    /// Left DRAM on lowtide's request, for swap or for nowhere.
    pub(crate) taken: ByType,
    /// Left DRAM on lowtide's request, for slower nodes.
    pub(crate) demoted: ByType,
    /// Left slower nodes on lowtide's request, for swap.
    pub(crate) sunk: ByType,
    /// Came back.
    pub(crate) promoted: ByType,
    /// Cumulative: at most so much was faulted in, new or back, since the cgroup's creation.
    pub(crate) faults: Bytes,
    /// Anonymous bytes that are away now.
    pub(crate) offloaded: Bytes,
    /// tmpfs and shared memory in DRAM now.
    pub(crate) shmem: Bytes,
    /// The host demotes to slower nodes now.
    pub(crate) slow_nodes: bool,
}

/// The last reading.
#[derive(Debug, Clone, Copy)]
struct Last {
    source: Source,
    at: Duration,
    every: Duration,
    resolution: Resolution,
}

impl Tracker {
    /// What happened since the last call.
    pub(crate) fn account(&mut self, since: &Since, policy: &Policy, now: Duration) {
        let elapsed = now.saturating_sub(self.seen);
        self.returns.fade(elapsed);
        self.touches.fade(elapsed);
        self.precision.fade(elapsed);
        self.away.fade(elapsed, since.offloaded);
        self.away_for_touches(since, policy, elapsed, now);
        self.seen = now;
        self.faults[0] = since.faults;
        self.shmem = since.shmem;
        self.slow_nodes = since.slow_nodes;
        if self.last.is_some() {
            self.taken.push([since.taken, since.demoted].into_iter().sum(), now);
            self.slow.account(since.sunk, since.demoted, now);
        }
        let age = self.age_of_taken(policy);
        self.away.leave(since.taken.anon, age, now);
        // It was idle for longer than that; how much longer is not told.
        self.away.leave(since.sunk.anon, age, now);
        let (came_back, age) = self.away.come_back(since.promoted.anon, now);
        self.note(age, age, came_back, policy);
    }

    /// Of all that is away, whoever swapped it out: nothing is forgotten of it, so that what comes back is
    /// counted of as much as was watched.
    fn away_for_touches(&mut self, since: &Since, policy: &Policy, elapsed: Duration, now: Duration) {
        let (cut, came_back) = (self.age_of_taken(policy), since.promoted.anon);
        let away = &mut self.watched_away;
        away.fade(Duration::ZERO, since.offloaded + came_back);
        if let Some(age) = away.age(now) {
            self.touches.watch(age, since.offloaded, elapsed);
        }
        away.leave((since.offloaded + came_back) - away.bytes(), cut, now);
        let (came_back, age) = away.come_back(came_back, now);
        self.touches.touch(age, came_back);
    }

    /// What was not `seen` idle for cold_after was never a candidate, and says nothing about one.
    fn note(&mut self, seen: Duration, age: Duration, size: Bytes, policy: &Policy) {
        if seen >= policy.cold_after {
            self.returns.note(age, size);
        }
    }

    /// Takes in what a source read, if it is newer than what is known. A change of source starts afresh.
    pub(crate) fn learn(&mut self, reading: Option<&Reading>, policy: &Policy) {
        let Some(reading) = reading else { return };
        if self.last.is_some_and(|last| last.source != reading.source) {
            (self.anon, self.file, self.slow) = Default::default();
            self.last = None;
        }
        if self.last.is_some_and(|last| last.at >= reading.at) {
            return;
        }
        let elapsed = self.last.map_or(Duration::ZERO, |last| reading.at.saturating_sub(last.at));
        let may_be_gone = self.taken.sum();
        let gone = self.taken.settle(reading.at);
        let faulted = self.faults[0] - self.faults[1];
        self.faults[1] = self.faults[0];
        let cohorts = &reading.cohorts;
        let between = |of: fn(ByType) -> Bytes| Between {
            elapsed,
            faulted,
            gone: of(gone),
            may_be_gone: of(may_be_gone),
        };
        self.file.learn(Piece::of(cohorts, |size| size.file), between(|size| size.file));
        let seen = self.anon.learn(Piece::of(cohorts, |size| size.anon), between(|size| size.anon));
        match &reading.touched {
            Some(told) => seen.count_as_told(told, &mut self.touches),
            None => seen.count_what_shows(&mut self.touches),
        }
        let touched = reading.touched.as_deref().unwrap_or(seen.touched());
        // Where memory leaves DRAM for slower nodes, those show what would have come back from swap.
        if !self.demotes_first() {
            self.note_touched(touched, elapsed, policy);
        }
        self.cohorts = both(self.anon.pieces(), self.file.pieces());
        if let Some(cohorts) = &reading.slow {
            // What is touched there costs no fault; it would, had it been swapped out.
            let (touched, elapsed) = self.slow.learn(cohorts, reading.at, &mut self.touches);
            self.note_touched(&touched, elapsed, policy);
        }
        self.precision.note(reading.left.unwrap_or_default());
        let every = reading.every.max(self.look_every(policy));
        let Reading { source, at, resolution, .. } = *reading;
        self.last = Some(Last { source, at, every, resolution });
    }

    /// What two looks `elapsed` apart showed to have been touched after a while speaks against a cut.
    fn note_touched(&mut self, touched: &[Touched], elapsed: Duration, policy: &Policy) {
        // The SLO is about minutes, and this was seen over the time between two looks.
        let a_minute = Ratio::ONE.over(Ratio::new(elapsed.max(MINUTE).as_secs_f64() / MINUTE.as_secs_f64()));
        for Touched { seen, age, size } in touched {
            self.note(*seen, *age, size.scale(a_minute), policy);
        }
    }

    /// Whether there is a reading that may still be relied on: no older than a few looks.
    pub(crate) fn is_current(&self, policy: &Policy, now: Duration) -> bool {
        // What is due next may have been planned under the cut of then, or is under that of now.
        let valid_for = |last: Last| last.every.max(self.look_every(policy)).saturating_mul(VALID_LOOKS);
        self.last.is_some_and(|last| now.saturating_sub(last.at) <= valid_for(last))
    }

    /// Bytes younger than `cold_after`.
    pub(crate) fn working_set(&self, policy: &Policy) -> Bytes {
        Cohort::total(&self.cohorts) - Cohort::surely_idle(&self.cohorts, policy.cold_after).total()
    }

    /// At today's price memory is worth its returns from swap from this age on; `None` if at no age. From
    /// slower nodes it goes on by the ladder, or when they run short.
    ///
    /// While more is older than may go in a minute, only that is asked for: the kernel takes no account of
    /// ages within a generation, and the oldest of a long tail come back least. Looks come the less often
    /// then, so that it is the oldest generation that has them.
    pub(crate) fn set_worth_from(&mut self, age: Option<Duration>, a_minute: Bytes) {
        let from = age.unwrap_or(NEVER);
        let enough = |boundary: &Duration| *boundary <= OLDEST_ASKED && self.idle(*boundary) > a_minute;
        let oldest = BOUNDARIES.into_iter().rev().find(enough).unwrap_or_default();
        self.worth_from = (!self.demotes_first()).then_some(from.max(oldest));
    }

    /// From which idle age on anonymous memory may be swapped out: where it is worth its returns, no earlier
    /// than `cold_after`, and no earlier than a bound on promotions says, if there is one.
    pub(crate) fn cut(&self, policy: &Policy) -> Duration {
        self.worth_from.unwrap_or_default().max(self.allowed_from(policy))
    }

    /// The same whatever it is worth.
    pub(crate) fn allowed_from(&self, policy: &Policy) -> Duration {
        let bound = |slo| cut::choose(&self.returns, policy.cold_after, slo, self.base(policy));
        let slo = policy.slo.promotion_rate.or_else(|| self.demotes_first().then_some(CAREFUL));
        slo.map_or(policy.cold_after, bound)
    }

    /// What is swapped out is taken to have been idle for so long: where nothing is worth it, the kernel did
    /// it by itself.
    fn age_of_taken(&self, policy: &Policy) -> Duration {
        if self.worth_from == Some(NEVER) { policy.cold_after } else { self.cut(policy) }
    }

    /// From which idle age on anonymous memory may leave DRAM: at the cut, or for slower nodes, where a touch
    /// is no fault and counts against no promotion rate, already when it is cold.
    pub(crate) fn leaves_from(&self, policy: &Policy) -> Duration {
        if self.demotes_first() { policy.cold_after } else { self.cut(policy) }
    }

    /// What leaves DRAM goes to slower nodes.
    pub(crate) fn demotes_first(&self) -> bool {
        self.slow_nodes && self.knows_nodes()
    }

    /// How often anonymous memory of each age is touched, for a cgroup of `footprint` bytes.
    pub(crate) fn rates(&self, footprint: Bytes) -> Rates {
        self.touches.rates(footprint)
    }

    /// From which idle age on anonymous memory may go on from slower nodes to swap: at the cut, but only
    /// after a multiple of `cold_after`, since a fault costs far more than an access to the node.
    pub(crate) fn sinks_after(&self, policy: &Policy) -> Duration {
        self.cut(policy).max(sinks_at_least(policy))
    }

    /// From which idle age on anonymous memory may be swapped out, from where it is then, whatever it is
    /// worth.
    pub(crate) fn swapped_from(&self, policy: &Policy) -> Duration {
        if self.demotes_first() { self.sinks_after(policy) } else { self.allowed_from(policy) }
    }

    /// Anonymous bytes that have been idle on slower nodes for `age`.
    pub(crate) fn sinkable(&self, age: Duration, policy: &Policy) -> Bytes {
        self.slow.idle(age, self.sinks_after(policy))
    }

    /// How often to look: twice within the age at which memory leaves DRAM; within `cold_after` as long as
    /// none has left.
    ///
    /// A source that tells the last two intervals apart from all before, as MGLRU does, then shows exactly
    /// what has been idle beyond it. With more looks that would be among what [`Ages`] can only bound. But
    /// what is not worth it now may be soon. Sampled pages have each an age of their own, however often they
    /// are looked at.
    pub(crate) fn look_every(&self, policy: &Policy) -> Duration {
        let soon = policy.cold_after / 2;
        let sampled = self.last.is_some_and(|last| last.source == Source::Sampled);
        if sampled || (self.away.bytes().is_zero() && self.worth_from.is_some()) {
            return soon;
        }
        (self.leaves_from(policy) / 2).min(SELDOM.max(soon))
    }

    /// The same on slower nodes: once within the age at which memory may go on from there, since the source
    /// shows what was demoted as up to a look older there than it is. Seen more often, what is in use now and
    /// then would look as what is idle: as much of it is in the last generation each time.
    pub(crate) fn look_at_slow_every(&self, policy: &Policy) -> Duration {
        self.sinks_after(policy)
    }

    /// What promotion rates are shares of: anonymous memory younger than `cold_after`, all page cache and
    /// tmpfs, which may be in use whatever its ages say; but no less than the policy's floor, since a tenant
    /// that sleeps has next to none.
    pub(crate) fn base(&self, policy: &Policy) -> Bytes {
        let all: ByType = self.cohorts.iter().map(|cohort| cohort.size).sum();
        let idle = Cohort::surely_idle(&self.cohorts, policy.cold_after);
        (all.total() - (idle.anon - self.unseen())).max(policy.limits.floor)
    }

    /// Anonymous bytes beyond the cut that are still in DRAM.
    ///
    /// Not page cache: a source sees touches through page tables, and what is read through descriptors and
    /// not mapped looks idle however often it is read. In the lab 20 MiB read twice a second looked as 40 MiB
    /// read once. tmpfs is read like that too, so as much as there is of it among anonymous memory is taken
    /// off.
    pub(crate) fn idle(&self, cut: Duration) -> Bytes {
        Cohort::surely_idle(&self.cohorts, cut).anon - self.unseen() - self.taken.sum().anon
    }

    /// Page cache in DRAM that has been idle for `age` as far as page tables tell, by a source that lists all
    /// pages; nothing by others.
    pub(crate) fn idle_page_cache(&self, age: Duration) -> Bytes {
        let lists_all = self.last.is_some_and(|last| last.resolution == Resolution::Walks);
        let idle = if lists_all { Cohort::surely_idle(&self.cohorts, age).file } else { Bytes::ZERO };
        idle - self.taken.sum().file
    }

    /// Of what left DRAM over the last minutes, how much had been idle for `cold_after`; `None` if nothing
    /// was seen to leave.
    pub(crate) fn precision(&self) -> Option<Measured> {
        self.precision.measured()
    }

    /// Anonymous bytes that left on request and are away.
    pub(crate) fn away(&self) -> Bytes {
        self.away.bytes()
    }

    /// Half of the 95 % interval of so many idle bytes; `None` if the source does not say.
    pub(crate) fn error_of(&self, idle: Bytes) -> Option<Bytes> {
        self.last.and_then(|last| last.resolution.error_of(idle))
    }

    /// Whether nodes are told apart, and their generations can be evicted.
    pub(crate) fn knows_nodes(&self) -> bool {
        self.last.is_some_and(|last| last.source == Source::Mglru)
    }

    /// tmpfs and shared memory that the source counts as anonymous: the generations of MGLRU, where it may be
    /// read through descriptors all the time and looks idle. DAMON's readings have it as touched.
    fn unseen(&self) -> Bytes {
        if self.knows_nodes() { self.shmem } else { Bytes::ZERO }
    }

    /// For people; `None` without a reading that may be relied on.
    pub(crate) fn hotness(&self, policy: &Policy, now: Duration) -> Option<Hotness> {
        let last = self.last.filter(|_| self.is_current(policy, now))?;
        let Lines { hot, warm, cold } = policy.lines;
        Some(Hotness {
            source: last.source,
            data_age: now.saturating_sub(last.at),
            histogram: Histogram::of(self.cohorts.iter().chain(self.slow.cohorts())),
            resolution: last.resolution,
            working_set: self.working_set(policy),
            // What is not young is idle: the error is the same.
            working_set_error: last
                .resolution
                .error_of(Cohort::surely_idle(&self.cohorts, policy.cold_after).total()),
            cut: self.leaves_from(policy),
            lines: Lines {
                hot: hot.draw(&self.cohorts),
                warm: warm.draw(&self.cohorts),
                cold: cold.draw(&self.cohorts),
            },
            what_if: (0..BOUNDARIES.len())
                .map(|index| self.what_if(index, policy, last.resolution))
                .collect(),
            precision: self.precision(),
        })
    }

    fn what_if(&self, index: usize, policy: &Policy, resolution: Resolution) -> WhatIf {
        let cold_after = BOUNDARIES[index];
        let could_go = Cohort::surely_idle(&self.cohorts, cold_after).total();
        let rate = || self.returns.worst_minute(index).share_of(self.base(policy));
        WhatIf {
            cold_after,
            could_go,
            could_go_error: resolution.error_of(could_go),
            promotion_rate: (cold_after >= policy.cold_after).then(rate),
        }
    }
}

/// Cohorts of both types, the oldest first.
pub(super) fn both(anon: &[Piece], file: &[Piece]) -> Vec<Cohort> {
    let cohort = |piece: &Piece, size| Cohort { youngest: piece.youngest, oldest: piece.oldest, size };
    let anon = anon.iter().map(|piece| cohort(piece, ByType { anon: piece.size, file: Bytes::ZERO }));
    let file = file.iter().map(|piece| cohort(piece, ByType { anon: Bytes::ZERO, file: piece.size }));
    let mut cohorts: Vec<Cohort> = anon.chain(file).collect();
    cohorts.sort_by_key(|cohort| std::cmp::Reverse((cohort.youngest, cohort.oldest)));
    cohorts
}
