//! The samples of one cgroup: one that tells, and the next one, which has to be watched for a while before it
//! can.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use lowtide_cgroup::Mount;
use lowtide_core::{ByType, Bytes, Cohort, LeftOut, Ratio, left_out::Kind};
use lowtide_damon::Thread;
use lowtide_kernfs::{Errno, Root};

use super::{
    draw::{Drawn, Frames, Lookup, draw, share_out},
    members::{Member, members},
    pagemap::{Counts, Entry, PageTable, page},
    random::Random,
    sample::{Estimate, Sample},
    smaps::resident,
    watch::Sight,
};
use crate::{Target, damon::memcgs::charged};

/// When less than this share is left of a sample, or it stands for less than this share of the cgroup's
/// memory, the next one is drawn.
const WORN: Ratio = Ratio::percent(75.0);
/// But not sooner after the last one.
const REST: Duration = Duration::from_mins(1);
/// No more than this share of the pages of a cgroup is watched: neighbours cannot be.
const DENSEST: u64 = 4;

/// What is watched of one cgroup.
#[derive(Debug)]
pub(super) struct Watched {
    tells: Sample,
    next: Option<Sample>,
    drawn: Instant,
    /// Faulted back from swap since the cgroup's creation, at the last look.
    came_back: Bytes,
}

/// What is needed for a draw.
#[derive(Debug)]
pub(super) struct Drawing<'a> {
    pub(super) root: &'a Root,
    pub(super) mount: &'a Mount,
    pub(super) counts: &'a Counts,
    pub(super) frames: &'a mut Frames,
    pub(super) random: &'a mut Random,
    pub(super) left_out: &'a mut LeftOut,
}

impl Watched {
    /// Draws up to `wanted` pages; `None` if there are none.
    pub(super) fn draw(
        target: &Target,
        wanted: usize,
        with: &mut Drawing<'_>,
    ) -> Result<Option<Self>, String> {
        let came_back = came_back(with.mount, target).unwrap_or_default();
        let sample = sample(target, wanted, with)?;
        Ok(sample.map(|tells| Self { tells, next: None, drawn: Instant::now(), came_back }))
    }

    /// Draws the next sample if this one is worn. Returns whether it did.
    pub(super) fn renew(
        &mut self,
        target: &Target,
        wanted: usize,
        with: &mut Drawing<'_>,
    ) -> Result<bool, String> {
        if self.next.is_some() || self.drawn.elapsed() < REST || !self.is_worn(target, with.mount) {
            return Ok(false);
        }
        self.drawn = Instant::now();
        self.next = sample(target, wanted, with)?;
        Ok(self.next.is_some())
    }

    fn is_worn(&self, target: &Target, mount: &Mount) -> bool {
        let mapped = self.tells.stands_for().anon;
        let grown = charged(mount, target).is_some_and(|all| mapped.share_of(all.anon) < WORN);
        self.tells.left() < WORN || grown
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = u64> + '_ {
        self.samples().flat_map(Sample::frames)
    }

    pub(super) fn pages(&self) -> usize {
        self.samples().map(Sample::len).sum()
    }

    pub(super) fn thin(&mut self, keep: usize) {
        self.tells.thin(keep);
        if let Some(next) = &mut self.next {
            next.thin(keep);
        }
    }

    fn samples(&self) -> impl Iterator<Item = &Sample> {
        std::iter::once(&self.tells).chain(&self.next)
    }

    /// What was seen of it, as of all that is charged to it; `None` if it is gone.
    pub(super) fn look(
        &mut self,
        target: &Target,
        sight: &Sight,
        (root, mount): (&Root, &Mount),
    ) -> Option<(Vec<Cohort>, Estimate)> {
        let before = std::mem::replace(&mut self.came_back, came_back(mount, target)?);
        let came_back = self.came_back - before;
        let mut tables = Tables { root, open: HashMap::new() };
        let mut entry = |process, address| tables.entry(process, address);
        let mut told = self.tells.look(sight, target.cold_after, came_back, &mut entry);
        if let Some(next) = &mut self.next {
            let next_told = next.look(sight, target.cold_after, came_back, &mut entry);
            // By now it knows whether memory is cold.
            if next.watched(sight.at) >= target.cold_after * 2 {
                told = Estimate { left: told.left, ..next_told };
                self.tells = self.next.take()?;
            }
        }
        // Nothing of it is where it was.
        if self.tells.len() == 0 {
            return None;
        }
        told.cohorts.complete(charged(mount, target)?, sight.within);
        let cohorts = std::mem::take(&mut told.cohorts).finish();
        Some((cohorts, told))
    }
}

