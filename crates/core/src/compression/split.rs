use super::{ASSUMED, Mix};
use crate::{
    stored::Stored,
    tier::{Tier, TierKind},
    units::{Bytes, Ratio},
};

/// What is deduced of pages that nobody measured is held to these bounds.
const DEDUCED: std::ops::RangeInclusive<f64> = 0.02..=0.95;

/// A cgroup's part of the swap devices, as far as is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Claim {
    /// Uncompressed bytes on all of them, those that sank included.
    pub(crate) bytes: Bytes,
    /// How they compress.
    pub(crate) mix: Option<Mix>,
}

/// Where a cgroup's bytes on swap devices are.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct OnDevices {
    /// Uncompressed, in zram.
    pub(crate) zram: Bytes,
    /// DRAM that zram takes for them.
    pub(crate) resident: Bytes,
    /// On backing devices of zram.
    pub(crate) below: Bytes,
    /// On other swap devices.
    pub(crate) disks: Bytes,
}

/// What all swap devices of the host hold, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Devices {
    /// Uncompressed, in zram.
    pub(crate) zram: f64,
    /// DRAM that zram takes.
    pub(crate) resident: f64,
    /// Of that, pages that did not compress.
    pub(crate) incompressible: f64,
    /// Compressed bytes without the allocator's waste, `incompressible` included.
    pub(crate) compressed: f64,
    /// On backing devices of zram.
    pub(crate) below: f64,
    /// On other swap devices.
    pub(crate) disks: f64,
}

impl Devices {
    pub(crate) fn of(tiers: &[Tier], held: &Stored) -> Self {
        let mut found = OnDevices::default();
        for tier in tiers {
            match (tier.kind, &tier.above) {
                (TierKind::Zram, _) => {
                    found.zram += tier.stored;
                    found.resident += tier.resident;
                }
                (TierKind::Disk, Some(_)) => found.below += tier.stored,
                (TierKind::Disk, None) => found.disks += tier.stored,
                (TierKind::Node | TierKind::Zswap, _) => {}
            }
        }
        let (zram, resident) = (found.zram.as_f64(), found.resident.as_f64());
        Self {
            zram,
            resident,
            incompressible: held.incompressible.as_f64().min(resident).min(zram),
            compressed: held.compressed.as_f64(),
            below: found.below.as_f64(),
            disks: found.disks.as_f64(),
        }
    }

    fn stored(&self) -> f64 {
        self.zram + self.below + self.disks
    }
}

/// A claim with the sizes of its two kinds of pages, on zram or sunk from it.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    disks: f64,
    /// Pages that do not compress.
    whole: f64,
    /// The others, and what is left of a byte of them.
    rest: f64,
    share: f64,
}

impl Part {
    fn of(bytes: f64, mix: Mix, disks: f64) -> Self {
        let there = bytes * (1.0 - disks);
        let whole = there * mix.incompressible.get().min(1.0);
        Self { disks: bytes * disks, whole, rest: there - whole, share: mix.rest.get() }
    }
}

/// Whose is what: for each claim where its bytes are, so that what zram takes for all of them, and for what
/// nobody claims, is what it takes.
///
/// The kernel does not tell whose a page is. The cgroups are in disks and in zram in the same proportion; the
/// balancer writes below first what did not compress. Pages that did not compress take their size each, the
/// others what is left in proportion to how they compressed. A cgroup that nothing is known of has what the
/// others leave.
pub(crate) fn split(claims: &[Claim], devices: &Devices) -> Vec<OnDevices> {
    let claimed: f64 = claims.iter().map(|claim| claim.bytes.as_f64()).sum();
    let stored = devices.stored().max(claimed);
    if claimed <= 0.0 || devices.stored() <= 0.0 {
        return claims.iter().map(|claim| OnDevices { disks: claim.bytes, ..OnDevices::default() }).collect();
    }
    let disks = devices.disks / devices.stored();
    let unknown = deduced(claims, devices, stored, disks);
    let part = |claim: &Claim| Part::of(claim.bytes.as_f64(), claim.mix.unwrap_or(unknown), disks);
    let nobodys = Part::of(stored - claimed, unknown, disks);
    let parts: Vec<Part> = claims.iter().map(part).chain([nobodys]).collect();
    let sunk = sinking(&parts, devices);
    let sum = |of: &dyn Fn(&Part) -> f64| parts.iter().map(of).sum::<f64>();
    let whole = sum(&|part| part.whole * (1.0 - sunk.whole));
    let rest = sum(&|part| part.rest * (1.0 - sunk.rest) * part.share);
    let each = dram(whole, rest, devices.resident);
    let on_devices = |part: &Part| {
        let (whole, rest) = (part.whole * (1.0 - sunk.whole), part.rest * (1.0 - sunk.rest));
        OnDevices {
            zram: bytes(whole + rest),
            resident: bytes(whole * each.whole + rest * part.share * each.rest),
            below: bytes(part.whole * sunk.whole + part.rest * sunk.rest),
            disks: bytes(part.disks),
        }
    };
    parts[..claims.len()].iter().map(on_devices).collect()
}

