use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{End, Fill, Reason, Run, Settings, Store, Strain, ages::Oldest, inflow::Inflow};
use crate::units::{Bytes, Ratio};

/// A run that moved less says nothing about how fast the device is.
const TELLING: Bytes = Bytes::mib(1);

/// What is to be done with a store now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Settle {
    /// Nothing.
    Hold,
    /// Mark all pages, so that those that are touched can be told from those that are not.
    Mark,
    /// Move pages to the slower device.
    Sink {
        /// Uncompressed bytes, at most: whole pages.
        amount: Bytes,
        /// From which age on the oldest may be; `None` for the pages that still have their mark.
        from: Option<Duration>,
    },
}

impl Settle {
    /// The label in `lowtide_balancer_decisions_total`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Mark => "mark",
            Self::Sink { .. } => "sink",
        }
    }
}

/// One decision about one store, why, and from which figures.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Sinking {
    /// The store.
    pub device: Arc<str>,
    /// What is to be done.
    pub settle: Settle,
    /// Why this and not more.
    pub reason: Reason,
    /// The figures it was made from.
    pub figures: Figures,
}

/// The numbers a decision was made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Figures {
    /// How full the store is.
    pub fill: Fill,
    /// Uncompressed bytes above the low mark.
    pub above_low: Bytes,
    /// Bytes a second that come in: of DRAM, or uncompressed where the store has no limit of DRAM.
    pub inflow: Bytes,
    /// Time until it is full if nothing sinks; `None` if it does not fill.
    pub full_in: Option<Duration>,
    /// Time until it is at the low mark if pages sink from now on; `None` if it fills faster than they can.
    pub drained_in: Option<Duration>,
    /// What may still be written to the slower device.
    pub budget_left: Bytes,
    /// Room on the slower device.
    pub room: Bytes,
}

/// What a decision is made from besides the store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    /// Monotonic time.
    pub at: Duration,
    /// Time since the boot: no page is older.
    pub uptime: Duration,
    /// What speaks against moving anything.
    pub strain: Strain,
    /// What may still be written to the slower device.
    pub budget_left: Bytes,
    /// A run of the store has not ended.
    pub in_flight: bool,
}

/// What is remembered of each store.
#[derive(Debug, Clone, Default)]
pub struct Balancer {
    tracks: HashMap<Arc<str>, Track>,
}

#[derive(Debug, Clone, Default)]
struct Track {
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
    marked: Option<Duration>,
    last: Option<Run>,
}

impl Balancer {
    /// What to do with `store` now.
    pub fn decide(&mut self, store: &Store, settings: &Settings, now: Now) -> Sinking {
        let track = self.tracks.entry(Arc::clone(&store.device)).or_default();
        track.look(store, settings, now.at);
        let figures = track.figures(store, settings, &now);
        let wish = track.wish(settings, &figures);
        let (settle, reason) = match wish {
            Err(reason) => (track.mark_ahead(settings, &figures, store, now), reason),
            Ok(reason) => match track.must_wait(store, settings, &figures, &now) {
                Some(reason) => (Settle::Hold, reason),
                None => track.settle(settings, &figures, &now, reason),
            },
        };
        Sinking { device: Arc::clone(&store.device), settle, reason, figures }
    }

    /// Takes in what came of a decision to sink.
    pub fn ran(&mut self, store: &Store, run: Run, now: Duration) {
        let track = self.tracks.entry(Arc::clone(&store.device)).or_default();
        if run.moved >= TELLING && !run.took.is_zero() {
            track.speed = Some(run.moved.as_f64() / run.took.as_secs_f64());
        }
        if let Some(age) = run.emptied {
            track.oldest.emptied(age, now);
            track.marked = None;
        }
        track.ageless |= run.end == End::Ageless;
        track.full_at = match run.end {
            End::Full => store.below.as_ref().map(|below| below.used),
            _ => None,
        };
        track.last = Some(run);
    }

    /// All pages of `device` were marked at `now`.
    pub fn marked(&mut self, device: &Arc<str>, now: Duration) {
        let track = self.tracks.entry(Arc::clone(device)).or_default();
        track.marked = Some(now);
    }

