//! Adds up, turn by turn, and keeps the sums on the disk.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use lowtide_core::{
    Bytes, CgroupId, Effect,
    savings::{Meter, Origins},
};
use lowtide_kernfs::{Files, Root};
use lowtide_policy::Price;
use lowtide_view::View;
use tokio::task::JoinHandle;

use super::{
    Sums,
    file::{self, Kept, Left, LoadError},
};

/// A crash of the host loses no more than this.
const SAVE_EVERY: Duration = Duration::from_mins(5);

/// The sums so far.
#[derive(Debug)]
pub(crate) struct Books {
    /// `None` where what is there must not be replaced.
    state_dir: Option<PathBuf>,
    kept: Kept,
    /// When the last turn was.
    last: Option<Duration>,
    /// What each cgroup had faulted back by then.
    promoted: HashMap<CgroupId, Bytes>,
    ages_cpu: Duration,
    saved: Duration,
    saving: Option<JoinHandle<()>>,
}

impl Books {
    /// Goes on with what an earlier daemon has kept.
    pub(crate) fn open(root: &Root, state_dir: PathBuf) -> Self {
        let (kept, state_dir) = match file::load(&state_dir) {
            Ok(kept) => (kept, Some(state_dir)),
            Err(why) => {
                tracing::warn!("the savings so far cannot be had: {why}");
                (None, matches!(why, LoadError::Damaged(_)).then_some(state_dir))
            }
        };
        let begun = || Kept { since: SystemTime::now(), meter: Meter::default(), left: Left::default() };
        let mut kept = kept.unwrap_or_else(begun);
        kept.left.go_on_in(boot(root));
        Self {
            state_dir,
            kept,
            last: None,
            promoted: HashMap::new(),
            ages_cpu: Duration::ZERO,
            saved: Duration::ZERO,
            saving: None,
        }
    }

    /// Who put there what lies outside DRAM, as far as the daemon before this one knew. When that was killed
    /// it may be as old as [`SAVE_EVERY`]: what was sent since is counted as somebody else's.
    pub(crate) fn origins(&self) -> HashMap<CgroupId, Origins> {
        self.kept.left.cgroups.iter().copied().collect()
    }

    /// A request has ended.
    pub(crate) fn took_effect(&mut self, effect: &Effect) {
        self.kept.meter.reclaim_cpu += effect.cpu;
    }

    /// A turn was made: keeps the sums from time to time.
    pub(crate) fn turn(&mut self, view: &View) {
        self.count(view);
        let idle = self.saving.as_ref().is_none_or(JoinHandle::is_finished);
        if let Some(state_dir) = self.state_dir.clone()
            && idle
            && view.uptime >= self.saved + SAVE_EVERY
        {
            self.saved = view.uptime;
            let kept = self.kept.clone();
            // A disk that hangs must not keep the loop.
            self.saving = Some(tokio::task::spawn_blocking(move || save(&state_dir, kept)));
        }
    }

    /// What is there at `view.uptime` has been there since the last turn.
    pub(super) fn count(&mut self, view: &View) {
        self.kept.meter.watching_cpu += view.tick_cpu + view.sampling.cpu.saturating_sub(self.ages_cpu);
        self.ages_cpu = view.sampling.cpu;
        if let Some(last) = self.last.replace(view.uptime) {
            let time = view.uptime.saturating_sub(last);
            self.kept.meter.turn(time, view.own, view.swapped_by_others);
            for cgroup in &view.cgroups {
                self.kept.meter.hold(time, &cgroup.decision.policy, &cgroup.sent);
            }
        }
        self.kept.left.cgroups = view.cgroups.iter().map(|cgroup| (cgroup.id, cgroup.origins)).collect();
        self.count_promoted(view);
    }

    fn count_promoted(&mut self, view: &View) {
        let mut now = HashMap::with_capacity(view.cgroups.len());
        for cgroup in view.cgroups.iter().filter(|cgroup| cgroup.acting) {
            let promoted = cgroup.memory.promoted();
            let promoted = promoted.anon + promoted.file;
            if let Some(before) = self.promoted.get(&cgroup.id) {
                self.kept.meter.promoted += promoted - *before;
            }
            now.insert(cgroup.id, promoted);
        }
        self.promoted = now;
    }

    /// For the report.
    pub(crate) fn sums(&self, price: Option<&Price>) -> Sums {
        Sums { since: Some(self.kept.since), meter: self.kept.meter.clone(), price: price.cloned() }
    }

    /// At the daemon's end. A disk that hangs is left with what it had.
    pub(crate) async fn close(&mut self, until: tokio::time::Instant) {
        let (before, state_dir, kept) = (self.saving.take(), self.state_dir.clone(), self.kept.clone());
        let closing = async {
            if let Some(before) = before {
                // It warns by itself.
                let _ = before.await;
            }
            if let Some(state_dir) = state_dir {
                let _ = tokio::task::spawn_blocking(move || save(&state_dir, kept)).await;
            }
        };
        if tokio::time::timeout_at(until, closing).await.is_err() {
            tracing::warn!("the savings so far cannot be kept: the disk of the state directory hangs");
        }
    }
}

impl Left {
    /// After a boot swap is empty, and inodes mean other cgroups.
    fn go_on_in(&mut self, boot: String) {
        if self.boot != boot || boot.is_empty() {
            *self = Self { boot, cgroups: Vec::new() };
        }
    }
}

/// Which boot this is; nothing where the kernel does not tell, as in a captured tree.
fn boot(root: &Root) -> String {
    let told = root.read_optional("proc/sys/kernel/random/boot_id").ok().flatten();
    told.map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn save(state_dir: &Path, kept: Kept) {
    if let Err(error) = file::save(state_dir, kept) {
        tracing::warn!(%error, "cannot keep the savings so far in {}", state_dir.display());
    }
}
