//! Who put there what lies outside DRAM: lowtide, or somebody else.
//!
//! The kernel tells how much of a cgroup lies in swap, and not on whose behalf. What lies there when lowtide
//! first looks, or rises without a request of its own, is somebody else's: the kernel's own reclaim, another
//! program, an earlier owner of the swap. What comes back is taken from both as they stand, since nobody can
//! tell whose page it was.

use super::Placed;
use crate::{
    cgroup::Memory,
    effect::{Effect, Pending, Scope},
    units::{Bytes, Ratio},
};

/// Memory that lies outside DRAM, by who sent it there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// lowtide's requests.
    pub lowtide: Bytes,
    /// Anything else.
    pub others: Bytes,
}

impl Origin {
    /// `lie` there now, and requests have sent `sent` since the last time.
    fn learn(&mut self, lie: Bytes, sent: Bytes) {
        let lowtide = self.lowtide + sent;
        let before = lowtide + self.others;
        self.lowtide = if lie < before { part(lowtide, lie, before) } else { lowtide };
        self.others = lie - self.lowtide;
    }

    /// The share that is lowtide's.
    #[must_use]
    pub fn share(self) -> Ratio {
        self.lowtide.share_of(self.lowtide + self.others)
    }
}

/// `of` × `share` / `whole`, rounded down; all of `of` that is left where it is the whole.
fn part(of: Bytes, share: Bytes, whole: Bytes) -> Bytes {
    let product = u128::from(of.get()) * u128::from(share.get());
    let part = product.checked_div(u128::from(whole.get())).unwrap_or_default();
    Bytes::new(u64::try_from(part).unwrap_or(u64::MAX))
}

/// Who put a cgroup's memory where it lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origins {
    /// In swap, zswap's pool among it.
    pub swap: Origin,
    /// On slower nodes.
    pub nodes: Origin,
    /// Sent to swap and to slower nodes by requests that ended while another one was being written.
    #[serde(skip)]
    sent: (Bytes, Bytes),
}

impl Origins {
    /// With nothing under way.
    #[must_use]
    pub fn new(swap: Origin, nodes: Origin) -> Self {
        Self { swap, nodes, ..Self::default() }
    }

    /// Takes in one observation.
    ///
    /// While a request is being written, part of what it sends lies there already and is in no effect yet: it
    /// is waited for.
    pub(crate) fn learn(&mut self, memory: &Memory, effects: &[Effect], pending: Pending) {
        self.sent.0 += effects.iter().map(swapped).sum();
        self.sent.1 += effects.iter().map(|effect| effect.demoted).sum();
        if pending == Pending::InFlight {
            return;
        }
        let (swap, nodes) = std::mem::take(&mut self.sent);
        self.swap.learn(memory.offloaded(), swap);
        self.nodes.learn(memory.demoted().total(), nodes);
    }

    /// Of what lies in a tier, lowtide's part with the DRAM that is taken for it, and the bytes of others.
    #[must_use]
    pub fn of(&self, placed: &Placed) -> (Placed, Bytes) {
        let origin = if placed.kind.is_swap() { self.swap } else { self.nodes };
        let share = origin.share();
        let bytes = placed.bytes.scale(share);
        let lowtide = Placed { bytes, resident: placed.resident.scale(share), ..placed.clone() };
        (lowtide, placed.bytes - bytes)
    }

    /// lowtide's part of everything that a cgroup has outside DRAM.
    #[must_use]
    pub fn of_all(&self, placed: &[Placed]) -> Vec<Placed> {
        placed.iter().map(|part| self.of(part).0).collect()
    }
}

/// Page cache does not go to swap: what rises during a request for it is the kernel's doing.
fn swapped(effect: &Effect) -> Bytes {
    if effect.scope == Scope::File { Bytes::ZERO } else { effect.offloaded }
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
