//! A tenant with known hot, warm and cold memory, and what it feels.

use std::{sync::Arc, time::Duration};

use lowtide_core::{
    ByType, Bytes, CgroupId, CgroupObservation, Confinement, Effect, IoReads, Memory, MemoryStat, Ratio,
    Scope, Stall,
    reading::{Cohort, Reading, Resolution, Source},
};

use crate::pages::{Class, Lot, Order, Reclaim};

const PAGE: Bytes = Bytes::pages(1);
/// What page cache is read from.
pub(crate) const DEVICE: &str = "8:0";

/// One tenant. Counters are cumulative, as the kernel's.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) id: CgroupId,
    pub(crate) policy: usize,
    pub(crate) lots: Vec<Lot>,
    pub(crate) reclaim: Reclaim,
    /// Time that one page takes to come back.
    pub(crate) fault: Duration,
    /// Whether the kernel has PSI.
    pub(crate) psi: bool,
    /// A trigger fires when so much was stalled since the last tick.
    pub(crate) trigger: Duration,
    pub(crate) faulted: Bytes,
    /// Of that, page cache.
    faulted_file: Bytes,
    /// In so many reads.
    reads: u64,
    /// Whether the kernel tells of them (`io.stat`).
    pub(crate) tells_reads: bool,
    /// Of one processor, the share that it is busy.
    pub(crate) busy: Ratio,
    processor_time: Duration,
    pub(crate) stalled: Duration,
    /// Faults that wait for their turn: no task stalls for more than all of the time.
    waiting: Duration,
    stalled_at_tick: Duration,
    effects: Vec<Effect>,
    /// The shortest time from one walk of an idle-age source to the next, if there is one.
    pub(crate) walks: Option<Duration>,
    walked: Vec<Duration>,
    reading: Option<Arc<Reading>>,
}

impl Tenant {
    pub(crate) fn new(id: u64, lots: Vec<Lot>) -> Self {
        Self {
            id: CgroupId(id),
            policy: 0,
            lots,
            reclaim: Reclaim { generation: Duration::from_secs(2), error: Ratio::ZERO, order: Order::Even },
            fault: Duration::from_micros(40),
            psi: true,
            trigger: Duration::from_millis(150),
            faulted: Bytes::ZERO,
            faulted_file: Bytes::ZERO,
            reads: 0,
            tells_reads: true,
            busy: Ratio::percent(50.0),
            processor_time: Duration::ZERO,
            stalled: Duration::ZERO,
            waiting: Duration::ZERO,
            stalled_at_tick: Duration::ZERO,
            effects: Vec::new(),
            walks: None,
            walked: Vec::new(),
            reading: None,
        }
    }

    /// The tenant of the issue: 40 MB always, 30 MB every 20 s in ten parts, 120 MB never.
    pub(crate) fn of_the_issue(id: u64) -> Self {
        let period = Duration::from_secs(20);
        let mut lots = vec![Lot::new(Class::Hot, Bytes::mib(40)), Lot::new(Class::Cold, Bytes::mib(120))];
        lots.extend((0..10).map(|part| Lot {
            next: Duration::from_secs(2 * part),
            ..Lot::new(Class::Warm(period), Bytes::mib(3))
        }));
        Self::new(id, lots)
    }

    /// Lives until `now`, which is `span` after the last call.
    pub(crate) fn live(&mut self, now: Duration, span: Duration) {
        self.touch(now, |lot| lot.is_due(now));
        self.processor_time += span.mul_f64(self.busy.get());
        let stall = self.waiting.min(span);
        self.waiting = self.waiting.saturating_sub(stall);
        self.stalled += stall;
    }

    /// Touches all that it has, as after a restart of its clients.
    pub(crate) fn touch_everything(&mut self, now: Duration) {
        self.touch(now, |_| true);
    }

    fn touch(&mut self, now: Duration, which: impl Fn(&Lot) -> bool) {
        let mut faulted = Bytes::ZERO;
        for lot in self.lots.iter_mut().filter(|lot| which(lot)) {
            let back = lot.touch(now);
            faulted += back;
            if lot.file {
                self.faulted_file += back;
                self.reads += u64::from(!back.is_zero());
            }
        }
        self.faulted += faulted;
        let pages = u32::try_from(faulted.get() / PAGE.get()).unwrap_or(u32::MAX);
        self.waiting += self.fault * pages;
    }

