//! Swap devices that are switched on and off while the daemon runs, said once each.

use std::fmt;

use lowtide_core::{Bytes, Tier};

/// The swap devices at the last look.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    known: Option<Vec<Tier>>,
}

/// What became of a swap device between two looks.
#[derive(Debug, PartialEq, Eq)]
enum Change<'a> {
    On(&'a Tier),
    Off(&'a Tier),
}

impl Devices {
    /// Takes in a look. At the first one nothing has changed.
    pub(crate) fn look(&mut self, tiers: &[Tier]) {
        let now: Vec<_> = tiers.iter().filter(|tier| tier.has_slots()).cloned().collect();
        if let Some(before) = self.known.replace(now) {
            let now = self.known.as_deref().unwrap_or_default();
            changes(&before, now).for_each(|change| tracing::info!("{change}"));
            if now.is_empty() && !before.is_empty() {
                tracing::warn!(
                    "no swap device is left: only page cache is offloaded until one is switched on"
                );
            }
        }
    }
}

/// First what is gone: one that was switched off and on again with another priority or size is both.
fn changes<'a>(before: &'a [Tier], now: &'a [Tier]) -> impl Iterator<Item = Change<'a>> {
    let lacks = |all: &[Tier], one: &Tier| !all.iter().any(|tier| is_same(tier, one));
    let gone = before.iter().filter(move |tier| lacks(now, tier)).map(Change::Off);
    gone.chain(now.iter().filter(move |tier| lacks(before, tier)).map(Change::On))
}

fn is_same(a: &Tier, b: &Tier) -> bool {
    // The kernel's own priorities move up when another device is switched off (`swapoff`, mm/swapfile.c).
    let priority = |tier: &Tier| tier.priority.filter(|priority| *priority >= 0);
    (&a.device, priority(a), a.capacity) == (&b.device, priority(b), b.capacity)
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(Tier { kind, device, priority, capacity, .. }) => {
                write!(f, "{device}: swap was switched on ({}, {capacity}", kind.name())?;
                priority.map_or(Ok(()), |priority| write!(f, ", priority {priority}"))?;
                f.write_str("); what a fault costs there is assumed until enough was read")
            }
            Self::Off(Tier { device, used: Bytes::ZERO, .. }) => write!(f, "{device}: swap was switched off"),
            Self::Off(Tier { device, used, .. }) => write!(
                f,
                "{device}: swap was switched off; what was there, {used} at the last look, is in DRAM or on its way to the \
                 other devices"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_core::TierKind;

    fn tier(device: &str, priority: i32, used: u64) -> Tier {
        Tier {
            kind: TierKind::Disk,
            device: device.into(),
            priority: Some(priority),
            capacity: Bytes::mib(64),
            used: Bytes::mib(used),
            stored: Bytes::mib(used),
            resident: Bytes::ZERO,
            resident_limit: None,
            above: None,
        }
    }

    #[test]
    fn what_comes_and_goes_is_named() {
        let (before, now) =
            ([tier("/dev/a", 1, 7), tier("/dev/b", 2, 0)], [tier("/dev/b", 2, 9), tier("/dev/c", 3, 0)]);
        let said: Vec<_> = changes(&before, &now).map(|change| change.to_string()).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("/dev/a: swap was switched off; what was there, 7MiB at"), "{}", said[0]);
        assert!(said[1].starts_with("/dev/c: swap was switched on (disk, 64MiB, priority 3)"), "{}", said[1]);
    }

    #[test]
    fn another_priority_means_it_was_off_meanwhile() {
        let (before, now) = ([tier("/dev/a", 1, 0)], [tier("/dev/a", 2, 0)]);
        let expected = [Change::Off(&before[0]), Change::On(&now[0])];
        assert_eq!(changes(&before, &now).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_device_that_fills_is_the_same() {
        assert_eq!(changes(&[tier("/dev/a", 1, 0)], &[tier("/dev/a", 1, 9)]).count(), 0);
    }
}