/// Anonymous memory that was faulted back since the cgroup's creation; `None` if it is gone.
fn came_back(mount: &Mount, target: &Target) -> Option<Bytes> {
    Some(mount.open_as(&target.path, target.id).ok().flatten()?.usage().ok()?.promoted().anon)
}

/// Page tables of processes, each opened once.
#[derive(Debug)]
struct Tables<'a> {
    root: &'a Root,
    open: HashMap<Thread, Option<PageTable>>,
}

impl Tables<'_> {
    fn entry(&mut self, process: Thread, address: u64) -> Entry {
        let root = self.root;
        let open = || PageTable::open(root, process.pid).ok().flatten();
        let lives = || process.lives(root).unwrap_or(false);
        let table = self.open.entry(process).or_insert_with(|| open().filter(|_| lives()));
        table.as_ref().map_or(Entry::Absent, |table| table.entry(address))
    }
}

/// One process's pages.
#[derive(Debug)]
struct Pages<'a> {
    table: PageTable,
    counts: &'a Counts,
}

impl Lookup for Pages<'_> {
    fn entry(&self, address: u64) -> Entry {
        self.table.entry(address)
    }

    fn mapped(&self, frame: u64) -> u64 {
        self.counts.of(frame)
    }
}

fn sample(target: &Target, wanted: usize, with: &mut Drawing<'_>) -> Result<Option<Sample>, String> {
    let (Some(members), Some(charged)) =
        (members(with.root, with.mount, target, with.left_out)?, charged(with.mount, target))
    else {
        return Ok(None);
    };
    let all: ByType = members.iter().map(|member| member.resident).sum();
    // Pages that processes share are charged once, and those of others' files not at all.
    let mapped = ByType { anon: all.anon.min(charged.anon), file: all.file.min(charged.file) };
    let pages = of_members(target, &members, most(wanted, mapped.total()), with);
    Ok((!pages.is_empty()).then(|| Sample::new(pages, mapped, Instant::now())))
}

fn most(wanted: usize, memory: Bytes) -> u64 {
    let pages = memory.get() / page();
    (pages / DENSEST).min(u64::try_from(wanted).unwrap_or(u64::MAX))
}

/// A process whose pages cannot be drawn says nothing about the others.
fn of_members(
    target: &Target,
    members: &[Member],
    wanted: u64,
    with: &mut Drawing<'_>,
) -> Vec<(Thread, Drawn)> {
    let weights: Vec<Bytes> = members.iter().map(|member| member.resident.total()).collect();
    let mut drawn = Vec::new();
    for (member, count) in members.iter().zip(share_out(wanted, &weights, with.random)) {
        if count > 0 {
            let pages = of_process(member.process.pid, count, with).map_err(|error| in_words(&error));
            let pages = with.left_out.unless_of(&target.path, Kind::Process, pages).unwrap_or_default();
            drawn.extend(pages.into_iter().map(|page| (member.process, page)));
        }
    }
    drawn
}

/// One that ended meanwhile has none.
fn of_process(pid: u32, count: u64, with: &mut Drawing<'_>) -> Result<Vec<Drawn>, lowtide_kernfs::Error> {
    let (Some(mappings), Some(table)) = (resident(with.root, pid)?, PageTable::open(with.root, pid)?) else {
        return Ok(Vec::new());
    };
    let pages = Pages { table, counts: with.counts };
    Ok(draw(count, &mappings, &pages, with.frames, with.random))
}

fn in_words(error: &lowtide_kernfs::Error) -> String {
    match error.errno() {
        Some(Errno::EACCES | Errno::EPERM) => format!("{error}; it takes CAP_SYS_PTRACE and CAP_SYS_ADMIN"),
        _ => error.to_string(),
    }
}
