//! Idle ages from MGLRU: read which generations there are, have each target walked, read again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use lowtide_cgroup::Mount;
use lowtide_core::{
    CgroupId, Cohort,
    reading::{Resolution, Source},
};
use lowtide_kernfs::{Root, thread_cpu};
use lowtide_mglru::{Error, LruGen, Memcg, MemcgId, Place, Reading, Walk, cohorts_on, demoted_to, identify};

use crate::{Ager, Look, Seen, Stop, Target, schedule::is_over};

/// Walks that the kernel ignored because it had just begun a generation by itself are asked for once more.
const ATTEMPTS: usize = 2;

/// The multi-generational LRU.
#[derive(Debug)]
pub(super) struct Mglru {
    lru_gen: LruGen,
    mount: Mount,
    support: String,
    stop: Stop,
    root: Root,
    /// Slower nodes at the last look; none where nothing is demoted.
    slow: Vec<u32>,
    /// When they were walked last for each target.
    walked_slow: HashMap<CgroupId, Instant>,
}

/// What came of asking for the walks of one target.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Those that were asked for, of which the next reading shows whether they were made.
    Walks(Vec<Walk>),
    /// The kernel is walking there itself, or the reading was outdated.
    Again,
    /// There is nothing to walk, or the kernel refuses.
    Nothing,
}

/// Those that a round has left over.
#[derive(Debug, Default)]
struct Rest {
    /// Worth another try.
    again: Vec<Target>,
    /// Why the last one failed that the kernel refused.
    refused: Option<Error>,
}

impl Mglru {
    /// `support`: what the kernel has of it. A look ends between two walks when told to `stop`.
    pub(super) fn new(root: Root, mount: Mount, support: String, stop: Stop) -> Self {
        Self {
            lru_gen: LruGen::new(root.clone()),
            mount,
            support,
            stop,
            root,
            slow: Vec::new(),
            walked_slow: HashMap::new(),
        }
    }

    /// The targets that are still the cgroups they were.
    fn still_there(&self, targets: &[Target]) -> Vec<Place> {
        let there =
            |target: &&Target| self.mount.open_as(&target.path, target.id).is_ok_and(|found| found.is_some());
        targets.iter().filter(there).map(place).collect()
    }

    /// Walks every memcg of each target. What the kernel refuses for one says nothing about the others.
    fn walk(
        &self,
        of: &HashMap<CgroupId, &[Memcg]>,
        with_slow: &HashSet<CgroupId>,
        rest: &mut Rest,
    ) -> HashMap<CgroupId, Asked> {
        let mut asked = HashMap::with_capacity(of.len());
        for (id, memcgs) in of {
            if self.stop.is_set() {
                break;
            }
            let wanted = |node: u32| with_slow.contains(id) || !self.slow.contains(&node);
            let targets = memcgs.iter().flat_map(Memcg::walks).filter(|walk| wanted(walk.node));
            let targets = targets.take_while(|_| !self.stop.is_set());
            let walks = targets.map(|target| self.lru_gen.age(target));
            let outcome = ask(walks).unwrap_or_else(|error| {
                tracing::debug!(id = id.0, %error, "no idle ages of a cgroup this time");
                rest.refused = Some(error);
                Asked::Nothing
            });
            asked.insert(*id, outcome);
        }
        asked
    }

    /// One round: what was walked as asked goes into `look`, the rest is returned.
    fn round(&mut self, targets: Vec<Target>, look: &mut Look) -> Result<Rest, Error> {
        let mut rest = Rest::default();
        let with_slow: HashSet<_> =
            targets.iter().filter(|target| self.slow_is_due(target)).map(|target| target.id).collect();
        let before: Vec<Place> = targets.iter().map(place).collect();
        let first = self.lru_gen.read()?;
        let asked =
            self.walk(&identify(&first.memcgs, &before, &self.still_there(&targets)), &with_slow, &mut rest);
        if self.stop.is_set() {
            rest.again = targets;
            return Ok(rest);
        }
        let second = self.lru_gen.read()?;
        let found = identify(&second.memcgs, &before, &self.still_there(&targets));
        for target in targets {
            let Some(memcgs) = found.get(&target.id) else { continue };
            let by_id = by_id(memcgs);
            match asked.get(&target.id) {
                Some(Asked::Walks(walks)) if walks.iter().all(|walk| is_confirmed(walk, &by_id, &second)) => {
                    let slow = |node: u32| self.slow.contains(&node);
                    look.readings.push((target.id, walked(cohorts_on(*memcgs, |node| !slow(node)))));
                    if with_slow.contains(&target.id) {
                        look.slow.insert(target.id, demoted_to(*memcgs, slow));
                        self.walked_slow.insert(target.id, second.at);
                    }
                }
                Some(Asked::Walks(_) | Asked::Again) => rest.again.push(target),
                Some(Asked::Nothing) | None => {}
            }
        }
        Ok(rest)
    }

    /// Also where there are no slower nodes any more: then that is to be known.
    fn slow_is_due(&self, target: &Target) -> bool {
        let last = self.walked_slow.get(&target.id).map(Instant::elapsed);
        self.slow.is_empty() || last.is_none_or(|ago| is_over(Some(Duration::ZERO), target.slow_every, ago))
    }