/// One figure for each kind of page.
struct Kinds {
    whole: f64,
    rest: f64,
}

/// DRAM for a byte of pages that did not compress, and for a compressed byte of the others.
fn dram(whole: f64, rest: f64, resident: f64) -> Kinds {
    if rest <= 0.0 {
        return Kinds { whole: if whole > 0.0 { resident / whole } else { 0.0 }, rest: 0.0 };
    }
    let taken = whole.min(resident);
    Kinds { whole: if whole > 0.0 { taken / whole } else { 0.0 }, rest: (resident - taken) / rest }
}

/// Which share of either kind of page has sunk from zram. What did not compress and is not there any more
/// has, before anything else.
fn sinking(parts: &[Part], devices: &Devices) -> Kinds {
    let whole: f64 = parts.iter().map(|part| part.whole).sum();
    let rest: f64 = parts.iter().map(|part| part.rest).sum();
    let from_zram = devices.zram + devices.below;
    if from_zram <= 0.0 || devices.below <= 0.0 {
        return Kinds { whole: 0.0, rest: 0.0 };
    }
    let sunk = (whole + rest) * devices.below / from_zram;
    let gone = (whole - devices.incompressible).clamp(0.0, sunk.min(whole));
    let share = |part: f64, all: f64| if all > 0.0 { (part / all).min(1.0) } else { 0.0 };
    let others = sunk - gone;
    // More has sunk than there is of the others: the rest of it did not compress either.
    Kinds { whole: share(gone + (others - rest).max(0.0), whole), rest: share(others, rest) }
}

/// How pages compress that nobody measured: what is left when the others have had theirs.
fn deduced(claims: &[Claim], devices: &Devices, stored: f64, disks: f64) -> Mix {
    let known = || claims.iter().filter_map(|claim| Some(Part::of(claim.bytes.as_f64(), claim.mix?, disks)));
    let of_known: f64 = known().map(|part| part.whole + part.rest).sum();
    let unknown = stored * (1.0 - disks) - of_known;
    let in_zram = share_in_zram(devices);
    if unknown <= 0.0 || devices.compressed <= 0.0 {
        return Mix { incompressible: Ratio::ZERO, rest: ASSUMED };
    }
    let whole = (devices.incompressible - known().map(|part| part.whole).sum::<f64>() * in_zram).max(0.0);
    let incompressible = (whole / (unknown * in_zram)).clamp(0.0, 1.0);
    let compressed = known().map(|part| part.rest * part.share).sum::<f64>() * in_zram;
    let rest = (devices.compressed - devices.incompressible - compressed)
        / (unknown * in_zram * (1.0 - incompressible));
    let rest = if rest.is_finite() { rest.clamp(*DEDUCED.start(), *DEDUCED.end()) } else { ASSUMED.get() };
    Mix { incompressible: Ratio::new(incompressible), rest: Ratio::new(rest) }
}

/// Of what zram has slots for, the share whose data it has.
fn share_in_zram(devices: &Devices) -> f64 {
    let all = devices.zram + devices.below;
    if all > 0.0 { (devices.zram / all).max(1e-6) } else { 1.0 }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int saturates")]
fn bytes(size: f64) -> Bytes {
    Bytes::new(size.round() as u64)
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
