//! What is remembered of one store, and what follows from it.

use std::time::Duration;

use super::{
    Below, End, Figures, Now, Pages, Reason, Run, Settings, Settle, Store, ages::Oldest, inflow::Inflow,
};
use crate::units::{Bytes, Ratio};

/// A run that moved less says nothing about how fast the device is.
const TELLING: Bytes = Bytes::mib(1);
/// A device that fails is tried no less often.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// The kernel takes the moment `uptime - age`, in seconds, and up to which a page was stored; nothing for it
/// means all pages (`idle_store` and `mark_idle`, drivers/block/zram/zram_drv.c). So no age may come near the
/// time since the boot.
const GRAIN: Duration = Duration::from_secs(1);
/// Pages are placed so many times while they reach the age at which they belong elsewhere.
const PLACED_EVERY: u32 = 8;

/// A store between two looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Track {
    /// From the watermark down to the low mark.
    draining: bool,
    inflow: Inflow,
    /// Sunk since the start, in the measure of the fill.
    sunk: Bytes,
    /// The slower device's counter at the last look.
    written: Option<Bytes>,
    /// What lay on the slower device when it said that it was full.
    full_at: Option<Bytes>,
    oldest: Oldest,
    /// Uncompressed bytes a second of the last run that told.
    speed: Option<f64>,
    ageless: bool,
    /// When all pages were marked.
    marked_at: Option<Duration>,
    /// When pages that did not compress were to sink last, for no other reason.
    placed_at: Option<Duration>,
    last: Option<Run>,
    failures: Failures,
}

/// Runs that failed, with none between them that did not.
#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: Duration,
}

impl Failures {
    fn ran(&mut self, end: End, now: Duration) {
        match end {
            End::Failed => *self = Self { count: self.count.saturating_add(1), last: now },
            End::Done | End::Full | End::Ageless => *self = Self::default(),
            // Nothing was learnt of the device.
            End::Stopped | End::Busy => {}
        }
    }

    /// Whether it is too early for another run: after each failure the pause is twice as long.
    fn pause(&self, settings: &Settings, now: Duration) -> bool {
        let Some(doublings) = self.count.checked_sub(1) else { return false };
        let pause = settings.scan_interval.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        now.saturating_sub(self.last) < pause.min(LONGEST_PAUSE.max(settings.scan_interval))
    }
}

impl Run {
    /// Whether another run may follow at once: this one had its amount, and met nothing that speaks against
    /// more.
    #[must_use]
    pub fn goes_on(&self, min_age: Duration) -> bool {
        self.end == End::Done && !self.moved.is_zero() && self.emptied.is_none_or(|age| age > min_age)
    }

    /// What it says about the next one.
    fn hindrance(&self, min_age: Duration) -> Option<Reason> {
        match self.end {
            End::Failed => Some(Reason::Failed),
            End::Busy => Some(Reason::Busy),
            _ => {
                let none = self.moved.is_zero() && self.emptied.is_some_and(|age| age <= min_age);
                none.then_some(Reason::NothingOld)
            }
        }
    }
}

impl Track {
    /// Takes in what came of a run.
    pub(super) fn ran(&mut self, store: &Store, run: Run, now: Duration) {
        if run.moved >= TELLING && !run.took.is_zero() {
            self.speed = Some(run.moved.as_f64() / run.took.as_secs_f64());
        }
        if let Some(age) = run.emptied {
            self.oldest.emptied(age, now);
            self.marked_at = None;
        }
        self.failures.ran(run.end, now);
        self.ageless |= run.end == End::Ageless;
        self.full_at = match run.end {
            // The store is as it was before the run.
            End::Full => store.below.as_ref().map(|below| below.used + run.moved),
            _ => None,
        };
        self.last = Some(run);
    }

    /// All pages were marked.
    pub(super) fn marked(&mut self, now: Duration) {
        self.marked_at = Some(now);
    }

    /// Takes in a look.
    pub(super) fn look(&mut self, store: &Store, settings: &Settings, now: Duration) {
        let written = store.below.as_ref().map_or(Bytes::ZERO, |below| below.written);
        let before = self.written.replace(written).unwrap_or(written);
        if written < before {
            *self = Self { written: Some(written), ..Self::default() };
        }
        self.sunk += (written - before).scale(store.density());
        self.inflow.seen(now, store.measure().0, self.sunk, settings.scan_interval);
    }

