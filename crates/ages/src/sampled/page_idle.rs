//! Page frames by idle page tracking, where it is built (CONFIG_IDLE_PAGE_TRACKING; not in Debian's kernels).
//!
//! A bit is set for a frame, and the kernel clears it when the page turns out to have been touched
//! (Documentation/admin-guide/mm/idle_page_tracking.rst). Ages are known to the time between two looks.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use lowtide_kernfs::{Files, Root};
use nix::fcntl::OFlag;

use super::watch::{Idle, Sight, Watch};

const BITMAP: &str = "sys/kernel/mm/page_idle/bitmap";
const WORD: u64 = 64;
const WORD_BYTES: u64 = 8;

/// The bitmap, and for how long each watched frame was seen idle.
#[derive(Debug)]
pub(super) struct PageIdle {
    bitmap: File,
    idle: HashMap<u64, Duration>,
    looked: Instant,
}

impl PageIdle {
    /// `None` if the kernel has no such file.
    pub(super) fn open(root: &Root) -> Result<Option<Self>, lowtide_kernfs::Error> {
        match root.open(Path::new(BITMAP), OFlag::O_RDWR) {
            Err(error) if error.is_missing() => Ok(None),
            other => {
                Ok(Some(Self { bitmap: File::from(other?), idle: HashMap::new(), looked: Instant::now() }))
            }
        }
    }

    fn is_idle(&self, frame: u64) -> io::Result<bool> {
        let mut word = [0; 8];
        self.bitmap.read_exact_at(&mut word, frame / WORD * WORD_BYTES)?;
        Ok(u64::from_ne_bytes(word) & bit(frame) != 0)
    }

    /// Zeros in the word change nothing.
    fn mark(&self, frame: u64) -> io::Result<()> {
        self.bitmap.write_all_at(&bit(frame).to_ne_bytes(), frame / WORD * WORD_BYTES)
    }

    fn check(&mut self, elapsed: Duration) -> io::Result<()> {
        let frames: Vec<u64> = self.idle.keys().copied().collect();
        for frame in frames {
            let before = if self.is_idle(frame)? { self.idle[&frame] + elapsed } else { Duration::ZERO };
            self.idle.insert(frame, before);
            self.mark(frame)?;
        }
        Ok(())
    }
}

const fn bit(frame: u64) -> u64 {
    1 << (frame % WORD)
}

impl Watch for PageIdle {
    fn why(&self) -> &'static str {
        "pages drawn at random, each by idle page tracking"
    }

    fn runs(&self) -> bool {
        true
    }

    /// Nothing is checked between two looks.
    fn every(&self) -> Duration {
        Duration::MAX
    }

    fn set(&mut self, frames: &[u64]) -> Result<(), String> {
        let before = std::mem::take(&mut self.idle);
        for frame in frames {
            if !before.contains_key(frame) {
                self.mark(*frame).map_err(|error| format!("/{BITMAP}: {error}"))?;
            }
            self.idle.insert(*frame, before.get(frame).copied().unwrap_or_default());
        }
        Ok(())
    }

    fn look(&mut self) -> Result<Sight, String> {
        let at = Instant::now();
        let elapsed = at.saturating_duration_since(self.looked);
        self.check(elapsed).map_err(|error| format!("/{BITMAP}: {error}"))?;
        self.looked = at;
        let idle = |(frame, idle): (&u64, &Duration)| {
            (!idle.is_zero()).then_some((*frame, Idle { youngest: *idle, oldest: *idle + elapsed }))
        };
        let idle = self.idle.iter().filter_map(idle).collect();
        // The processor time is this thread's, and counted there.
        Ok(Sight { idle, within: elapsed, at, cpu: Duration::ZERO, rest: (Duration::ZERO, elapsed) })
    }

    /// A bit is no setting.
    fn stop(&mut self) -> Result<(), String> {
        self.idle.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_marked_grows_older_and_what_does_not_was_touched() {
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().join(BITMAP);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, [0; 32]).unwrap();
        let mut watch = PageIdle::open(&Root::open(tree.path()).unwrap()).unwrap().unwrap();
        watch.set(&[3, 70, 130]).unwrap();
        let words = |path: &Path| {
            let bytes = std::fs::read(path).unwrap();
            bytes.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(words(&path), [1 << 3, 1 << 6, 1 << 2, 0]);
        // The kernel clears the bit of a page that was touched.
        watch.bitmap.write_all_at(&[0; 8], 8).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        let sight = watch.look().unwrap();
        let mut idle: Vec<_> = sight.idle.keys().copied().collect();
        idle.sort_unstable();
        assert_eq!(idle, [3, 130]);
        assert_eq!(words(&path)[1], 1 << 6, "marked again");
        let first = sight.idle[&3].youngest;
        watch.set(&[3, 200]).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        let sight = watch.look().unwrap();
        assert!(sight.idle[&3].youngest > first && !sight.idle.contains_key(&130), "{sight:?}");
    }

    #[test]
    fn where_it_is_not_built_there_is_none() {
        let tree = tempfile::tempdir().unwrap();
        assert!(PageIdle::open(&Root::open(tree.path()).unwrap()).unwrap().is_none());
    }
}
