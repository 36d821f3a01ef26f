//! The cgroups beyond the bound on series: all of them are one, so that what they do is still on the page.
//!
//! Gauges of theirs are added up. Counters are not: a cgroup that gets series of its own would take its whole
//! past out of the sum, `rate()` would take the fall for a reset, and what remains for an increase. So the
//! rest has totals of their own. They grow by what the counter of a cgroup grew by from one page to the next
//! while it was in the rest, and by nothing else, so they never fall.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use lowtide_core::{CgroupId, quota::chosen};

use crate::view::{CgroupView, View};

/// What the rest is called where others have a path. Each path begins with `/`.
pub(super) const OTHER: &str = "other";

/// Cgroups with series of their own, shared among the subtrees at each level.
const SERIES: usize = 4096;
/// A cgroup has about so many lines, each with its path and so much besides. The page is to have at most so
/// many bytes: it is in locked memory, and a scraper with a limit of its own is not to drop it whole.
const LINES: usize = 64;
const BESIDES: usize = 100;
const PAGE: usize = 40 << 20;
/// No honest path is longer; a tenant that nests names has one of a hundred KiB.
const LONGEST: usize = 1024;
/// Few honest paths are longer. Where not all have room, those have none, so that who makes long ones takes
/// nothing from the others.
const LONG: usize = 256;

/// A target on the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exported<'v> {
    pub(super) cgroup: &'v CgroupView,
    /// It has series of its own; otherwise it is one of the rest.
    pub(super) own: bool,
}

/// The values of a cgroup's labels but for its path; empty for none.
pub(super) type Values = [&'static str; 2];

/// What one page leaves to the next: what the counters of the rest have come to.
#[derive(Debug)]
pub struct Rest {
    /// So many cgroups have series of their own at most.
    series: usize,
    totals: Vec<Total>,
    places: HashMap<(&'static str, Values), usize>,
    /// The counters of each cgroup that was in the rest, as they were on the last page, each with the place
    /// of its total.
    last: HashMap<CgroupId, Vec<(usize, f64)>>,
}

#[derive(Debug)]
struct Total {
    metric: &'static str,
    values: Values,
    sum: f64,
}

impl Default for Rest {
    fn default() -> Self {
        Self { series: SERIES, totals: Vec::new(), places: HashMap::new(), last: HashMap::new() }
    }
}

impl Rest {
    /// All targets, in the order of the view. Those with the largest footprints have series of their own, as
    /// many as each subtree may have.
    pub(super) fn rows<'v>(&self, view: &'v View) -> Vec<Exported<'v>> {
        let all = || view.cgroups.iter();
        let up_to = |length: usize| all().filter(move |cgroup| cgroup.path.len() <= length);
        let bytes: usize = up_to(LONGEST).map(|cgroup| (cgroup.path.len() + BESIDES) * LINES).sum();
        if up_to(LONGEST).count() <= self.series && bytes <= PAGE {
            return all().map(|cgroup| Exported { cgroup, own: cgroup.path.len() <= LONGEST }).collect();
        }
        let mut ranked: Vec<_> = up_to(LONG).collect();
        let longest = ranked.iter().map(|cgroup| cgroup.path.len()).max().unwrap_or(0);
        let most = self.series.min(PAGE / LINES / (longest + BESIDES));
        // Who is in the rest comes out of it with twice the footprint of whoever is displaced: series that
        // come and go are dear to Prometheus, and their rates have gaps.
        let rank = |cgroup: &&CgroupView| {
            let halved = self.last.contains_key(&cgroup.id);
            let size = cgroup.memory.footprint().get();
            Reverse(if halved { size / 2 } else { size })
        };
        ranked.sort_by_cached_key(rank);
        let own = chosen(most, ranked.iter().map(|cgroup| &*cgroup.path));
        all().map(|cgroup| Exported { cgroup, own: own.contains(&*cgroup.path) }).collect()
    }

    /// Takes in a counter of a cgroup. What is seen for the first time, and was counted before, is nothing that
    /// happened since the last page.
    pub(super) fn counted(&mut self, row: Exported<'_>, metric: &'static str, values: Values, now: f64) {
        let id = row.cgroup.id;
        // Who has just got series of its own still grew as one of the rest: nobody takes the first sample of
        // a series for an increase.
        if row.own && !self.last.contains_key(&id) {
            return;
        }
        let place = self.place(metric, values);
        let known = self.last.entry(id).or_default();
        match known.iter_mut().find(|(of, _)| *of == place) {
            Some((_, last)) => {
                self.totals[place].sum += (now - *last).max(0.0);
                *last = now;
            }
            None => known.push((place, now)),
        }
    }

    fn place(&mut self, metric: &'static str, values: Values) -> usize {
        *self.places.entry((metric, values)).or_insert_with(|| {
            self.totals.push(Total { metric, values, sum: 0.0 });
            self.totals.len() - 1
        })
    }

    /// What a counter of the rest has come to.
    pub(super) fn of(&self, metric: &'static str) -> impl Iterator<Item = (Values, f64)> {
        let of = self.totals.iter().filter(move |total| total.metric == metric);
        of.map(|total| (total.values, total.sum))
    }

    /// The page is drawn: of those that are not in the rest nothing needs to be known.
    pub(super) fn keep(&mut self, rows: &[Exported<'_>]) {
        if self.last.is_empty() {
            return;
        }
        let rest: HashSet<_> = rows.iter().filter(|row| !row.own).map(|row| row.cgroup.id).collect();
        self.last.retain(|id, _| rest.contains(id));
    }
}

#[cfg(test)]
#[path = "rest_tests.rs"]
mod tests;
