//! What lowtide did, against the cgroups that it left alone (`holdout`). Pure.
//!
//! Each group's figure is a ratio of sums over its cgroups, as those are of very different size: what is out
//! of DRAM over all that they have, stall over time. Its variance is that of a ratio estimator (Cochran,
//! Sampling Techniques, 3rd edition, 2.11): n/(n−1) · Σ(y − r·x)² / (Σx)². The variances of both groups add
//! up, and Student's t of the smaller group's degrees of freedom makes the interval of it.

use lowtide_history::Group;

use crate::sums::TenantSums;

/// With fewer nothing can be said of how much chance there is.
const LEAST: usize = 3;

/// One figure of those that were acted on, against those that were left alone.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Of those that were acted on, a share.
    pub acted: f64,
    /// Of those that were left alone.
    pub held_out: f64,
    /// What the first is more.
    pub difference: f64,
    /// Half of the 95 % interval around that.
    pub error: f64,
}

/// What lowtide did.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Against {
    /// Cgroups that were acted on.
    pub acted: usize,
    /// Cgroups that were left alone.
    pub held_out: usize,
    /// Out of DRAM net, whoever sent it there, as a share of all that they have.
    pub out_of_dram: Difference,
    /// The difference of that, of all that those have that were acted on: GiB·h.
    pub saved: f64,
    /// Half of the 95 % interval around that.
    pub saved_error: f64,
    /// Share of the time in which some task stalled on memory; `None` without PSI.
    pub memory_stall: Option<Difference>,
    /// The same on I/O.
    pub io_stall: Option<Difference>,
}

impl Against {
    /// `None` where a group has fewer than three cgroups. One that was in both within the period is in
    /// neither.
    pub(crate) fn of(tenants: &[&TenantSums]) -> Option<Self> {
        let group = |group| {
            tenants
                .iter()
                .copied()
                .filter(|tenant| tenant.group == group && !tenant.changed_group)
                .collect::<Vec<_>>()
        };
        let groups = [Group::Acted, Group::HeldOut].map(group);
        let [acted, held_out] = [groups[0].len(), groups[1].len()];
        if acted.min(held_out) < LEAST {
            return None;
        }
        let compared = |of: fn(&TenantSums) -> Option<(f64, f64)>| Difference::of(&groups, of);
        let out_of_dram = compared(|tenant| Some((tenant.out_of_dram(), tenant.footprint())))?;
        let all: f64 = groups[0].iter().map(|tenant| tenant.footprint()).sum();
        let share = |stall: Option<std::time::Duration>, tenant: &TenantSums| {
            stall.map(|stall| (stall.as_secs_f64(), tenant.present.as_secs_f64()))
        };
        Some(Self {
            acted,
            held_out,
            out_of_dram,
            saved: out_of_dram.difference * all,
            saved_error: out_of_dram.error * all,
            memory_stall: Difference::of(&groups, |tenant| share(tenant.memory_stall, tenant)),
            io_stall: Difference::of(&groups, |tenant| share(tenant.io_stall, tenant)),
        })
    }
}

impl Difference {
    /// Of the ratio that `of` gives, part and whole; `None` where too few have it.
    fn of(groups: &[Vec<&TenantSums>; 2], of: impl Fn(&TenantSums) -> Option<(f64, f64)>) -> Option<Self> {
        let known =
            |group: &Vec<&TenantSums>| group.iter().filter_map(|tenant| of(tenant)).collect::<Vec<_>>();
        let [acted, held_out] = [known(&groups[0]), known(&groups[1])];
        let fewest = acted.len().min(held_out.len());
        if fewest < LEAST {
            return None;
        }
        let ((first, first_variance), (second, second_variance)) = (ratio(&acted)?, ratio(&held_out)?);
        let error = student(fewest - 1) * (first_variance + second_variance).sqrt();
        Some(Self { acted: first, held_out: second, difference: first - second, error })
    }
}

/// The ratio of the sums, and its variance; `None` without a whole.
fn ratio(known: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (part, whole) = known.iter().fold((0.0, 0.0), |sum, (y, x)| (sum.0 + y, sum.1 + x));
    let count = count(known.len());
    (whole > 0.0 && count > 1.0).then(|| {
        let ratio = part / whole;
        let squares: f64 = known.iter().map(|(y, x)| (y - ratio * x).powi(2)).sum();
        (ratio, count / (count - 1.0) * squares / whole.powi(2))
    })
}

fn count(of: usize) -> f64 {
    u32::try_from(of).map_or(f64::from(u32::MAX), f64::from)
}

