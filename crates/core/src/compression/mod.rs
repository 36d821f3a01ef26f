//! What compression leaves of each cgroup's memory, and what of zram is whose.
//!
//! A zram device tells what it holds as a whole. What a cgroup's pages come to is seen from what the device
//! takes in while one request for that cgroup alone is being written: compressed bytes are counted page by
//! page (`compr_data_size`), so a few hundred pages tell. zswap counts for each cgroup by itself. Nobody's
//! pages are read.

mod evidence;
mod kept;
mod split;
mod trial;

use std::time::Duration;

use self::{
    evidence::{Evidence, TELLING},
    trial::Trial,
};
use crate::{
    cgroup::Memory,
    effect::Effect,
    tier::TierKind,
    units::{Bytes, Ratio},
};

pub(crate) use kept::is_kept;
pub(crate) use split::{Claim, Devices, OnDevices, split};

/// With more of a page left than this it is not worth to be compressed. zram keeps a page whole whose
/// compressed size is above about four fifths (`huge_class_size`, drivers/block/zram/zram_drv.c), so memory
/// at seven eighths is mostly such pages. A byte freed there costs more than five times the faults and the
/// CPU of one freed from memory that compresses to a third.
const POOR: Ratio = Ratio::new(0.875);

/// Of a cgroup so much has to be measured before its memory stays, and is tried again: what is reclaimed
/// first may be of one kind, and the rest of another. Between [`TELLING`] and the most that is held on to.
const SAMPLE: Ratio = Ratio::new(1.0 / 128.0);

/// What is assumed to be left of a page while nothing is known, where memory is to be placed: rather too much
/// than too little.
pub(crate) const ASSUMED: Ratio = Ratio::new(0.4);

/// What is expected to be left of it, where a saving is to be foretold: a third, the median of compressed
/// cold memory over Google's fleet (Lagar-Cavilla and others, Software-Defined Far Memory, ASPLOS 2019), and
/// a twentieth of that for what zsmalloc and tables take.
pub(crate) const EXPECTED: Ratio = Ratio::new(0.35);

/// How far a cgroup may be from what is expected, or from the mean of all: half of an interval. From one page
/// in four (4:1) to two in three, the range that Meta gives for its workloads (Weiner and others, TMO, ASPLOS
/// 2022: 4 for Web, 1.3 to 1.4 for Ads).
const SPREAD: Ratio = Ratio::new(0.25);

/// What compression leaves of a cgroup's memory, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Compressed {
    /// Compressed bytes of one uncompressed byte.
    pub share: Ratio,
    /// Uncompressed bytes that this was measured over.
    pub measured: Bytes,
}

/// How the pages of a cgroup compress.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mix {
    /// Share of the bytes in pages that did not compress, and are kept as they are.
    pub(crate) incompressible: Ratio,
    /// What is left of the rest.
    pub(crate) rest: Ratio,
}

impl Mix {
    /// What is left of all.
    pub(crate) fn share(self) -> Ratio {
        let rest = self.incompressible.complement().of(self.rest);
        Ratio::new(self.incompressible.get() + rest.get()).clamped()
    }

    /// This for the bytes that were there, `new` for those that were `added`.
    fn with(self, there: Bytes, new: Self, added: Bytes) -> Self {
        let added = added.share_of(there + added).get();
        let between = |old: Ratio, new: Ratio| Ratio::new(old.get() + (new.get() - old.get()) * added);
        let incompressible = between(self.incompressible, new.incompressible);
        let rest = |mix: Self| mix.incompressible.complement().of(mix.rest).get();
        let left = Ratio::new(rest(self) + (rest(new) - rest(self)) * added);
        Self { incompressible, rest: left.over(incompressible.complement()) }
    }
}

/// What is known of the compression of one cgroup.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compression {
    evidence: Evidence,
    trial: Trial,
    /// On swap devices at the last tick, and how that compressed when it went there.
    held: Bytes,
    mix: Option<Mix>,
}

