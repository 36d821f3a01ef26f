use std::time::Duration;

use lowtide_core::{ByType, Cohort};

use crate::{Generation, Memcg, Node};

/// How long the pages of `memcgs` have been idle. Ages are as of the last walk: right after [`LruGen::age`],
/// as of now; later on, pages may have been touched that are not found yet.
///
/// A walk moves what was touched since the walk before to the generation that is the youngest then, and after
/// that begins the next one (`walk_pte_range` and `inc_max_seq`, mm/vmscan.c). So a page was last touched
///
/// - in a generation between others: after its birth, and before the birth of the next one;
/// - in the two youngest: any time since the birth of the older. Faults go to the youngest up to 6.12, and to
///   the second youngest on 6.18 and 7.3 (`lru_gen_folio_seq`, include/linux/mm_inline.h);
/// - in the oldest: before the birth of the next one. How long before is not known, because a walk that finds
///   four generations merges the two oldest (`inc_min_seq`).
///
/// [`LruGen::age`]: crate::LruGen::age
#[must_use]
pub fn cohorts<'a>(memcgs: impl IntoIterator<Item = &'a Memcg>) -> Vec<Cohort> {
    cohorts_on(memcgs, |_| true)
}

/// The same of some nodes only.
#[must_use]
pub fn cohorts_on<'a>(memcgs: impl IntoIterator<Item = &'a Memcg>, on: impl Fn(u32) -> bool) -> Vec<Cohort> {
    of_nodes(memcgs, on, 1)
}

/// For how long pages have been idle since they were demoted to those nodes.
///
/// They arrive in the second youngest generation (tried on 6.12 and 7.3), so what is in a generation may have
/// come as late as the birth of the one after the next.
#[must_use]
pub fn demoted_to<'a>(memcgs: impl IntoIterator<Item = &'a Memcg>, on: impl Fn(u32) -> bool) -> Vec<Cohort> {
    of_nodes(memcgs, on, 2)
}

fn of_nodes<'a>(
    memcgs: impl IntoIterator<Item = &'a Memcg>,
    on: impl Fn(u32) -> bool,
    filled: usize,
) -> Vec<Cohort> {
    let nodes = memcgs.into_iter().flat_map(|memcg| &memcg.nodes).filter(|node| on(node.id));
    nodes.flat_map(|node| of_node(node, filled)).filter(|cohort| !cohort.size.total().is_zero()).collect()
}

/// A generation is filled until the birth of the `filled`th one after it.
fn of_node(node: &Node, filled: usize) -> impl Iterator<Item = Cohort> + '_ {
    let count = node.generations.len();
    let ages = ages(&node.generations);
    node.generations.iter().enumerate().map(move |(index, generation)| Cohort {
        youngest: if index + filled + 1 >= count { Duration::ZERO } else { ages[index + filled] },
        oldest: (index > 0).then(|| ages[index]),
        size: generation.size,
    })
}

impl Node {
    /// The youngest generation that may be evicted and whose pages had all been idle for `at_least` at the
    /// last walk, with the bytes of it and of those older than it.
    ///
    /// The two youngest may not (`run_eviction`, mm/vmscan.c).
    #[must_use]
    pub fn idle_for(&self, at_least: Duration) -> Option<(u64, ByType)> {
        self.filled_before(at_least, 1)
    }

    /// The same of a node that pages are demoted to, since they came: see [`demoted_to`].
    #[must_use]
    pub fn demoted_for(&self, at_least: Duration) -> Option<(u64, ByType)> {
        self.filled_before(at_least, 2)
    }

    fn filled_before(&self, at_least: Duration, filled: usize) -> Option<(u64, ByType)> {
        let ages = ages(&self.generations);
        let walked = *ages.last()?;
        // Looks do not come on time to the millisecond.
        let idle = |index: usize| {
            let age = ages[index + filled].saturating_sub(walked);
            age.saturating_add(age / 64) >= at_least
        };
        let last =
            (0..self.generations.len().saturating_sub(filled.max(2))).rev().find(|index| idle(*index))?;
        Some((self.generations[last].seq, self.generations[..=last].iter().map(|old| old.size).sum()))
    }
}

/// Each at least as old as the next one: the kernel's milliseconds begin again at zero after 49.7 days.
fn ages(generations: &[Generation]) -> Vec<Duration> {
    let mut ages: Vec<_> = generations.iter().map(|generation| generation.age).collect();
    for index in (1..ages.len()).rev() {
        ages[index - 1] = ages[index - 1].max(ages[index]);
    }
    ages
}

#[cfg(test)]
#[path = "cohorts_tests.rs"]
mod tests;