    /// What `memory.reclaim` does with at most `room` of it going to swap.
    pub(crate) fn reclaim(&mut self, requested: Bytes, scope: Scope, room: Bytes, now: Duration) {
        let before = self.in_swap();
        let file_only = scope == Scope::File || room < requested;
        let freed = self.reclaim.run(&mut self.lots, requested, now, |lot| lot.file || !file_only);
        self.effects.push(Effect {
            requested,
            freed,
            offloaded: self.in_swap() - before,
            cpu: Duration::from_micros(freed.get() / PAGE.get() * 2),
            partial: freed < requested,
            ..Effect::default()
        });
    }

    pub(crate) fn in_swap(&self) -> Bytes {
        self.lots.iter().filter(|lot| !lot.file).map(|lot| lot.offloaded).sum()
    }

    pub(crate) fn resident(&self, which: impl Fn(&Lot) -> bool) -> Bytes {
        self.lots.iter().filter(|lot| which(lot)).map(|lot| lot.resident).sum()
    }

    /// Share of the cold part that has left DRAM.
    pub(crate) fn cold_gone(&self) -> Ratio {
        let cold = || self.lots.iter().filter(|lot| lot.class == Class::Cold);
        let gone: Bytes = cold().map(|lot| lot.offloaded).sum();
        gone.share_of(gone + cold().map(|lot| lot.resident).sum())
    }

    /// What lowtide sees; effects and the trigger are told once.
    pub(crate) fn observe(&mut self) -> CgroupObservation {
        let before = std::mem::replace(&mut self.stalled_at_tick, self.stalled);
        let stall = self.psi.then_some(Stall { some: self.stalled, full: Some(self.stalled) });
        CgroupObservation {
            id: self.id,
            path: format!("/tenant-{}", self.id.0).into(),
            policy: self.policy,
            populated: true,
            opted_out: false,
            memory: self.memory(),
            confined: Confinement::default(),
            processor_time: Some(self.processor_time),
            reads: self.tells_reads.then(|| (DEVICE.into(), self.reads())).into_iter().collect(),
            memory_pressure: stall,
            io_pressure: self.psi.then_some(Stall::default()),
            alarm: self.psi && self.stalled.saturating_sub(before) >= self.trigger,
            pending: lowtide_core::Pending::Nothing,
            effects: std::mem::take(&mut self.effects),
            reading: self.reading.clone(),
        }
    }

    /// What MGLRU shows right after a walk: two generations that end, and one lump.
    pub(crate) fn walk(&mut self, now: Duration, every: Duration) {
        let Some(least) = self.walks else { return };
        let interval = least.max(every);
        if self.walked.last().is_some_and(|last| now < *last + interval) {
            return;
        }
        self.walked.push(now);
        let ago =
            |walks: usize| self.walked.iter().rev().nth(walks).map_or(now, |walk| now.saturating_sub(*walk));
        let bounds = [(0, Some(1)), (1, Some(2)), (2, None)];
        let cohorts = bounds.map(|(from, to)| {
            let (youngest, oldest) = (ago(from), to.map(ago));
            let within = |lot: &Lot| {
                let idle = now.saturating_sub(lot.touched);
                idle >= youngest && oldest.is_none_or(|oldest| idle < oldest)
            };
            let size = ByType {
                anon: self.resident(|lot| !lot.file && within(lot)),
                file: self.resident(|lot| lot.file && within(lot)),
            };
            Cohort { youngest, oldest, size }
        });
        let (every, cohorts) = (least, cohorts.into());
        self.reading = Some(Arc::new(Reading {
            source: Source::Mglru,
            at: now,
            every,
            cohorts,
            slow: None,
            resolution: Resolution::Walks,
            left: None,
            touched: None,
        }));
    }

    fn reads(&self) -> IoReads {
        IoReads { count: self.reads, size: self.faulted_file }
    }

    fn memory(&self) -> Memory {
        let anon = self.resident(|lot| !lot.file);
        let file = self.resident(|lot| lot.file);
        Memory {
            current: anon + file,
            swap_current: Some(self.in_swap()),
            stat: MemoryStat {
                anon,
                file,
                inactive_anon: anon,
                inactive_file: file,
                refault_anon: Some(self.faulted - self.faulted_file),
                refault_file: Some(self.faulted_file),
                activate_file: Some(Bytes::ZERO),
                ..MemoryStat::default()
            },
            ..Memory::default()
        }
    }
}
