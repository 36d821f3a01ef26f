use proptest::prelude::*;

use super::*;

const MIB: f64 = 1_048_576.0;

fn claim(mib: u64, mix: Option<(f64, f64)>) -> Claim {
    let mix = mix.map(|(incompressible, rest)| Mix {
        incompressible: Ratio::new(incompressible),
        rest: Ratio::new(rest),
    });
    Claim { bytes: Bytes::mib(mib), mix }
}

fn mib(bytes: Bytes) -> f64 {
    bytes.as_f64() / MIB
}

fn near(found: Bytes, expected: f64) -> bool {
    (mib(found) - expected).abs() < 0.01
}

/// zram with so many MiB of random pages and so many that compress to a third, no waste.
fn zram(random: f64, thirds: f64) -> Devices {
    let compressed = (random + thirds / 3.0) * MIB;
    Devices {
        zram: (random + thirds) * MIB,
        resident: compressed,
        incompressible: random * MIB,
        compressed,
        ..Devices::default()
    }
}

const RANDOM: Option<(f64, f64)> = Some((1.0, 0.0));
const THIRD: Option<(f64, f64)> = Some((0.0, 1.0 / 3.0));

#[test]
fn each_pays_for_its_own() {
    let found = split(&[claim(20, RANDOM), claim(60, THIRD)], &zram(20.0, 60.0));
    assert!(near(found[0].resident, 20.0) && near(found[1].resident, 20.0), "{found:?}");
}

#[test]
fn one_that_nothing_is_known_of_has_what_the_other_leaves() {
    for other in [RANDOM, THIRD] {
        let claims = if other == RANDOM {
            [claim(20, RANDOM), claim(60, None)]
        } else {
            [claim(20, None), claim(60, THIRD)]
        };
        let found = split(&claims, &zram(20.0, 60.0));
        assert!(near(found[0].resident, 20.0) && near(found[1].resident, 20.0), "{other:?}: {found:?}");
    }
}

#[test]
fn what_nobody_claims_pays_too() {
    let found = split(&[claim(60, THIRD)], &zram(20.0, 60.0));
    assert!(near(found[0].resident, 20.0), "{found:?}");
}

#[test]
fn the_waste_of_the_allocator_falls_on_what_is_compressed() {
    let devices = Devices { resident: 45.0 * MIB, ..zram(20.0, 60.0) };
    let found = split(&[claim(20, RANDOM), claim(60, THIRD)], &devices);
    assert!(near(found[0].resident, 20.0) && near(found[1].resident, 25.0), "{found:?}");
}

#[test]
fn what_did_not_compress_is_below_first() {
    // All of the random pages have sunk, and 10 MiB of the others.
    let devices = Devices { below: 30.0 * MIB, ..zram(0.0, 50.0) };
    let found = split(&[claim(20, RANDOM), claim(60, THIRD)], &devices);
    assert!(near(found[0].below, 20.0) && near(found[0].resident, 0.0), "{found:?}");
    assert!(near(found[1].below, 10.0) && near(found[1].resident, 50.0 / 3.0), "{found:?}");
}

#[test]
fn a_disk_beside_zram_has_the_same_share_of_everybody() {
    let devices = Devices { disks: 40.0 * MIB, ..zram(10.0, 30.0) };
    let found = split(&[claim(20, RANDOM), claim(60, THIRD)], &devices);
    assert!(near(found[0].disks, 10.0) && near(found[1].disks, 30.0), "{found:?}");
    assert!(near(found[0].resident, 10.0) && near(found[1].resident, 10.0), "{found:?}");
}

#[test]
fn without_devices_nothing_is_taken() {
    let found = split(&[claim(3, THIRD)], &Devices::default());
    assert_eq!(found[0].resident, Bytes::ZERO);
}

fn claims() -> impl Strategy<Value = Vec<Claim>> {
    let mix = prop::option::of((0.0..=1.0_f64, 0.01..=0.99_f64));
    prop::collection::vec((0_u64..2000, mix).prop_map(|(size, mix)| claim(size, mix)), 1..8)
}

proptest! {
    /// Whatever was believed of the cgroups: where all that is stored is theirs, what they take is what zram
    /// takes, and all of it is somewhere.
    #[test]
    fn all_together_take_what_the_devices_take(
        claims in claims(),
        shares in (0.0..=1.0_f64, 0.0..=1.0_f64, 0.0..=1.0_f64, 0.01..=1.0_f64),
    ) {
        let stored: f64 = claims.iter().map(|claim| claim.bytes.as_f64()).sum();
        let (on_disks, sunk, whole, left) = shares;
        let zram = stored * (1.0 - on_disks) * (1.0 - sunk);
        let incompressible = zram * whole;
        let compressed = incompressible + (zram - incompressible) * left;
        let devices = Devices {
            zram,
            resident: compressed * 1.1,
            incompressible,
            compressed,
            below: stored * (1.0 - on_disks) * sunk,
            disks: stored * on_disks,
        };
        let found = split(&claims, &devices);
        let resident: f64 = found.iter().map(|part| part.resident.as_f64()).sum();
        prop_assert!((resident - devices.resident).abs() <= 8.0 + devices.resident * 1e-6, "{resident} {devices:?}");
        for (claim, part) in claims.iter().zip(&found) {
            let all = part.zram + part.below + part.disks;
            prop_assert!(all.get().abs_diff(claim.bytes.get()) <= 4, "{claim:?} {part:?}");
        }
        let below: f64 = found.iter().map(|part| part.below.as_f64()).sum();
        prop_assert!((below - devices.below).abs() <= 8.0 + devices.below * 1e-6, "{below} {devices:?}");
    }
}
