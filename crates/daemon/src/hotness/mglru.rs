//! Idle ages from MGLRU: read which generations there are, have each target walked, read again.

use std::{collections::HashMap, sync::Arc, time::Instant};

use lowtide_cgroup::Mount;
use lowtide_core::{CgroupId, idle::Source};
use lowtide_kernfs::thread_cpu;
use lowtide_mglru::{Error, LruGen, Memcg, Place, Reading, Walk, cohorts, identify};

use super::{Ager, Look, Target};

/// Walks that the kernel ignored because it had just begun a generation by itself are asked for once more.
const ATTEMPTS: usize = 2;

/// The multi-generational LRU.
#[derive(Debug)]
pub(super) struct Mglru {
    lru_gen: LruGen,
    mount: Mount,
    support: String,
}

impl Mglru {
    /// `support`: what the kernel has of it.
    pub(super) const fn new(lru_gen: LruGen, mount: Mount, support: String) -> Self {
        Self { lru_gen, mount, support }
    }

    /// The targets that are still the cgroups they were.
    fn still_there(&self, targets: &[Target]) -> Vec<Place> {
        let there =
            |target: &&Target| self.mount.open_as(&target.path, target.id).is_ok_and(|found| found.is_some());
        targets.iter().filter(there).map(place).collect()
    }

    /// Walks every memcg of `of`; a cgroup that vanishes is no error.
    fn walk(&self, of: &HashMap<CgroupId, &[Memcg]>) -> Result<HashMap<CgroupId, Vec<Walk>>, Error> {
        let mut walks = HashMap::with_capacity(of.len());
        for (id, memcgs) in of {
            let mut made = Vec::new();
            for target in memcgs.iter().flat_map(Memcg::walks) {
                match self.lru_gen.age(target) {
                    Ok(walk) => made.push(walk),
                    Err(Error::Gone { .. } | Error::Future { .. } | Error::Busy { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            walks.insert(*id, made);
        }
        Ok(walks)
    }

    /// One round: what was walked as asked goes into `look`, the rest is returned.
    fn round(&self, targets: Vec<Target>, look: &mut Look) -> Result<Vec<Target>, Error> {
        let before: Vec<Place> = targets.iter().map(place).collect();
        let first = self.lru_gen.read()?;
        let walks = self.walk(&identify(&first.memcgs, &before, &self.still_there(&targets)))?;
        let second = self.lru_gen.read()?;
        let found = identify(&second.memcgs, &before, &self.still_there(&targets));
        let mut again = Vec::new();
        for target in targets {
            let (Some(memcgs), Some(walks)) = (found.get(&target.id), walks.get(&target.id)) else {
                continue;
            };
            if walks.iter().all(|walk| is_confirmed(walk, memcgs, &second)) {
                look.readings.push((target.id, cohorts(*memcgs)));
            } else {
                again.push(target);
            }
        }
        Ok(again)
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
    fn look(&mut self, _all: &[Target], due: &[Target]) -> Result<Look, String> {
        let cpu = || thread_cpu().map_err(|error| error.to_string());
        let (mut look, begun) = (Look::default(), cpu()?);
        let mut waiting = due.to_vec();
        for _ in 0..ATTEMPTS {
            if waiting.is_empty() {
                break;
            }
            waiting = self.round(waiting, &mut look).map_err(|error| error.to_string())?;
        }
        (look.at, look.cpu) = (Instant::now(), cpu()?.saturating_sub(begun));
        Ok(look)
    }

    /// A generation is no setting.
    fn stop(&mut self) -> Result<(), String> {
        Ok(())
    }
}

fn place(target: &Target) -> Place {
    (Arc::clone(&target.path), target.id)
}

/// A cgroup below the target that vanished meanwhile took its pages with it.
fn is_confirmed(walk: &Walk, memcgs: &[Memcg], reading: &Reading) -> bool {
    let memcg = memcgs.iter().find(|memcg| memcg.id == walk.target.memcg);
    let node = memcg.and_then(|memcg| memcg.nodes.iter().find(|node| node.id == walk.target.node));
    match walk.confirm(node, reading.at) {
        Ok(()) | Err(Error::Gone { .. }) => true,
        Err(_) => false,
    }
}