/// The 97.5 % quantile of Student's t: the normal one and the first three terms of its expansion in 1/degrees
/// (Abramowitz and Stegun, 26.7.5). From 2 degrees on it is within 4 %.
fn student(degrees: usize) -> f64 {
    const Z: f64 = 1.959_964;
    let by = count(degrees).max(1.0);
    let first = (Z.powi(3) + Z) / 4.0;
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0;
    let third = (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / 384.0;
    Z + first / by + second / by.powi(2) + third / by.powi(3)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lowtide_core::{ByteTime, Bytes};
    use proptest::prelude::*;

    use super::*;
    use crate::sums::Held;

    const HOUR: Duration = Duration::from_hours(1);

    /// So much of so much, in MiB, for an hour; stalled for so many seconds.
    fn tenant(group: Group, out: u64, all: u64, stalled: u64) -> TenantSums {
        let gib = |mib| ByteTime::of(Bytes::mib(mib), HOUR);
        TenantSums {
            group,
            present: HOUR,
            dram: gib(all - out),
            held: Held { offloaded: gib(out), ..Held::default() },
            memory_stall: Some(Duration::from_secs(stalled)),
            ..TenantSums::default()
        }
    }

    fn against(tenants: &[TenantSums]) -> Option<Against> {
        Against::of(&tenants.iter().collect::<Vec<_>>())
    }

    /// Of the tables of Student's t.
    #[test]
    fn quantiles_of_student() {
        for (degrees, quantile) in
            [(2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (1000, 1.962)]
        {
            let found: f64 = student(degrees);
            assert!((found / quantile - 1.0).abs() < 0.04, "{degrees}: {found}");
        }
    }

    #[test]
    fn what_is_more_is_lowtides() {
        let acted = (0..20).map(|index| tenant(Group::Acted, 100 + index, 1000, 36));
        let alone = (0..10).map(|index| tenant(Group::HeldOut, 10 + index % 3, 1000, 18));
        let tenants: Vec<_> = acted.chain(alone).collect();
        let found = against(&tenants).unwrap();
        assert_eq!((found.acted, found.held_out), (20, 10));
        let Difference { difference, error, .. } = found.out_of_dram;
        assert!((difference - 0.0986).abs() < 1e-9 && error > 0.0 && error < 0.01, "{found:?}");
        assert!((found.saved - difference * 20.0 * 1000.0 / 1024.0).abs() < 1e-9);
        let stall = found.memory_stall.unwrap();
        assert!((stall.difference - 0.005).abs() < 1e-9 && stall.error < 1e-9, "all are alike: {stall:?}");
        assert!(found.io_stall.is_none());
    }

    #[test]
    fn of_two_nothing_is_said() {
        let few = [Group::HeldOut, Group::HeldOut, Group::Acted, Group::Acted, Group::Acted, Group::None];
        let tenants: Vec<_> = few.into_iter().map(|group| tenant(group, 1, 10, 0)).collect();
        assert_eq!(against(&tenants), None);
    }

    /// Drawn again and again from one population: there is no difference, and the interval says so about as
    /// often as it promises.
    #[test]
    fn the_interval_has_the_truth_in_it_nineteen_times_of_twenty() {
        let mut state = 1_u64;
        let mut random = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % most
        };
        let mut within = 0;
        for _ in 0..2000 {
            let mut draw = |group| {
                let all = 100 + random(2000);
                tenant(group, random(all / 2), all, random(100))
            };
            let tenants: Vec<_> = (0..60)
                .map(|index| draw(if index % 6 == 0 { Group::HeldOut } else { Group::Acted }))
                .collect();
            let Difference { difference, error, .. } = against(&tenants).unwrap().out_of_dram;
            within += u32::from(difference.abs() <= error);
        }
        assert!((1840..=1980).contains(&within), "{within} of 2000");
    }

    proptest! {
        #[test]
        fn figures_are_finite(all in prop::collection::vec((0_u64..10_000, 0_u64..10_000, any::<bool>()), 0..30)) {
            let group = |held_out| if held_out { Group::HeldOut } else { Group::Acted };
            let tenants: Vec<_> =
                all.iter().map(|(out, more, held_out)| tenant(group(*held_out), *out, out + more, 1)).collect();
            if let Some(Against { out_of_dram, saved, saved_error, .. }) = against(&tenants) {
                prop_assert!(saved.is_finite() && saved_error.is_finite() && out_of_dram.error >= 0.0);
                prop_assert!(out_of_dram.difference.abs() <= 1.0);
            }
        }
    }
}
