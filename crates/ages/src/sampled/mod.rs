//! Idle ages of pages drawn at random: exact for each page, at the same cost whatever the size of the cgroup
//! and of the host.
//!
//! The error is that of drawing, ±1.96·√(p(1−p)/n): 2.7 points at 1 300 pages. Pages are drawn from what
//! processes map; what none maps (page cache that is read, not mapped) is not seen, and counts as touched
//! just now.

mod budget;
mod cgroup;
mod draw;
mod members;
mod page_idle;
mod pagemap;
mod random;
mod regions;
pub mod rights;
mod sample;
pub mod smaps;
mod watch;

use std::{collections::HashMap, path::PathBuf};

use lowtide_cgroup::Mount;
use lowtide_core::{CgroupId, Ratio, left_out::Kind, reading::Source};
use lowtide_kernfs::{Root, thread_cpu};

use self::{
    budget::Budget,
    cgroup::{Drawing, Watched},
    draw::Frames,
    page_idle::PageIdle,
    pagemap::Counts,
    random::Random,
    regions::Regions,
    watch::{Sight, Watch},
};
use super::{Ager, Look, Seen, Target};

/// Sampled pages.
#[derive(Debug)]
pub(super) struct Sampled {
    root: Root,
    mount: Mount,
    watch: Box<dyn Watch>,
    budget: Budget,
    counts: Counts,
    random: Random,
    cgroups: HashMap<CgroupId, Watched>,
    why: String,
    /// The watch has frames, and they are the ones that it should have.
    is_watching: bool,
    is_stale: bool,
}

impl Sampled {
    /// Writes nothing yet. An error says why pages cannot be sampled here.
    pub(super) fn new(root: Root, mount: Mount, state_dir: PathBuf, cpu: Ratio) -> Result<Self, String> {
        if let Some(refusal) = rights::refusal(&root).map_err(|error| error.to_string())? {
            return Err(refusal.to_string());
        }
        let (watch, taken) = watch(&root, state_dir)?;
        let why = taken.unwrap_or_else(|| watch.why().to_owned());
        // The other half is for looks.
        let budget = Budget::new(Ratio::new(cpu.get() / 2.0));
        let counts = Counts::open(&root);
        let random = Random::new(u64::from(std::process::id()));
        let cgroups = HashMap::new();
        Ok(Self {
            root,
            mount,
            watch,
            budget,
            counts,
            random,
            cgroups,
            why,
            is_watching: false,
            is_stale: false,
        })
    }

    fn try_look(&mut self, targets: &[Target]) -> Result<Look, String> {
        let begun = thread_cpu().unwrap_or_default();
        self.cgroups.retain(|id, _| targets.iter().any(|target| target.id == *id));
        let mut look = if self.is_watching { self.read(targets)? } else { Look::default() };
        let changed = self.draw(targets, &mut look)?;
        if changed || self.is_stale || !self.is_watching {
            self.set()?;
        }
        look.cpu += thread_cpu().unwrap_or_default().saturating_sub(begun);
        Ok(look)
    }

    /// What became of the pages.
    fn read(&mut self, targets: &[Target]) -> Result<Look, String> {
        let sight = self.watch.look()?;
        let (used, elapsed) = sight.rest;
        self.settle(&sight);
        let mut look = Look { at: sight.at, cpu: sight.cpu, between: used, ..Look::default() };
        look.share_between = Ratio::new(used.as_secs_f64() / elapsed.as_secs_f64().max(f64::MIN_POSITIVE));
        for target in targets {
            let Some(watched) = self.cgroups.get_mut(&target.id) else { continue };
            let Some((cohorts, told)) = watched.look(target, &sight, (&self.root, &self.mount)) else {
                continue;
            };
            let seen = Seen {
                source: Source::Sampled,
                cohorts,
                resolution: told.resolution,
                left: Some(told.left),
                touched: Some(told.touched),
            };
            look.readings.push((target.id, seen));
        }
        Ok(look)
    }

