//! What was saved over time, in as many steps as a plot can show. Pure.

use std::{collections::HashMap, sync::Arc, time::Duration};

use lowtide_core::{ByteTime, Bytes};
use lowtide_history::{Minute, Tenant};

use crate::sums::{by_others, present};

/// More points are no clearer.
const STEPS: u64 = 240;
const SHORTEST_STEP: u64 = 60;

/// One line of a plot: GiB at each step; `None` where no daemon kept watch.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Curve {
    /// What it is of.
    pub name: String,
    /// GiB.
    pub values: Vec<Option<f64>>,
}

/// What was saved over time. All of it in GiB, means over a step.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Series {
    /// Where the first step begins, in seconds since 1970.
    pub begin: u64,
    /// Length of a step, in seconds.
    pub step: u64,
    /// Net, offloaded, DRAM taken for it, lowtide itself, in swap through others.
    pub host: Vec<Curve>,
    /// Net, for each tier.
    pub tiers: Vec<Curve>,
    /// Net, for each of the cgroups that saved most.
    pub cgroups: Vec<Curve>,
}

/// The names of the host's curves, in their order.
const HOST: [&str; 5] =
    ["net saved", "offloaded", "taken for it", "lowtide itself", "in swap through others"];

/// A series as it is made.
#[derive(Debug)]
pub(crate) struct Steps {
    begin: u64,
    step: u64,
    watched: Vec<Duration>,
    host: [Vec<f64>; HOST.len()],
    tiers: Vec<(Arc<str>, Vec<f64>)>,
    cgroups: Vec<(Arc<str>, Vec<f64>)>,
    /// Where in `tiers` and `cgroups`.
    places: [HashMap<Arc<str>, usize>; 2],
}

impl Steps {
    /// For minutes from `begin` to `end`, with curves for `tiers` and `cgroups`.
    pub(crate) fn new((begin, end): (u64, u64), tiers: &[Arc<str>], cgroups: &[Arc<str>]) -> Self {
        let length = end.saturating_sub(begin);
        let step = length.div_ceil(STEPS).max(SHORTEST_STEP);
        let count = usize::try_from(length / step + 1).unwrap_or(1);
        let curves =
            |names: &[Arc<str>]| names.iter().map(|name| (Arc::clone(name), vec![0.0; count])).collect();
        let places = |names: &[Arc<str>]| names.iter().cloned().zip(0..).collect();
        Self {
            begin,
            step,
            watched: vec![Duration::ZERO; count],
            host: std::array::from_fn(|_| vec![0.0; count]),
            tiers: curves(tiers),
            cgroups: curves(cgroups),
            places: [places(tiers), places(cgroups)],
        }
    }

    /// Takes in a minute, at the step in which it ended.
    pub(crate) fn add(&mut self, minute: &Minute) {
        let at = minute.end.saturating_sub(self.begin).saturating_sub(1) / self.step;
        let Some(at) = usize::try_from(at).ok().filter(|at| *at < self.watched.len()) else { return };
        self.watched[at] += minute.watched;
        let own = ByteTime::of(minute.host.own, minute.watched).gib_hours();
        let (mut offloaded, mut resident) = (0.0, 0.0);
        for tenant in &minute.tenants {
            let net = self.add_tenant(minute, tenant, at, (&mut offloaded, &mut resident));
            if let Some(place) = self.places[1].get(&tenant.path) {
                self.cgroups[*place].1[at] += net;
            }
        }
        let others = ByteTime::of(by_others(minute), minute.watched).gib_hours();
        let values = [offloaded - resident - own, offloaded, resident, own, others];
        for (sum, value) in self.host.iter_mut().zip(values) {
            sum[at] += value;
        }
    }

    /// Its net GiB·h.
    fn add_tenant(
        &mut self,
        minute: &Minute,
        tenant: &Tenant,
        at: usize,
        (offloaded, resident): (&mut f64, &mut f64),
    ) -> f64 {
        let time = present(minute, tenant);
        let gib_hours = |bytes: Bytes| ByteTime::of(bytes, time).gib_hours();
        let mut net = 0.0;
        for part in &tenant.parts {
            let (sent, taken) = (gib_hours(part.offloaded), gib_hours(part.resident));
            *offloaded += sent;
            *resident += taken;
            net += sent - taken;
            if let Some(place) = self.places[0].get(&part.tier) {
                self.tiers[*place].1[at] += sent - taken;
            }
        }
        net
    }

    pub(crate) fn series(self) -> Series {
        let Self { begin, step, watched, host, tiers, cgroups, .. } = self;
        let mean = |(sum, watched): (&f64, &Duration)| {
            let hours = watched.as_secs_f64() / 3600.0;
            (hours > 0.0).then(|| sum / hours)
        };
        let curve = |name: &str, sums: &[f64]| Curve {
            name: name.to_owned(),
            values: sums.iter().zip(&watched).map(mean).collect(),
        };
        let named =
            |curves: &[(Arc<str>, Vec<f64>)]| curves.iter().map(|(name, sums)| curve(name, sums)).collect();
        Series {
            begin,
            step,
            host: HOST.iter().zip(&host).map(|(name, sums)| curve(name, sums)).collect(),
            tiers: named(&tiers),
            cgroups: named(&cgroups),
        }
    }
}