    /// What a decision is made from.
    pub(super) fn figures(&self, store: &Store, settings: &Settings, now: &Now) -> Figures {
        let (part, whole) = store.measure();
        let above = part - whole.scale(settings.low);
        let inflow = self.inflow.per_second();
        let outflow = self.speed(settings) * store.density().get();
        let left = whole - part;
        Figures {
            fill: store.fill(),
            above_low: above.scale(Ratio::ONE.over(store.density())),
            inflow: bytes(inflow),
            full_in: time(left.as_f64(), inflow),
            drained_in: if above.is_zero() {
                Some(Duration::ZERO)
            } else {
                time(above.as_f64(), outflow - inflow)
            },
            budget_left: now.budget_left,
            room: store.below.as_ref().map_or(Bytes::ZERO, Below::room),
            belong_from: now.belong_from.map(|age| age.max(settings.min_age)),
        }
    }

    /// Uncompressed bytes a second that can sink: what the rate allows, or what the device was seen to take
    /// if that is less.
    fn speed(&self, settings: &Settings) -> f64 {
        self.speed.map_or(settings.per_second(), |speed| speed.min(settings.per_second()))
    }

    /// Whether pages should sink, and why.
    pub(super) fn wish(&mut self, settings: &Settings, figures: &Figures) -> Result<Reason, Reason> {
        let fill = figures.fill.memory;
        if fill <= settings.low || figures.above_low.is_zero() {
            self.draining = false;
        } else if fill >= settings.watermark {
            self.draining = true;
            return Ok(Reason::Watermark);
        } else if self.is_filling(settings, figures) {
            self.draining = true;
            return Ok(Reason::Filling);
        } else if self.draining {
            return Ok(Reason::Draining);
        }
        Err(if figures.fill.slots >= settings.watermark { Reason::Slots } else { Reason::BelowWatermark })
    }

    /// It would be full before it could be drained to the low mark, the time to the next look included.
    fn is_filling(&self, settings: &Settings, figures: &Figures) -> bool {
        let Some(full_in) = figures.full_in else { return false };
        let drain = figures.above_low.as_f64() / self.speed(settings);
        full_in.as_secs_f64() <= drain + settings.scan_interval.as_secs_f64()
    }

    /// What speaks against it, the worst first.
    pub(super) fn must_wait(
        &self,
        store: &Store,
        settings: &Settings,
        figures: &Figures,
        now: &Now,
    ) -> Option<Reason> {
        let Some(below) = &store.below else { return Some(Reason::NoBacking) };
        if now.in_flight {
            return Some(Reason::InFlight);
        }
        if let Some(reason) = now.strain.forbids(settings.is_urgent(figures.fill)) {
            return Some(reason);
        }
        if self.failures.pause(settings, now.at) {
            return Some(Reason::Failed);
        }
        if figures.room < store.page() || self.full_at.is_some_and(|used| below.used >= used) {
            return Some(Reason::BackingFull);
        }
        (now.budget_left < store.page()).then_some(Reason::WriteBudget)
    }

    /// What is to be done, nothing speaking against it.
    pub(super) fn settle(
        &self,
        settings: &Settings,
        figures: &Figures,
        now: &Now,
        page: Bytes,
        why: Reason,
    ) -> (Settle, Reason) {
        let from = if self.ageless {
            match self.marked_at {
                None => return (Settle::Mark, Reason::Marking),
                Some(at) if now.at.saturating_sub(at) < settings.min_age => {
                    return (Settle::Hold, Reason::Marking);
                }
                Some(_) => None,
            }
        } else if now.uptime <= settings.min_age + GRAIN {
            return (Settle::Hold, Reason::NothingOld);
        } else {
            Some(self.oldest.bound(now.at, now.uptime, settings.min_age))
        };
        let a_scan = settings.rate.over(settings.scan_interval);
        let amount = figures.above_low.min(a_scan).min(figures.room).min(figures.budget_left);
        let amount = amount.whole(page).max(page);
        let hindrance = self.last.and_then(|run| run.hindrance(settings.min_age));
        let sink = Settle::Sink { amount, from, min_age: settings.min_age, pages: Pages::All };
        (sink, hindrance.unwrap_or(why))
    }