impl Compression {
    /// Takes in what came of requests, and what of the cgroup is in swap now.
    pub(crate) fn learn(&mut self, effects: &[Effect], memory: &Memory, now: Duration) {
        let waited = self.trial.is_due(now);
        let tried = effects.iter().any(|effect| waited && !effect.offloaded.is_zero());
        let in_zswap = in_zswap(memory);
        let mut measured = in_zswap.is_some();
        for effect in effects {
            let Some(stored) = effect.stored.filter(|stored| stored.is_of(effect.offloaded)) else {
                continue;
            };
            let window = Evidence::of(effect.offloaded, &stored, now);
            // What was found out long ago is not held against memory that compresses now.
            let otherwise = waited && window.share().is_some_and(|share| share < POOR);
            self.evidence = if otherwise { window } else { self.evidence.and(&window, now) };
            measured = true;
        }
        let is_poor = |found: Compressed| found.share >= POOR && found.measured >= sample(memory);
        let is_poor = self.in_zram().is_some_and(is_poor) || in_zswap.is_some_and(is_poor);
        self.trial.learn(is_poor, tried.then_some(measured), now);
        self.hold(on_devices(memory));
    }

    /// Faulted back or freed, each part of what is held is so in proportion.
    fn hold(&mut self, held: Bytes) {
        if let Some(new) = self.evidence.mix() {
            let added = held - self.held;
            self.mix = Some(self.mix.map_or(new, |mix| mix.with(self.held, new, added)));
        }
        self.held = held;
    }

    /// Its part of the swap devices, and how that compresses; without the latter where too little is known.
    pub(crate) fn claim(&self) -> Claim {
        Claim { bytes: self.held, mix: self.mix }
    }

    /// How much anonymous memory may be sent where it is compressed and stays so: nothing where next to
    /// nothing would be freed, but for what is tried from time to time.
    pub(crate) fn worth_storing(&self, memory: &Memory, now: Duration) -> Bytes {
        self.trial.room(sample(memory), now)
    }

    /// What is known is little or old: the next request is to be measured.
    pub(crate) fn wants_measuring(&self, now: Duration) -> bool {
        self.trial.is_due(now) || self.evidence.is_thin(now)
    }

    /// What a tier of this kind takes for a byte of this cgroup; `None` if that is not known.
    pub(crate) fn taken(&self, kind: TierKind, memory: &Memory) -> Option<Ratio> {
        match kind {
            TierKind::Zram => self.evidence.mix().map(Mix::share),
            TierKind::Zswap => in_zswap(memory).map(|found| found.share),
            TierKind::Node | TierKind::Disk => None,
        }
    }

    /// Half of the interval around what a tier of this kind frees by a byte of this cgroup, where that is not
    /// measured of it.
    pub(crate) fn uncertainty(&self, kind: TierKind, memory: &Memory) -> Ratio {
        if kind.compresses() && self.taken(kind, memory).is_none() { SPREAD } else { Ratio::ZERO }
    }

    /// What compression leaves of its memory, by zswap's counters or from what zram took in.
    pub(crate) fn known(&self, memory: &Memory) -> Option<Compressed> {
        self.in_zram().or_else(|| in_zswap(memory))
    }

    fn in_zram(&self) -> Option<Compressed> {
        let mix = self.evidence.mix()?;
        Some(Compressed { share: mix.share(), measured: self.evidence.measured() })
    }
}

/// Uncompressed bytes on swap devices, zram's backing devices among them.
pub(crate) fn on_devices(memory: &Memory) -> Bytes {
    memory.offloaded() - memory.stat.zswapped.unwrap_or_default()
}

fn sample(memory: &Memory) -> Bytes {
    memory.footprint().scale(SAMPLE).max(TELLING).min(evidence::MOST)
}

/// The kernel's own account of the cgroup in zswap (`zswap` and `zswapped` of memory.stat), if it is about
/// enough.
fn in_zswap(memory: &Memory) -> Option<Compressed> {
    let stored = memory.stat.zswapped.filter(|stored| *stored >= TELLING)?;
    let share = memory.zswap_current?.share_of(stored).clamped();
    Some(Compressed { share, measured: stored })
}

#[cfg(test)]
mod tests;
