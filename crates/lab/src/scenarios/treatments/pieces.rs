//! Free memory in small pieces, and tasks that stall for a huge one.

use super::{number, wait_for};
use crate::guest::{Daemon, knobs};
use crate::scenarios::verdict::Verdict;
use crate::size::MIB;
use anyhow::{Context, Result};
use memmap2::{Advice, MmapMut, MmapOptions};
use nix::fcntl::{FallocateFlags, fallocate};
use nix::mount::{MsFlags, mount, umount};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

const DIRECTORY: &str = "/mnt/fragments";
const PAGE: u64 = 4096;
const HUGE: usize = 2 << 20;
/// What stays free as it is.
const LEFT: u64 = 32 * MIB;
/// One huge page is wanted so often: twice as often as the treatment needs.
const EVERY: Duration = Duration::from_millis(500);
/// The treatment looks at a minute.
const MINUTE: usize = 130;
/// Faults at most until it has to have set what it sets.
const MOST: usize = 400;
/// More than the ten stalls that compaction begins after.
const STALLS: u64 = 14;
/// Compaction has to make huge pieces of so much at least; there are some 100 MiB.
const GAIN: u64 = 32 * MIB;

/// Every second page of free memory is taken, by a file in memory.
pub(super) struct Fragments {
    _file: File,
}

impl Fragments {
    /// Pages of tmpfs with `noswap` are unevictable (since 6.4), and can be moved only where compaction may
    /// move these: not for now.
    pub(super) fn make() -> Result<Self> {
        let directory = Path::new(DIRECTORY);
        fs::create_dir_all(directory).with_context(|| format!("cannot create {DIRECTORY}"))?;
        let options = Some("size=100%,huge=never,noswap");
        mount(Some("tmpfs"), directory, Some("tmpfs"), MsFlags::empty(), options)
            .context("cannot mount tmpfs with noswap: this needs Linux 6.4")?;
        knobs::write("/proc/sys/vm/compact_unevictable_allowed", "0")?;
        let mut file = File::create(directory.join("file")).context("cannot create the fragments")?;
        let bytes = free()?.saturating_sub(LEFT) / MIB * MIB;
        let chunk = vec![1; usize::try_from(MIB)?];
        for _ in 0..bytes / MIB {
            file.write_all(&chunk).context("cannot fill memory")?;
        }
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        for offset in (0..bytes).step_by(usize::try_from(2 * PAGE)?) {
            fallocate(&file, flags, i64::try_from(offset)?, i64::try_from(PAGE)?)
                .context("cannot punch a hole")?;
        }
        println!("buddyinfo:\n{}", knobs::read("/proc/buddyinfo")?);
        Ok(Self { _file: file })
    }
}

impl Drop for Fragments {
    fn drop(&mut self) {
        let _ = fs::remove_file(Path::new(DIRECTORY).join("file"));
        // The file is still open: the mount goes with the machine.
        let _ = umount(DIRECTORY);
    }
}

/// Stalls in a minute before page faults left compaction to kcompactd, and afterwards.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Faults {
    before: f64,
    after: f64,
    held: bool,
    defrag: String,
}

/// Page faults want huge pages and find none, until the daemon has its way, and for a minute after that.
pub(super) fn fault(daemon: &Daemon) -> Result<Faults> {
    knobs::set_huge_pages("always")?;
    let mut maps = Vec::new();
    for _ in 0..MOST {
        maps.push(touch(None)?);
        sleep(EVERY);
        if daemon.status()?["treatments"]["thp_defrag"]["held"] == true {
            break;
        }
    }
    for _ in 0..MINUTE {
        maps.push(touch(None)?);
        sleep(EVERY);
    }
    let view = daemon.status()?["treatments"]["thp_defrag"].take();
    println!("thp_defrag: {view}");
    let rate = |name: &str| view["decision"][name].as_f64().with_context(|| format!("no {name} in {view}"));
    Ok(Faults {
        before: rate("per_minute_before")?,
        after: rate("per_minute")?,
        held: view["held"] == true,
        defrag: view["defrag"].as_str().unwrap_or_default().to_owned(),
    })
}

impl Faults {
    pub(super) fn judge(&self, verdict: &mut Verdict) {
        let Self { before, after, held, defrag } = self;
        verdict.expect(*held && defrag == "defer+madvise", format!("defrag is {defrag}, held: {held}"));
        verdict.expect(
            *before >= 60.0 && *after < before / 2.0,
            format!("{before:.0} stalls a minute before it was set, {after:.0} afterwards"),
        );
    }
}

/// What a compaction did.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Compacted {
    pub(super) huge_before: u64,
    pub(super) huge_after: u64,
    end: String,
    runs: u64,
}

/// Some faults that do compact, since they are asked for, then calm: until the daemon has compacted memory.
pub(super) fn compact(daemon: &Daemon) -> Result<Compacted> {
    // The first look is where stalls are counted from.
    wait_for(daemon, "compaction", |view| view["decision"].is_object().then_some(()))?;
    knobs::write("/proc/sys/vm/compact_unevictable_allowed", "1")?;
    let enough = knobs::vmstat("compact_stall")? + STALLS;
    let mut maps = Vec::new();
    // Some find a huge piece, and do not stall.
    while maps.len() < MOST && knobs::vmstat("compact_stall")? < enough {
        maps.push(touch(Some(Advice::HugePage))?);
    }
    drop(maps);
    println!("buddyinfo:\n{}", knobs::read("/proc/buddyinfo")?);
    let met = |view: &Value| (number(view, "/runs").ok()? > 0).then(|| view.clone());
    let view = wait_for(daemon, "compaction", met)?;
    println!("compaction: {view}\nbuddyinfo:\n{}", knobs::read("/proc/buddyinfo")?);
    Ok(Compacted {
        huge_before: number(&view, "/last_run/before/huge")?,
        huge_after: number(&view, "/last_run/after/huge")?,
        end: view["last_run"]["end"].as_str().unwrap_or_default().to_owned(),
        runs: number(&view, "/runs")?,
    })
}

impl Compacted {
    pub(super) fn judge(&self, verdict: &mut Verdict) {
        let Self { huge_before, huge_after, end, runs } = self;
        verdict.expect(*runs == 1 && end == "done", format!("{runs} compactions, the last one ended {end}"));
        verdict.expect(
            *huge_after >= huge_before + GAIN,
            format!("free memory in huge pieces: {huge_before} bytes before, {huge_after} after"),
        );
    }
}

/// Touches one page of a map that a huge page fits into.
fn touch(advice: Option<Advice>) -> Result<MmapMut> {
    let mut map = MmapOptions::new().len(2 * HUGE).map_anon().context("cannot map a huge page's room")?;
    if let Some(advice) = advice {
        map.advise(advice).context("cannot ask for huge pages")?;
    }
    let start = map.as_ptr().addr();
    map[start.next_multiple_of(HUGE) - start] = 1;
    Ok(map)
}

/// MemFree, in bytes.
fn free() -> Result<u64> {
    let text = knobs::read("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemFree:")).context("no MemFree")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("MemFree is no number")?;
    Ok(kib << 10)
}
