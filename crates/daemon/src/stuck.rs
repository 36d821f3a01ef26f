//! Notices pages that were given a place in swap and stay in DRAM all the same: their writes fail.
//!
//! The kernel tells only its log, which the daemon's sandbox hides. A page whose write failed is dirty in the
//! swap cache (`end_swap_bio_write`, mm/page_io.c, 6.1 to 7.3); a page that was read back may be there too,
//! but it is clean, and a request would find it.

use lowtide_core::{Bytes, Effect, Scope, Tier, TierId};
use lowtide_view::{CgroupView, Stuck};

/// A disk that is slow to write looks the same for a moment.
const TURNS: u32 = 3;
const LEAST: Bytes = Bytes::mib(1);

/// What was seen of it so far.
#[derive(Debug, Default)]
pub(crate) struct StuckWatch {
    turns: u32,
}

impl StuckWatch {
    /// Takes in a turn, and logs once what it finds.
    pub(crate) fn look(&mut self, tiers: &[Tier], cgroups: &[CgroupView]) -> Option<Stuck> {
        let size: Bytes = cgroups.iter().filter(|cgroup| cgroup.acting).map(stuck).sum();
        if size < LEAST {
            if self.turns >= TURNS {
                tracing::info!("swap takes pages again");
            }
            self.turns = 0;
            return None;
        }
        self.turns = self.turns.saturating_add(1);
        let device = taking(tiers).filter(|_| self.turns >= TURNS)?.clone();
        let stuck = Stuck { size, device };
        if self.turns == TURNS {
            tracing::warn!("{stuck}");
        }
        Some(stuck)
    }
}

/// In the swap cache of a cgroup that gave next to nothing when it was asked last.
fn stuck(cgroup: &CgroupView) -> Bytes {
    let in_dram = cgroup.memory.stat.swap_cached.unwrap_or_default();
    let fruitless = cgroup.account.last_effect.as_ref().is_some_and(is_fruitless);
    if fruitless && in_dram >= cgroup.memory.offloaded() { in_dram } else { Bytes::ZERO }
}

fn is_fruitless(effect: &Effect) -> bool {
    // Page cache needs no swap.
    let to_swap = !matches!(effect.scope, Scope::File | Scope::Demote);
    to_swap
        && effect.partial
        && !effect.stopped
        && !effect.vanished
        && effect.freed + effect.freed < effect.requested
}

/// The device that the kernel gives new pages to: the first with a free slot.
fn taking(tiers: &[Tier]) -> Option<&TierId> {
    let mut devices = tiers.iter().filter(|tier| tier.has_slots());
    devices.find(|tier| tier.used < tier.capacity).map(|tier| &tier.device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_core::TierKind;

    #[test]
    fn the_first_device_with_a_slot_takes_new_pages() {
        let tier = |device: &str, used| Tier {
            kind: TierKind::Disk,
            device: device.into(),
            priority: Some(1),
            capacity: Bytes::mib(8),
            used: Bytes::mib(used),
            stored: Bytes::mib(used),
            resident: Bytes::ZERO,
            resident_limit: None,
            above: None,
        };
        assert_eq!(taking(&[tier("/dev/a", 8), tier("/dev/b", 7)]), Some(&"/dev/b".into()));
        assert_eq!(taking(&[]), None);
    }

    #[test]
    fn a_request_that_was_cut_short_is_not_fruitless() {
        let effect = Effect { requested: Bytes::mib(2), partial: true, ..Effect::default() };
        assert!(is_fruitless(&effect));
        assert!(!is_fruitless(&Effect { stopped: true, ..effect.clone() }));
        assert!(!is_fruitless(&Effect { freed: Bytes::mib(1), ..effect.clone() }));
        assert!(!is_fruitless(&Effect { partial: false, ..effect }));
    }
}
