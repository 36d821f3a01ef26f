use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use lowtide_core::{Action, Bytes};
use lowtide_journal::Journal;
use lowtide_kernfs::{Errno, HowRead, Kernel, Root};
use lowtide_policy::Config;
use lowtide_testing::logged;
use lowtide_view::{View, metrics, present};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{
    super::{FakeKernel, Tree},
    change::{Change, What},
};
use crate::turn::Loop;

const CONFIG: &str = "\
interval: 5s
hotness: { source: SOURCE }
budgets: { swap_out: 1GiB/s }
policies:
  - name: even
    match: [/even/*, /pure/*]
    mode: full
    cold_after: 30s
    limits: { floor: 4MiB, per_minute: 20% }
  - name: odd
    match: [/odd/**]
    mode: full
    cold_after: 30s
    limits: { floor: 0B, per_minute: 20% }
    tiers:
      - { use: zram, after: 30s, at_most: 50% }
";

/// What is decided on a cgroup: the action, and why.
pub(super) type Decided = (Action, u8);

/// A host with three tenants, and an odd one between them.
pub(super) struct Host {
    tree: Tree,
    kernel: Arc<OddKernel>,
    /// As everything was in the beginning.
    captured: Arc<Tree>,
    _state: TempDir,
    config: Config,
    turns: Loop,
    journal: Journal,
    count: u32,
    /// What the host has, if nobody changes that: no cgroup can have saved more.
    total: Option<Bytes>,
}

/// Answers requests without looking at files that may be odd. Those of all others are carried out, one at a
/// time, if there are any.
#[derive(Debug)]
struct OddKernel {
    others: Option<Mutex<FakeKernel>>,
    /// How the files at or below these places are read.
    readings: Mutex<BTreeMap<PathBuf, HowRead>>,
}

impl Kernel for OddKernel {
    fn written(&self, path: &Path, text: &[u8]) -> Option<Result<(), Errno>> {
        let is_odd = path.components().any(|name| name.as_os_str() == "odd");
        if let Some(others) = self.others.as_ref().filter(|_| !is_odd) {
            return others.lock().unwrap().written(path, text);
        }
        match path.file_name()?.to_str()? {
            "memory.reclaim" => Some(Err(Errno::EAGAIN)),
            "memory.pressure" => Some(Err(Errno::EOPNOTSUPP)),
            _ => None,
        }
    }

    fn how_read(&self, path: &Path) -> HowRead {
        let readings = self.readings.lock().unwrap();
        let found = path.ancestors().find_map(|place| readings.get(place));
        found.copied().unwrap_or_default()
    }
}

impl Host {
    /// With `others`, requests that are not the odd tenant's are carried out.
    pub(super) fn set(captured: Arc<Tree>, others: bool) -> Self {
        logged::listen();
        let tree = captured.again();
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("lowtide.yaml");
        // What idle ages are read on another thread at is not the same in two runs.
        fs::write(&file, CONFIG.replace("SOURCE", if others { "none" } else { "mglru" })).unwrap();
        let config = lowtide_policy::load(&file).unwrap().config;
        let answers = others.then(|| Mutex::new(FakeKernel::of(tree.root())));
        let kernel = Arc::new(OddKernel { others: answers, readings: Mutex::default() });
        let root = Root::open(tree.root()).unwrap().answered_by(Arc::clone(&kernel) as Arc<dyn Kernel>);
        let (alarms, _) = mpsc::unbounded_channel();
        let journal = Journal::open(state.path(), &root).unwrap();
        let turns = Loop::new(root, state.path().into(), alarms).unwrap();
        let total = others.then(|| total(tree.root()));
        Self { tree, kernel, captured, _state: state, config, turns, journal, count: 0, total }
    }

    pub(super) fn change(&mut self, change: &Change) {
        let place = self.tree.root().join(&change.place);
        let mut readings = self.kernel.readings.lock().unwrap();
        match change.what {
            What::HowRead(reading) => drop(readings.insert(place, reading)),
            What::Back => readings.retain(|other, _| !other.starts_with(&place)),
            _ => {}
        }
        drop(readings);
        change.make(self.tree.root(), self.captured.root());
    }

    /// What it decides on all but the odd tenant.
    pub(super) async fn turn(&mut self) -> Option<BTreeMap<String, Decided>> {
        self.count += 1;
        let looked = self.turns.look(&self.config, self.config.interval * self.count);
        let view = looked.ok().map(|looked| self.turns.go_on(looked, &self.config, &mut self.journal));
        let _ = logged::take();
        while self.turns.unfinished() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let view = view?;
        show(&view);
        if let Some(total) = self.total {
            let most = i64::try_from(total.get()).unwrap();
            assert!(view.net_saved <= most, "{} saved of {total}", view.net_saved);
            assert!(view.cgroups.iter().all(|cgroup| cgroup.net_saved <= total), "of {total}");
        }
        let is_even = |path: &str| path.starts_with("/even/") || path.starts_with("/pure/");
        let even = view.cgroups.iter().filter(|cgroup| is_even(&cgroup.path));
        let decided = |decision: &lowtide_core::Decision| (decision.action, decision.reason.number());
        Some(even.map(|cgroup| (cgroup.path.to_string(), decided(&cgroup.decision))).collect())
    }

    /// Everything is as it was.
    pub(super) async fn recover(&mut self) -> Option<BTreeMap<String, Decided>> {
        self.kernel.readings.lock().unwrap().clear();
        // All but the hierarchy itself, which no host replaces.
        for place in ["proc", "sys/block", "sys/module", "sys/devices", "sys/kernel", "sys/fs/cgroup/odd"] {
            Change { place: place.to_owned(), what: What::Back }.make(self.tree.root(), self.captured.root());
        }
        self.turn().await
    }

    /// As at SIGTERM.
    pub(super) async fn end(&mut self) {
        self.turns.stop();
        let until = tokio::time::Instant::now() + super::PATIENCE;
        self.turns.drain(until).await;
        self.turns.end_sampling(until).await;
    }
}

/// What everything is copied from.
pub(super) fn captured() -> Tree {
    let tree = Tree::of_6_12();
    for parent in ["even", "odd", "pure"] {
        tree.copy("sys/fs/cgroup/web", &format!("sys/fs/cgroup/{parent}"));
        fs::remove_dir_all(tree.file(&format!("sys/fs/cgroup/{parent}/api"))).unwrap();
    }
    for cgroup in ["even/a", "even/m", "pure/z", "odd/a", "odd/b"] {
        tree.copy("sys/fs/cgroup/web/api", &format!("sys/fs/cgroup/{cgroup}"));
    }
    tree
}

/// DRAM and swap.
fn total(root: &Path) -> Bytes {
    let root = Root::open(root).unwrap();
    let meminfo = lowtide_host::read(&root).unwrap().meminfo;
    meminfo.total + meminfo.swap_total.unwrap()
}

/// Everything that is drawn from a turn.
fn show(view: &View) {
    let drawn = [
        present::status(view, view.cgroups.len(), Some(80)),
        metrics::render(view, &mut metrics::Rest::default()).concat(),
        serde_json::to_string(view).unwrap(),
    ];
    let explained = view.cgroups.iter().map(|cgroup| present::explain(cgroup, view));
    assert!(drawn.into_iter().chain(explained).all(|text| !text.is_empty()));
}