    /// What is to be done below the watermark: pages that belong on the slower device go there.
    ///
    /// Each run has the kernel go over all slots, so one is made only when pages can have grown old enough
    /// since the last. Not where the kernel keeps no times: marks tell one age from all others, and that is
    /// the watermark's.
    pub(super) fn place(
        &self,
        store: &Store,
        settings: &Settings,
        figures: &Figures,
        now: &Now,
    ) -> Option<(Settle, Reason)> {
        let min_age = figures.belong_from?;
        if self.ageless || store.stored.is_zero() || now.uptime <= min_age + GRAIN {
            return None;
        }
        let from = self.oldest.bound(now.at, now.uptime, min_age);
        if from < min_age + settings.scan_interval.max(min_age / PLACED_EVERY) {
            return None;
        }
        if let Some(reason) = self.must_wait(store, settings, figures, now) {
            return Some((Settle::Hold, reason));
        }
        let amount = unreserved(store, settings, figures).min(store.stored).whole(store.page());
        if amount.is_zero() {
            return None;
        }
        let sink = Settle::Sink { amount, from: Some(from), min_age, pages: Pages::All };
        Some((sink, Reason::Placement))
    }

    /// What is to be done where nothing else is: pages that did not compress go to the slower device,
    /// whatever the fill. Each of them takes a page of DRAM in the store, so that nothing was freed by
    /// swapping it out.
    ///
    /// As often as they can have grown old enough, since each run has the kernel go over all slots.
    pub(super) fn place_incompressible(
        &mut self,
        store: &Store,
        settings: &Settings,
        figures: &Figures,
        now: &Now,
    ) -> Option<(Settle, Reason)> {
        let min_age = settings.min_age;
        if self.ageless || store.incompressible < TELLING || now.uptime <= min_age + GRAIN {
            return None;
        }
        let pause = settings.scan_interval.max(min_age / PLACED_EVERY);
        if self.placed_at.is_some_and(|last| now.at.saturating_sub(last) < pause) {
            return None;
        }
        if let Some(reason) = self.must_wait(store, settings, figures, now) {
            // Without a slower device there is nothing to be done about it.
            return (reason != Reason::NoBacking).then_some((Settle::Hold, reason));
        }
        let amount = unreserved(store, settings, figures).min(store.incompressible).whole(store.page());
        if amount.is_zero() {
            return None;
        }
        self.placed_at = Some(now.at);
        let sink = Settle::Sink { amount, from: Some(now.uptime), min_age, pages: Pages::Incompressible };
        Some((sink, Reason::Incompressible))
    }

    /// Where the kernel keeps no times, pages are marked before they are needed: the age has to be waited
    /// for.
    pub(super) fn mark_ahead(
        &self,
        settings: &Settings,
        figures: &Figures,
        store: &Store,
        now: Now,
    ) -> Settle {
        let wanted = self.ageless && self.marked_at.is_none() && figures.fill.memory > settings.low;
        let may = store.below.is_some() && !now.in_flight && !self.failures.pause(settings, now.at);
        if wanted && may { Settle::Mark } else { Settle::Hold }
    }
}

/// What may sink before the next scan though the fill does not ask for it. What draining a full store would
/// take of room and budget is kept for that: a full store is the greater harm.
fn unreserved(store: &Store, settings: &Settings, figures: &Figures) -> Bytes {
    let (_, whole) = store.measure();
    let reserve = whole.scale(settings.low.complement()).scale(Ratio::ONE.over(store.density()));
    let left = figures.room.min(figures.budget_left) - reserve;
    settings.rate.over(settings.scan_interval).min(left)
}

/// Time that `amount` takes at `rate`; `None` if that is never.
fn time(amount: f64, rate: f64) -> Option<Duration> {
    if rate > 0.0 { Duration::try_from_secs_f64(amount / rate).ok() } else { None }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int saturates")]
fn bytes(per_second: f64) -> Bytes {
    Bytes::new(per_second as u64)
}