    /// Forgets every store that is not among `alive`.
    pub fn retain(&mut self, alive: &HashSet<Arc<str>>) {
        self.tracks.retain(|device, _| alive.contains(device));
    }
}

impl Run {
    /// Whether another run may follow at once: this one had its amount, and met nothing that speaks against more.
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
    fn look(&mut self, store: &Store, settings: &Settings, now: Duration) {
        let written = store.below.as_ref().map_or(Bytes::ZERO, |below| below.written);
        let before = self.written.replace(written).unwrap_or(written);
        if written < before {
            *self = Self { written: Some(written), ..Self::default() };
        }
        self.sunk += (written - before).scale(store.density());
        self.inflow.seen(now, store.measure().0, self.sunk, settings.scan_interval);
    }

    fn figures(&self, store: &Store, settings: &Settings, now: &Now) -> Figures {
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
            room: store.below.as_ref().map_or(Bytes::ZERO, |below| below.capacity - below.used),
        }
    }

    /// Uncompressed bytes a second that can sink: what the rate allows, or what the device was seen to take if that is less.
    fn speed(&self, settings: &Settings) -> f64 {
        self.speed.map_or(settings.per_second(), |speed| speed.min(settings.per_second()))
    }

    /// Whether pages should sink, and why.
    fn wish(&mut self, settings: &Settings, figures: &Figures) -> Result<Reason, Reason> {
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
    fn must_wait(&self, store: &Store, settings: &Settings, figures: &Figures, now: &Now) -> Option<Reason> {
        let Some(below) = &store.below else { return Some(Reason::NoBacking) };
        if now.in_flight {
            return Some(Reason::InFlight);
        }
        // Half-way from the watermark to full, a full store is the greater harm: then nothing can be swapped out at all.
        let is_urgent = figures.fill.memory.get() >= f64::midpoint(settings.watermark.get(), 1.0);
        match now.strain {
            Strain::Trigger => return Some(Reason::Trigger),
            Strain::Io if !is_urgent => return Some(Reason::IoPressure),
            Strain::Memory if !is_urgent => return Some(Reason::MemoryPressure),
            Strain::Io | Strain::Memory | Strain::None => {}
        }
        if figures.room < Bytes::pages(1) || self.full_at.is_some_and(|used| below.used >= used) {
            return Some(Reason::BackingFull);
        }
        (now.budget_left < Bytes::pages(1)).then_some(Reason::WriteBudget)
    }

    fn settle(&self, settings: &Settings, figures: &Figures, now: &Now, why: Reason) -> (Settle, Reason) {
        let from = if self.ageless {
            match self.marked {
                None => return (Settle::Mark, Reason::Marking),
                Some(at) if now.at.saturating_sub(at) < settings.min_age => {
                    return (Settle::Hold, Reason::Marking);
                }
                Some(_) => None,
            }
        } else {
            Some(self.oldest.bound(now.at, now.uptime, settings.min_age))
        };
        let a_scan = settings.rate.over(settings.scan_interval);
        let amount = figures.above_low.min(a_scan).min(figures.room).min(figures.budget_left).whole_pages();
        let amount = amount.max(Bytes::pages(1));
        let hindrance = self.last.and_then(|run| run.hindrance(settings.min_age));
        (Settle::Sink { amount, from }, hindrance.unwrap_or(why))
    }

    /// Where the kernel keeps no times, pages are marked before they are needed: the age has to be waited for.
    fn mark_ahead(&self, settings: &Settings, figures: &Figures, store: &Store, now: Now) -> Settle {
        let wanted = self.ageless && self.marked.is_none() && figures.fill.memory > settings.low;
        if wanted && store.below.is_some() && !now.in_flight { Settle::Mark } else { Settle::Hold }
    }
}

/// Time that `amount` takes at `rate`; `None` if that is never.
fn time(amount: f64, rate: f64) -> Option<Duration> {
    if rate > 0.0 { Duration::try_from_secs_f64(amount / rate).ok() } else { None }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int saturates")]
fn bytes(per_second: f64) -> Bytes {
    Bytes::new(per_second as u64)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
