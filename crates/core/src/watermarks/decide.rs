use std::time::Duration;

use super::{Factor, Marks, Reason, Seen, Settings, between::Between, marks::greatest, marks::loss};
use crate::{
    trend::Trend,
    units::{Bytes, Ratio},
};

/// What one task reclaims at least each time that it has to (SWAP_CLUSTER_MAX, `try_to_free_pages`,
/// mm/vmscan.c). Stalls times this is the direct reclaim, and not `pgsteal_direct`, which from 7.3 on counts
/// cgroups at their own limits too.
const STALL: Bytes = Bytes::pages(32);
/// A smaller step is not worth a write.
const LEAST_STEP: u64 = 10;
/// One step takes no more than this part of page cache and slab: what it costs is seen before the next one.
const PART_OF_RECLAIMABLE: u64 = 4;
/// Each step up is at least this part of the factor, so that it does not take many of them.
const LEAST_PART_UP: u64 = 2;
/// Protection times without direct reclaim after which the factor goes all the way down.
const STEPS_DOWN: u32 = 4;
/// Above this share of a core for each kswapd it has a lot to do.
const BUSY: Ratio = Ratio::percent(10.0);
/// kswapd's CPU is a mean that forgets within this part of the protection time.
const CPU_MEMORY: u32 = 4;
/// What is kept of the greatest rate of kswapd from one look to the next: half of it after 69 looks.
const KEPT_RATE: f64 = 0.99;

/// What is decided at one look.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Decision {
    /// The factor that is set.
    pub from: Factor,
    /// The one that shall be.
    pub to: Factor,
    /// Why.
    pub reason: Reason,
    /// What it was decided from.
    pub figures: Figures,
}

/// What a decision was made from.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Figures {
    /// What the host was found with.
    pub original: Factor,
    /// The greatest factor that the settings allow here.
    pub limit: Factor,
    /// What MemAvailable loses at most at the factor that shall be set.
    pub loss: Bytes,
    /// Free pages.
    pub free: Bytes,
    /// Page cache and slab that kswapd can take.
    pub reclaimable: Bytes,
    /// Times that a task reclaimed for itself since kswapd last slept, or they were last answered.
    pub stalls: u64,
    /// Share of a core that each kswapd took lately.
    pub kswapd_cpu: Ratio,
    /// The greatest rate at which kswapd was seen to reclaim, in bytes a second; slowly forgotten.
    pub reclaim_rate: Bytes,
    /// The rate at which free memory falls, in bytes a second; nothing where it rises.
    pub fall_rate: Bytes,
}

impl Decision {
    /// `raise`, `lower` or `hold`.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self.to.cmp(&self.from) {
            std::cmp::Ordering::Greater => "raise",
            std::cmp::Ordering::Less => "lower",
            std::cmp::Ordering::Equal => "hold",
        }
    }
}

/// What is remembered from one look to the next.
#[derive(Debug, Clone, Default)]
pub struct Controller {
    before: Option<(Duration, Seen)>,
    trend: Trend,
    /// Bytes a second.
    reclaim_rate: f64,
    stalls: u64,
    /// Since when no task has reclaimed for itself and the factor was not raised.
    quiet_since: Duration,
    /// When the last of that was, or the last step down.
    stepped_at: Duration,
    kswapd_cpu: f64,
}

/// All that one decision is made from.
struct Case<'a> {
    seen: &'a Seen,
    between: Between,
    factor: Factor,
    original: Factor,
    limit: Factor,
    protection: Duration,
    now: Duration,
}

impl Controller {
    /// What the factor shall be. `factor` is set now, `original` what the host was found with.
    pub fn decide(
        &mut self,
        seen: &Seen,
        factor: Factor,
        original: Factor,
        settings: &Settings,
        now: Duration,
    ) -> Decision {
        let allowed = seen.total.scale(settings.available_loss);
        let limit = greatest(&seen.zones, original, settings.max_scale_factor, allowed);
        let (at, last) = self.before.replace((now, seen.clone())).unzip();
        self.trend.add(now, seen.free());
        let (to, reason) = match at.zip(last) {
            None => {
                (self.quiet_since, self.stepped_at) = (now, now);
                (factor, Reason::FirstLook)
            }
            Some((at, last)) => {
                let between = Between::new(&last, seen, now.saturating_sub(at));
                let protection = settings.protection;
                self.learn(seen, &between, protection, now);
                self.choose(&Case { seen, between, factor, original, limit, protection, now })
            }
        };
        let figures = self.figures(seen, original, limit, to);
        if to > factor {
            (self.quiet_since, self.stepped_at) = (now, now);
        }
        if to > factor
            || matches!(reason, Reason::AtLimit | Reason::NothingReclaimable | Reason::KswapdFailing)
        {
            // They were answered, be it with nothing.
            self.stalls = 0;
        }
        if to != factor {
            self.stepped_at = now;
            self.trend.forget();
        }
        Decision { from: factor, to, reason, figures }
    }