    /// Rounds until nothing is left over. What one round has brought stays when the next one fails.
    fn rounds(&mut self, due: &[Target], look: &mut Look) -> Result<(), Error> {
        let mut rest = Rest { again: due.to_vec(), refused: None };
        for _ in 0..ATTEMPTS {
            if rest.again.is_empty() || self.stop.is_set() {
                break;
            }
            let waiting = std::mem::take(&mut rest.again);
            look.again = ids(&waiting);
            let round = self.round(waiting, look)?;
            rest = Rest { again: round.again, refused: round.refused.or(rest.refused) };
        }
        look.again = ids(&rest.again);
        rest.refused.map_or(Ok(()), Err)
    }
}

impl Ager for Mglru {
    fn source(&self) -> Option<Source> {
        Some(Source::Mglru)
    }

    fn why(&self) -> String {
        self.support.clone()
    }

    /// Only those that are due: a walk costs, and begins a generation.
    fn look(&mut self, all: &[Target], due: &[Target]) -> Result<Look, String> {
        let (mut look, begun) = (Look::default(), thread_cpu().unwrap_or_default());
        let slow = lowtide_tiers::demotion_nodes(&self.root, &mut look.left_out)
            .map_err(|error| error.to_string())?;
        self.slow = slow.into_iter().map(|node| node.node).collect();
        let all: HashSet<_> = all.iter().map(|target| target.id).collect();
        self.walked_slow.retain(|id, _| all.contains(id));
        if let Err(error) = self.rounds(due, &mut look) {
            if look.readings.is_empty() {
                return Err(error.to_string());
            }
            tracing::debug!(%error, "not all idle ages were read this time");
        }
        look.at = Instant::now();
        look.cpu = thread_cpu().unwrap_or_default().saturating_sub(begun);
        Ok(look)
    }

    /// A generation is no setting.
    fn stop(&mut self) -> Result<(), String> {
        Ok(())
    }
}

fn walked(cohorts: Vec<Cohort>) -> Seen {
    Seen { source: Source::Mglru, cohorts, resolution: Resolution::Walks, left: None, touched: None }
}

fn ids(targets: &[Target]) -> Vec<CgroupId> {
    targets.iter().map(|target| target.id).collect()
}

fn place(target: &Target) -> Place {
    (Arc::clone(&target.path), target.id)
}

/// Takes the walks of one target as far as the kernel makes them; a cgroup that vanishes is no error. A
/// target of which nothing was walked has no ages, and one of which a part was not has none this time.
fn ask(walks: impl Iterator<Item = Result<Walk, Error>>) -> Result<Asked, Error> {
    let mut made = Vec::new();
    for walk in walks {
        match walk {
            Ok(walk) => made.push(walk),
            Err(Error::Gone { .. }) => {}
            // On 7.3 whenever the kernel walks there itself.
            Err(Error::Busy { .. } | Error::Future { .. }) => return Ok(Asked::Again),
            Err(error) => return Err(error),
        }
    }
    Ok(if made.is_empty() { Asked::Nothing } else { Asked::Walks(made) })
}

/// What is left of removed cgroups may share a number: then the first one has it.
fn by_id(memcgs: &[Memcg]) -> HashMap<MemcgId, &Memcg> {
    memcgs.iter().rev().map(|memcg| (memcg.id, memcg)).collect()
}

/// A cgroup below the target that vanished meanwhile took its pages with it.
fn is_confirmed(walk: &Walk, memcgs: &HashMap<MemcgId, &Memcg>, reading: &Reading) -> bool {
    let memcg = memcgs.get(&walk.target.memcg);
    let node = memcg.and_then(|memcg| memcg.nodes.iter().find(|node| node.id == walk.target.node));
    match walk.confirm(node, reading.at) {
        Ok(()) | Err(Error::Gone { .. }) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_mglru::Target as Node;

    const MEMCG: MemcgId = MemcgId(7);

    fn walk(node: u32) -> Walk {
        let target = Node { memcg: MEMCG, node, seq: 3 };
        Walk { target, begun: Instant::now(), cpu: Duration::ZERO }
    }

    #[test]
    fn where_the_kernel_walks_itself_nothing_counts_as_walked() {
        let busy = || Err(Error::Busy { memcg: MEMCG, node: 1 });
        let future = || Err(Error::Future { memcg: MEMCG, node: 1, asked: 4, youngest: 3 });
        assert_eq!(ask([Ok(walk(0)), busy()].into_iter()), Ok(Asked::Again));
        assert_eq!(ask([future()].into_iter()), Ok(Asked::Again));
    }

    #[test]
    fn what_vanished_takes_nothing_from_the_rest() {
        let gone = || Err(Error::Gone { memcg: MEMCG, node: 1 });
        let walked = walk(0);
        assert_eq!(ask([gone(), Ok(walked), gone()].into_iter()), Ok(Asked::Walks(vec![walked])));
        assert_eq!(ask([gone()].into_iter()), Ok(Asked::Nothing));
        assert_eq!(ask(std::iter::empty()), Ok(Asked::Nothing));
    }

    #[test]
    fn a_look_that_is_told_to_stop_asks_for_no_walk() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("sys/fs/cgroup")).unwrap();
        let root = Root::open(tree.path()).unwrap();
        let stop = Stop::default();
        let mount = Mount::find_unchecked(&root).unwrap();
        let mut mglru = Mglru::new(root, mount, String::new(), stop.clone());
        let due = [Target {
            id: CgroupId(1),
            path: "/a".into(),
            every: Duration::ZERO,
            slow_every: Duration::ZERO,
            cold_after: Duration::ZERO,
        }];
        assert!(mglru.look(&due, &due).is_err(), "there is no MGLRU here");
        stop.set();
        assert_eq!(mglru.look(&due, &due).unwrap().again, [CgroupId(1)], "left over");
    }
}
