use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lowtide_core::CgroupId;
use lowtide_journal::{Journal, knobs};
use lowtide_kernfs::Root;
use lowtide_policy::Config;
use lowtide_testing::logged;
use lowtide_view::{View, metrics, present};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{FakeKernel, Step, Tree, told::Told};
use crate::{triggers::Alarm, turn::Loop};

/// Requests to files end at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A host of files, and the loop on it.
pub(super) struct Stage {
    case: PathBuf,
    tree: Tree,
    state: TempDir,
    kernel: Arc<FakeKernel>,
    config: Config,
    daemon: Daemon,
    /// Turns since the beginning.
    turns: u64,
    stalls: HashMap<String, u64>,
    view: Option<View>,
    /// Of the metrics, from page to page.
    rest: metrics::Rest,
    told: Told,
}

/// What a kill ends.
struct Daemon {
    turns: Loop,
    journal: Journal,
    /// The stage's turn in which it started.
    since: u64,
}

impl Stage {
    pub(super) fn set(case: &Path) -> Self {
        logged::listen();
        let tree = Tree::of_6_12();
        let kernel = Arc::new(FakeKernel::of(tree.root()));
        let state = tempfile::tempdir().unwrap();
        let daemon = start(&tree, &kernel, state.path(), 0);
        let config = config(&case.join("lowtide.yaml"));
        Self {
            case: case.into(),
            tree,
            state,
            kernel,
            config,
            daemon,
            turns: 0,
            stalls: HashMap::new(),
            view: None,
            rest: metrics::Rest::default(),
            told: Told::default(),
        }
    }

    pub(super) async fn play(&mut self, step: &Step) {
        match step {
            Step::Turns(count) => {
                for _ in 0..*count {
                    self.turn().await;
                }
            }
            Step::Write(path, text) => self.tree.write(path, text),
            Step::Add(cgroup, key, bytes) => self.kernel.add(cgroup, key, *bytes),
            Step::Copy(from, to) => self.tree.copy(from, to),
            Step::Choose(cgroup, text) => self.tree.choose(cgroup, text.as_bytes()),
            Step::Unreadable(path) => self.tree.make_unreadable(path),
            Step::Refuse(path, errno) => self.kernel.refuse(path, *errno),
            Step::Vanish(cgroup) => self.kernel.vanish(cgroup),
            Step::Stall(cgroup, percent) => {
                self.stalls.insert(cgroup.clone(), *percent);
            }
            Step::Hold => self.kernel.hold(true),
            Step::Release => self.release().await,
            Step::Alarm(cgroup) => self.daemon.turns.alarm(Alarm { id: self.id(cgroup), fired: true }),
            Step::Reload(file) => self.config = config(&self.case.join(file)),
            Step::Kill => self.daemon = start(&self.tree, &self.kernel, self.state.path(), self.turns),
            Step::Stop => self.stop().await,
            Step::Explain(cgroup) => self.explain(cgroup),
            Step::Status => {
                let view = self.view.as_ref().unwrap();
                self.told.block("status", &present::status(view, view.cgroups.len(), None));
            }
            Step::Metrics(words) => self.metrics(words),
            Step::Show(path) => self.told.block(path, &self.tree.read(path)),
        }
    }

    pub(super) async fn end(mut self) -> String {
        self.release().await;
        self.told.into_text().replace(&self.tree.root().display().to_string(), "")
    }

    async fn turn(&mut self) {
        self.turns += 1;
        self.stall();
        let now = self.config.interval * u32::try_from(self.turns - self.daemon.since).unwrap();
        match self.daemon.turns.look(&self.config, now) {
            Ok(looked) => {
                let view = self.daemon.turns.go_on(looked, &self.config, &mut self.daemon.journal);
                for cgroup in &view.cgroups {
                    self.told.decided(self.turns, &cgroup.decision);
                }
                self.view = Some(view);
            }
            Err(error) => {
                self.told.line(format_args!("turn {}: {error}", self.turns));
            }
        }
        self.told.warned(self.turns, &logged::take());
        self.settle().await;
        self.told.written(self.turns, &mut self.kernel.take_writes());
    }

    /// Until every request has ended, or waits for the kernel.
    async fn settle(&self) {
        while self.daemon.turns.unfinished() > self.kernel.waiting() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn release(&mut self) {
        self.kernel.hold(false);
        while self.daemon.turns.unfinished() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.told.written(self.turns, &mut self.kernel.take_writes());
    }

    /// As the daemon at SIGTERM.
    async fn stop(&mut self) {
        self.daemon.turns.stop();
        self.daemon.turns.drain(tokio::time::Instant::now() + PATIENCE).await;
        let root = root(&self.tree, &self.kernel);
        knobs::restore(&root, &mut self.daemon.journal).unwrap();
        self.told.written(self.turns, &mut self.kernel.take_writes());
    }

    /// The time that a cgroup's tasks waited since the last turn.
    fn stall(&self) {
        for (cgroup, percent) in &self.stalls {
            let path = format!("sys/fs/cgroup{cgroup}/memory.pressure");
            let text = self.tree.read(&path);
            let total = |line: &str| line.rsplit_once("total=").unwrap().1.parse::<u128>().unwrap();
            let more = self.config.interval.as_micros() * u128::from(*percent) / 100;
            let lines = text.lines().map(|line| {
                let (head, _) = line.rsplit_once("total=").unwrap();
                format!("{head}total={}", total(line) + more)
            });
            self.tree.write(&path, &lines.collect::<Vec<_>>().join("\n"));
        }
    }

    fn id(&self, cgroup: &str) -> CgroupId {
        self.view.as_ref().unwrap().cgroup(cgroup).unwrap().id
    }

    fn explain(&mut self, cgroup: &str) {
        let view = self.view.as_ref().unwrap();
        let text = view
            .called(cgroup)
            .map_or_else(|| present::not_a_target(cgroup, view), |cgroup| present::explain(cgroup, view));
        self.told.block(&format!("explain {cgroup}"), &text);
    }

    fn metrics(&mut self, words: &[String]) {
        let page = metrics::render(self.view.as_ref().unwrap(), &mut self.rest).concat();
        let wanted = |line: &&str| !line.starts_with('#') && words.iter().all(|word| line.contains(word));
        let lines: Vec<_> = page.lines().filter(wanted).collect();
        self.told.block(&format!("metrics {}", words.join(" ")), &lines.join("\n"));
    }
}

fn config(file: &Path) -> Config {
    lowtide_policy::load(file).unwrap().config
}

fn root(tree: &Tree, kernel: &Arc<FakeKernel>) -> Root {
    Root::open(tree.root()).unwrap().answered_by(Arc::<FakeKernel>::clone(kernel))
}

fn start(tree: &Tree, kernel: &Arc<FakeKernel>, state: &Path, since: u64) -> Daemon {
    let root = root(tree, kernel);
    let (alarms, _) = mpsc::unbounded_channel();
    let mut journal = Journal::open(state, &root).unwrap();
    // As the daemon does; what cgroups are held to is looked at in the first turn.
    knobs::restore_some(&root, &mut journal, |record| record.cgroup.is_none()).unwrap();
    let turns = Loop::new(root, state.into(), alarms).unwrap();
    Daemon { turns, journal, since }
}