    /// Learns what a check costs, and watches fewer pages if it is too much.
    fn settle(&mut self, sight: &Sight) {
        let pages: usize = self.cgroups.values().map(Watched::pages).sum();
        let (used, elapsed) = sight.rest;
        #[expect(clippy::cast_precision_loss, reason = "a count of pages")]
        let checks = pages as f64 * elapsed.as_secs_f64() / self.watch.every().as_secs_f64();
        self.budget.settle(used, checks);
        let over = pages / self.budget.affordable(self.watch.every()).max(1);
        if over > 1 {
            self.cgroups.values_mut().for_each(|watched| watched.thin(over));
            self.is_stale = true;
            tracing::info!(pages, over, "sampled pages took too much of a processor: fewer from now on");
        }
    }

    /// Draws for those that have no pages, or too few are left. Returns whether there are others to be
    /// watched now.
    fn draw(&mut self, targets: &[Target], look: &mut Look) -> Result<bool, String> {
        let (each, room) = self.budget.share_out(targets.len(), self.watch.every());
        let mut frames = Frames::default();
        for frame in self.cgroups.values().flat_map(Watched::frames) {
            frames.take(frame);
        }
        let Self { root, mount, counts, random, cgroups, .. } = self;
        let mut with =
            Drawing { root, mount, counts, frames: &mut frames, random, left_out: &mut look.left_out };
        let mut changed = false;
        for target in targets.iter().take(room) {
            // What stands in the way of one says nothing about the next.
            if let Some(watched) = cgroups.get_mut(&target.id) {
                let renewed = watched.renew(target, each, &mut with);
                changed |= with.left_out.unless_of(&target.path, Kind::Cgroup, renewed).unwrap_or(false);
            } else {
                let drawn = Watched::draw(target, each, &mut with);
                if let Some(watched) = with.left_out.unless_of(&target.path, Kind::Cgroup, drawn).flatten() {
                    cgroups.insert(target.id, watched);
                    changed = true;
                }
            }
        }
        // Of nobody at all: it is the host, or what lowtide may do, that stands in the way.
        if let Some(first) = look.left_out.named().first().filter(|_| self.cgroups.is_empty()) {
            return Err(first.why.clone());
        }
        let left_out = targets.len().saturating_sub(room);
        look.note = (left_out > 0).then(|| note(left_out, targets.len()));
        Ok(changed)
    }

    fn set(&mut self) -> Result<(), String> {
        let mut frames: Vec<u64> = self.cgroups.values().flat_map(Watched::frames).collect();
        frames.sort_unstable();
        if frames.is_empty() {
            return Ok(());
        }
        self.watch.set(&frames)?;
        (self.is_watching, self.is_stale) = (true, false);
        Ok(())
    }

    /// What was watched is not any more.
    fn forget(&mut self) {
        self.cgroups.clear();
        self.is_watching = false;
    }
}

/// Idle page tracking where it is built, else DAMON, with who has it now.
fn watch(root: &Root, state_dir: PathBuf) -> Result<(Box<dyn Watch>, Option<String>), String> {
    if let Ok(Some(bitmap)) = PageIdle::open(root) {
        return Ok((Box::new(bitmap), None));
    }
    let regions = Regions::new(root.clone(), state_dir).map_err(|error| error.to_string())?;
    let taken = regions.taken().map_err(|error| error.to_string())?;
    Ok((Box::new(regions), taken))
}

fn note(left_out: usize, of: usize) -> String {
    format!("{left_out} of {of} cgroups have no idle ages: `hotness.cpu` has no room for pages of theirs")
}

impl Ager for Sampled {
    fn source(&self) -> Option<Source> {
        Some(Source::Sampled)
    }

    fn why(&self) -> String {
        self.why.clone()
    }

    /// All targets, whether or not they are due: what is not watched all the time has no ages.
    fn look(&mut self, all: &[Target], _due: &[Target]) -> Result<Look, String> {
        let looked = self.try_look(all);
        match &looked {
            Ok(_) => self.watch.why().clone_into(&mut self.why),
            Err(why) => {
                if !self.watch.runs() {
                    self.forget();
                }
                self.why.clone_from(why);
            }
        }
        looked
    }

    fn stop(&mut self) -> Result<(), String> {
        self.forget();
        self.watch.stop()
    }
}

#[cfg(test)]
#[path = "ager_tests.rs"]
mod tests;