    fn learn(&mut self, seen: &Seen, between: &Between, protection: Duration, now: Duration) {
        if between.kswapd_slept() && between.stalls == 0 {
            self.stalls = 0;
        }
        self.stalls = self.stalls.saturating_add(between.stalls);
        if between.stalls > 0 {
            (self.quiet_since, self.stepped_at) = (now, now);
        }
        self.reclaim_rate = between.reclaimed_per_second().max(self.reclaim_rate * KEPT_RATE);
        let time = between.time.as_secs_f64();
        let memory = protection.as_secs_f64() / f64::from(CPU_MEMORY);
        if time > 0.0 && memory > 0.0 {
            let share = share_of_a_core(seen, between);
            self.kswapd_cpu += (share - self.kswapd_cpu) * (1.0 - (-time / memory).exp());
        }
    }

    fn choose(&self, case: &Case<'_>) -> (Factor, Reason) {
        let Case { seen, between, factor, original, limit, .. } = *case;
        let marks = Marks::at(&seen.zones, factor);
        if factor > limit {
            return (limit, Reason::Limit);
        }
        if seen.gave_up || between.kswapd_got_nothing(marks) {
            // To begin earlier would not help; what was raised goes back as ever.
            let may_go = factor > original && self.stalls == 0;
            return if may_go { self.lowered(case) } else { (factor, Reason::KswapdFailing) };
        }
        if self.stalls > 0 {
            let missing = Bytes::new(STALL.get().saturating_mul(self.stalls));
            return raised(case, missing, Reason::DirectReclaim);
        }
        if let Some(missing) = self.missing(seen, marks) {
            return raised(case, missing, Reason::Predicted);
        }
        if factor > original { self.lowered(case) } else { (factor, Reason::Enough) }
    }

    /// How much more head start kswapd would need, should free memory fall on for as long as it has been seen
    /// to. Below the low mark it falls by what tasks take beyond what kswapd brings back.
    fn missing(&self, seen: &Seen, marks: Marks) -> Option<Bytes> {
        let fall = self.trend.fall().filter(|fall| self.reclaim_rate > 0.0 && *fall > self.reclaim_rate)?;
        let low_in = (seen.free() - marks.low).as_f64() / fall;
        let lasts = self.trend.span().as_secs_f64() - low_in;
        let needed = bytes((fall - self.reclaim_rate) * lasts);
        Some(needed - marks.head_start()).filter(|missing| !missing.is_zero())
    }

    fn lowered(&self, case: &Case<'_>) -> (Factor, Reason) {
        let Case { factor, original, protection, now, .. } = *case;
        if now.saturating_sub(self.stepped_at) < protection {
            return (factor, Reason::Protected);
        }
        let idle = 1.0 - self.kswapd_cpu / BUSY.get();
        if idle <= 0.0 {
            return (factor, Reason::KswapdBusy);
        }
        let quiet = now.saturating_sub(self.quiet_since).as_secs_f64();
        let protections = (quiet / protection.as_secs_f64()).floor();
        let part = (protections / f64::from(STEPS_DOWN)).min(1.0) * idle;
        let above = u64::from(factor.get() - original.get());
        let step = Bytes::new(above).scale(Ratio::new(part)).get().max(LEAST_STEP);
        (factor.minus(step).max(original), Reason::Calm)
    }

    fn figures(&self, seen: &Seen, original: Factor, limit: Factor, to: Factor) -> Figures {
        Figures {
            original,
            limit,
            loss: loss(&seen.zones, original, to),
            free: seen.free(),
            reclaimable: seen.reclaimable(),
            stalls: self.stalls,
            kswapd_cpu: Ratio::new(self.kswapd_cpu),
            reclaim_rate: bytes(self.reclaim_rate),
            fall_rate: bytes(self.trend.fall().unwrap_or_default()),
        }
    }
}

/// The factor with which kswapd wakes up `missing` bytes earlier, as far as there is something to reclaim and
/// the limit allows.
fn raised(case: &Case<'_>, missing: Bytes, why: Reason) -> (Factor, Reason) {
    let Case { seen, factor, limit, .. } = *case;
    if factor >= limit {
        return (factor, Reason::AtLimit);
    }
    let least = (u64::from(factor.get()) / LEAST_PART_UP).max(LEAST_STEP);
    let most = in_ten_thousandths(Bytes::new(seen.reclaimable().get() / PART_OF_RECLAIMABLE), seen.managed());
    if most < LEAST_STEP {
        return (factor, Reason::NothingReclaimable);
    }
    let step = in_ten_thousandths(missing, seen.managed()).max(least).min(most);
    (factor.plus(step).min(limit), why)
}

fn in_ten_thousandths(part: Bytes, whole: Bytes) -> u64 {
    Bytes::new(Factor::WHOLE).scale(part.share_of(whole)).get()
}

/// That each kswapd took. Where /proc does not show them, one that did anything is taken for busy.
fn share_of_a_core(seen: &Seen, between: &Between) -> f64 {
    match seen.kswapd_cpu {
        Some(_) => between.cpu.as_secs_f64() / between.time.as_secs_f64() / f64::from(seen.kswapds.max(1)),
        None => f64::from(u8::from(!between.kswapd_slept())),
    }
}

/// At least nothing.
fn bytes(count: f64) -> Bytes {
    Bytes::new(1).scale(Ratio::new(count))
}
