//! The daemon: set up, turn the loop until told to stop, put everything back.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use lowtide_ages::{
    Trial,
    damon::records::{Records, in_words as damon_in_words},
};
use lowtide_controllers::{Balance, Settings, put_back};
use lowtide_core::{TierId, balancer::Strain, escaped};
use lowtide_damon::Recovered;
use lowtide_journal::{
    HostError, HostLock, Journal, JournalError, Record, StateDir, StateDirError,
    knobs::{self, Outcome},
    sealed::SealedError,
};
use lowtide_kernfs::Root;
use lowtide_policy::{Config, Loaded, Metrics, Problems};
use lowtide_reclaim::Hanging;
use lowtide_setup::{Deed, SetupError, Undone};
use lowtide_view::View;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior, interval},
};

use crate::{
    blind::Blind,
    control::Socket,
    environment,
    http::{Listener, Pages},
    limits, notify,
    past::Recorder,
    strain::Watch,
    triggers::Alarm,
    turn::Loop,
    watched::Watched,
};

/// At the end, chunks that are being written are waited for so long in all. Each takes half a second; one
/// that takes longer hangs in its device.
const PATIENCE: Duration = Duration::from_secs(10);
/// A look at idle ages ends between two walks of MGLRU. One of DAMON takes a few of its intervals, and a
/// kdamond that is not waited for goes on until a restore.
const PATIENCE_WITH_AGES: Duration = Duration::from_secs(45);
/// A turn, and what is done between two of them, waits for the state directory's disk no longer than this.
/// What is not recorded by then waits for the next turn.
const DISK: Duration = Duration::from_millis(500);
/// At the end it may take longer: what is put back and not forgotten is looked at once more by a `restore`.
const LAST_RECORDS: Duration = Duration::from_secs(2);
/// Savings and history, at the very end.
const LAST_WRITES: Duration = Duration::from_secs(2);
/// A disk that takes longer is a problem in `status`.
const HANGS: Duration = Duration::from_secs(5);

/// What stays missing is said again after as many tries.
const REMINDED: u32 = 100;

/// What keeps the metrics from being served may go away.
const RETRY: Duration = Duration::from_secs(30);

/// How the daemon is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The host's configuration file; policies may lie beside it.
    pub config: PathBuf,
    /// Where the kernel's files are; `/` but for tests.
    pub root: PathBuf,
}

/// Why the daemon could not start, or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The directory that holds the kernel's files.
    #[error(transparent)]
    Root(#[from] lowtide_kernfs::Error),
    /// The cgroup hierarchy, which nothing works without.
    #[error(transparent)]
    Cgroups(#[from] lowtide_cgroup::Error),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateDirError),
    /// Another daemon.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The journal of knobs.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Setting the tiers up, or undoing it.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The record of lowtide's kdamond.
    #[error(transparent)]
    Damon(#[from] SealedError),
    /// The control socket.
    #[error("{path}: cannot listen for `lowtide status` there: {source}; change `control.socket`")]
    Control {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Signals or timers of the process itself.
    #[error("cannot set up the process: {0}")]
    Process(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(options: &Options) -> Result<(), RunError> {
    // Before anything is written: a signal without a handler would end the daemon with nothing put back.
    let mut signals = Signals::new()?;
    let watched = Watched::new(lowtide_policy::files(&options.config));
    let loaded = lowtide_policy::load(&options.config)?;
    let root = Root::open(&options.root)?;
    let state_dir = StateDir::take(&loaded.config.state_dir)?;
    if !until_possible(&root, loaded.config.interval, &mut signals).await {
        return Ok(());
    }
    let _host = HostLock::take(&root)?;
    limits::raise_descriptors();
    let trial = Trial::default();
    // Before memory is locked: a walk leaves out what is.
    let trial = if trial.is_due(&root, &loaded.config) { trial.make(&root) } else { trial };
    if root.is_host() {
        limits::lock_memory();
    }
    let mut journal = Journal::open_or_closed(state_dir.path(), &root);
    journal.wait_at_most(DISK, None);
    let left = end_damon(&root, state_dir.path());
    let mut daemon = Daemon::start(options, root, journal, loaded, watched).await?;
    daemon.lasting.extend(left);
    daemon.take_trial(trial);
    daemon.turn_until_stopped(signals).await;
    notify::stopping();
    daemon.turns.stop();
    daemon.balance.stop();
    let until = Instant::now() + PATIENCE;
    daemon.journal.grant(LAST_RECORDS);
    // Without its limit the balancer's last write would know none. A device that hangs keeps those knobs set,
    // and no others.
    if !daemon.balance.drain(until).await {
        tracing::warn!(
            "a write to a backing device does not end: leaving it, and zram's limit, to the kernel"
        );
    }
    let held = daemon.balance.held();
    let is_ours = |record: &Record| !held.contains(&record.path);
    let knobs =
        put_back(&daemon.root, &mut daemon.journal, |record| record.cgroup.is_none() && is_ours(record));
    daemon.turns.end_sampling(Instant::now() + PATIENCE_WITH_AGES).await;
    daemon.turns.drain(until).await;
    // After the last chunk: it is not to go where its cgroup must not.
    let rest = put_back(&daemon.root, &mut daemon.journal, is_ours);
    let knobs = knobs.and_then(|first| Ok(first + rest?));
    let until_written = (until + LAST_WRITES).max(Instant::now() + LAST_WRITES);
    let last = daemon.views.borrow().clone();
    tokio::join!(
        daemon.turns.close_books(until_written),
        daemon.recorder.close(last.as_deref(), until_written)
    );
    // A journal that cannot be written, on a full disk say, keeps nothing of the above from being done.
    let put_back = knobs?;
    daemon.say_goodbye(put_back);
    Ok(())
}

/// What [`restore`] did.
#[derive(Debug)]
pub struct Restored {
    /// Each knob in the journal, and what became of it.
    pub knobs: Vec<(PathBuf, Outcome)>,
    /// Each thing that was set up, and what became of it.
    pub tiers: Vec<(Deed, Undone)>,
    /// What was left in DAMON's tree, and what became of it; [`damon_in_words`](crate::damon_in_words) says
    /// it.
    pub damon: Vec<Result<Recovered, lowtide_damon::Error>>,
}

/// Puts every knob in the journal of `state_dir` back, ends lowtide's kdamond and, unless they are to be
/// kept, undoes the tiers that were set up, with the daemon stopped.
pub fn restore(root: &Path, state_dir: &Path, keep_tiers: bool) -> Result<Restored, RunError> {
    let root = Root::open(root)?;
    let state_dir = StateDir::take_existing(state_dir)?;
    let _host = HostLock::take(&root)?;
    // Each is done whatever comes of the other.
    let damon = Records::open(state_dir.path()).and_then(|mut records| records.clear(&root));
    // The journal before the tiers: what the daemon wrote came after what was set up.
    let knobs =
        Journal::open(state_dir.path(), &root).and_then(|mut journal| knobs::restore(&root, &mut journal));
    let tiers = if keep_tiers { Ok(Vec::new()) } else { lowtide_setup::undo(&root, state_dir.path()) };
    Ok(Restored { knobs: knobs?, tiers: tiers?, damon: damon? })
}

struct Daemon {
    options: Options,
    root: Root,
    journal: Journal,
    config: Config,
    /// The configuration that addresses and directories were taken from.
    started: Config,
    watched: Watched,
    settings: Settings,
    /// Problems that stay until the daemon is started anew.
    lasting: Vec<String>,
    /// Those of the configuration.
    problems: Vec<String>,
    /// The last reload was refused.
    refused: bool,
    /// When the configuration in force was read.
    configured: SystemTime,
    turns: Loop,
    balance: Balance,
    watch: Watch,
    recorder: Recorder,
    /// What the last turn saw that speaks against moving pages.
    strain: Strain,
    blind: Blind,
    /// Of MGLRU.
    trial: Trial,
    alarms: mpsc::UnboundedReceiver<Alarm>,
    views: watch::Sender<Option<Arc<View>>>,
    pages: Pages,
}

impl Daemon {
    async fn start(
        options: &Options,
        root: Root,
        journal: Journal,
        loaded: Loaded,
        watched: Watched,
    ) -> Result<Self, RunError> {
        let (alarm, alarms) = mpsc::unbounded_channel();
        let (views, _) = watch::channel(None);
        let turns = Loop::new(root.clone(), loaded.config.state_dir.clone(), alarm)?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"), config = %options.config.display(), own_cgroup = &*escaped(turns.own()),
            policies = loaded.config.policies.policies().len(), "lowtide starts"
        );
        let pages = Pages::of(views.subscribe());
        let not_given = serve(&loaded.config, &views, &pages).await?;
        for problem in &not_given {
            tracing::warn!("{problem}");
        }
        let mut problems = warn(&loaded);
        problems.extend(not_given);
        problems.extend(promise(&root, &loaded.config));
        let closed: Vec<_> = journal.closed().map(str::to_owned).into_iter().collect();
        for problem in &closed {
            tracing::error!("no kernel setting is changed: {problem}");
        }
        let options = options.clone();
        let balance = Balance::new(root.clone(), loaded.config.state_dir.clone());
        Ok(Self {
            options,
            balance,
            watch: Watch::default(),
            recorder: Recorder::new(&loaded.config.state_dir, loaded.config.history),
            strain: Strain::None,
            blind: Blind::default(),
            root,
            journal,
            settings: Settings::new(loaded.config.state_dir.clone()),
            started: loaded.config.clone(),
            config: loaded.config,
            watched,
            lasting: closed,
            problems,
            refused: false,
            configured: SystemTime::now(),
            turns,
            trial: Trial::default(),
            alarms,
            views,
            pages,
        })
    }

    fn take_trial(&mut self, trial: Trial) {
        self.trial = trial;
        self.turns.tried_mglru(trial.shown());
    }

    async fn turn_until_stopped(&mut self, mut signals: Signals) {
        let mut ticks = every(self.config.interval);
        let mut scans = self.scans();
        // Half of what systemd allows: one late turn is not the end.
        let mut watchdog = every(notify::watchdog().map_or(Duration::from_hours(1), |limit| limit / 2));
        let mut first = true;
        loop {
            tokio::select! {
                biased;
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                Some(alarm) = self.alarms.recv() => self.alarm(alarm),
                _ = signals.hangup.recv() => self.reload(&mut ticks, &mut scans),
                _ = watchdog.tick() => notify::alive(&self.summary()),
                Some(ended) = self.balance.ended() => {
                    if self.balance.take(&ended, self.config.balancer.as_ref()) {
                        self.scan();
                    }
                }
                _ = scans.tick() => self.scan(),
                _ = ticks.tick() => {
                    if self.watched.changed() {
                        self.reload(&mut ticks, &mut scans);
                    }
                    self.turn();
                    if first && self.views.borrow().is_some() {
                        first = false;
                        notify::ready(&self.summary());
                    }
                }
            }
        }
    }

    fn scans(&self) -> Interval {
        every(self.config.balancer.unwrap_or_default().scan_interval)
    }

    /// Without a balancer in the configuration, what an earlier one had set is put back.
    fn scan(&mut self) {
        match &self.config.balancer {
            Some(settings) => {
                let belong_from = |device: &TierId| self.turns.belong_from(device);
                self.balance.scan(&mut self.journal, settings, self.strain, &belong_from);
            }
            None => self.balance.let_go(&mut self.journal),
        }
    }

    fn alarm(&mut self, alarm: Alarm) {
        if alarm.fired {
            self.balance.stop();
            self.strain = Strain::Trigger;
        }
        self.turns.alarm(alarm);
    }

    /// A turn that fails is said and done again at the next tick: the host may be out of memory just now.
    fn turn(&mut self) {
        let now = self.turns.uptime();
        let held = || self.balance.held().into_iter().chain(self.turns.held()).collect();
        self.settings.turn(&self.root, &mut self.journal, &self.config, held, now);
        // After a reload that allows it, or with debugfs mounted meanwhile.
        if self.trial.is_due(&self.root, &self.config) {
            self.take_trial(limits::unlocked(|| self.trial.make(&self.root)));
        }
        match self.turns.look(&self.config, self.turns.uptime()) {
            Ok(mut looked) => {
                if let Some(turns) = self.blind.ended() {
                    tracing::info!(turns, "the host can be observed again");
                }
                let hung = self.views.borrow().as_ref().is_some_and(|before| !before.hanging.is_empty());
                // All of it is locked memory, of which there should not be two. Nobody is answered before
                // this turn is done.
                let before = self.views.send_replace(None);
                looked.carry(before.as_deref());
                drop(before);
                self.pages.let_go();
                let view = self.turns.go_on(looked, &self.config, &mut self.journal);
                self.strain = self.watch.strain(&self.root, &view, self.config.policies.policies());
                self.balance.strained(self.strain, &self.config.balancer.unwrap_or_default());
                let mut problems = [&self.lasting[..], &self.problems].concat();
                problems.extend(self.settings.problem().cloned());
                problems.extend(self.disk_hangs());
                problems.extend(view.problems.iter().cloned());
                problems.extend(view.stuck.as_ref().map(ToString::to_string));
                let hangs = hanging(&view.hanging);
                if let Some(problem) = hangs.as_ref().filter(|_| !hung) {
                    tracing::warn!("{problem}");
                }
                problems.extend(hangs);
                problems.extend(self.balance.problems().map(|problem| format!("balancer: {problem}")));
                let balancer = self.balance.shown().to_vec();
                self.recorder.turn(&view);
                problems.extend(self.recorder.problem().map(str::to_owned));
                let (reload_refused, configured) = (self.refused, Some(self.configured));
                let view = View { problems, reload_refused, balancer, configured, ..view };
                self.views.send_replace(Some(Arc::new(view)));
            }
            Err(error) => {
                let error = error.to_string();
                if self.blind.failed(&error) {
                    tracing::warn!(error, "cannot observe the host: nothing is done until that is over");
                }
            }
        }
    }

    /// What is to be known of a disk that does not answer.
    fn disk_hangs(&mut self) -> Option<String> {
        let since = self.journal.late_by().filter(|since| *since >= HANGS)?;
        Some(format!(
            "{}: a write of the journal has not ended for {} s: the disk hangs. Nothing new is set until it ends; what is held \
             stays held",
            self.config.state_dir.display(),
            since.as_secs()
        ))
    }

    /// What a clean stop has done.
    fn say_goodbye(&self, put_back: usize) {
        let view = self.views.borrow();
        let (up, turns) = view.as_ref().map_or((Duration::ZERO, 0), |view| (view.uptime, view.ticks));
        let up = humantime::format_duration(Duration::from_secs(up.as_secs()));
        tracing::info!(
            "lowtide stopped: no request is under way, {put_back} kernel settings were put back, what is offloaded stays until it \
             is touched; {turns} turns in {up}"
        );
    }

    fn summary(&self) -> String {
        let view = self.views.borrow();
        view.as_ref().map_or_else(String::new, |view| {
            format!("{} cgroups, net saved {} MiB", view.cgroups.len(), view.net_saved >> 20)
        })
    }

    /// Takes over a new configuration; a bad one leaves the running one in force.
    fn reload(&mut self, ticks: &mut Interval, scans: &mut Interval) {
        notify::reloading();
        // Before it is read, so that what is written meanwhile is seen the next time; and a file that was
        // refused is watched too, for when it is mended.
        self.watched = Watched::new(lowtide_policy::files(&self.options.config));
        match lowtide_policy::load(&self.options.config) {
            Ok(loaded) => {
                let balancer = self.config.balancer;
                self.take_over(loaded, ticks);
                if self.config.balancer != balancer {
                    *scans = self.scans();
                }
            }
            Err(problems) => {
                tracing::error!(
                    "the configuration was changed and is wrong; the old one stays in force:\n{problems}"
                );
                self.refused = true;
                self.problems = vec![format!("the configuration was changed and is wrong:\n{problems}")];
            }
        }
        notify::ready(&self.summary());
    }

    fn take_over(&mut self, loaded: Loaded, ticks: &mut Interval) {
        self.refused = false;
        self.configured = SystemTime::now();
        self.problems = warn(&loaded);
        self.problems.extend(needs_restart(&self.started, &loaded.config));
        self.problems.extend(promise(&self.root, &loaded.config));
        if self.config.interval != loaded.config.interval {
            *ticks = every(loaded.config.interval);
        }
        // What was asked under the old policies may be more than the new ones allow.
        self.turns.stop();
        if self.config.balancer != loaded.config.balancer {
            self.balance.stop();
        }
        if self.config.tiers != loaded.config.tiers {
            self.settings.changed();
        }
        self.recorder.set(loaded.config.history);
        self.config = loaded.config;
        tracing::info!(policies = self.config.policies.policies().len(), "the configuration was reloaded");
    }
}

/// Waits until the host has what nothing works without: a hierarchy may be mounted, and a controller enabled,
/// later. False if told to stop before that.
async fn until_possible(root: &Root, period: Duration, signals: &mut Signals) -> bool {
    let mut tries = every(period.min(notify::watchdog().map_or(period, |limit| limit / 2)));
    let mut said = Vec::new();
    let mut count = 0_u32;
    loop {
        tokio::select! {
            biased;
            _ = signals.terminate.recv() => return false,
            _ = signals.interrupt.recv() => return false,
            _ = tries.tick() => {}
        }
        let lacking = lowtide_doctor::lacking(root);
        if lacking.is_empty() {
            return true;
        }
        if lacking != said || count.is_multiple_of(REMINDED) {
            for what in &lacking {
                tracing::error!("lowtide cannot work on this host, and tries again: {what}");
            }
        }
        // Else systemd would end the start, and after a few of them give up.
        let status = format!("cannot work here: {}", lacking.join("; "));
        if said.is_empty() {
            notify::ready(&status);
        } else {
            notify::alive(&status);
        }
        said = lacking;
        count = count.wrapping_add(1);
    }
}

/// What policies promise and this host cannot keep; said once.
fn promise(root: &Root, config: &Config) -> Vec<String> {
    let broken = environment::broken_promises(root, config);
    for what in &broken {
        tracing::error!("{what}");
    }
    broken
}

/// What is to be known of requests that get no further.
fn hanging(found: &[Hanging]) -> Option<String> {
    let first = found.first()?;
    Some(format!(
        "{} of the reclaim requests hang, that to {} for {} s: the kernel does not come back from the write, most likely a swap \
         device does not answer. Requests in other subtrees go on",
        found.len(),
        first.path,
        first.since.as_secs()
    ))
}

/// Serves metrics and the control socket, each in a task that ends with the runtime. What is wrong without
/// being a reason to end is returned.
async fn serve(
    config: &Config,
    views: &watch::Sender<Option<Arc<View>>>,
    pages: &Pages,
) -> Result<Vec<String>, RunError> {
    let mut problems = Vec::new();
    if let Some(metrics) = &config.metrics {
        match Listener::bind(metrics).await {
            Ok((listener, not_given)) => {
                problems.extend(not_given);
                tokio::spawn(listener.serve(pages.clone()));
            }
            Err(error) => {
                let again = RETRY.as_secs();
                problems
                    .push(format!("{error}. No metrics since the start; it is tried again every {again} s"));
                tokio::spawn(serve_later(metrics.clone(), pages.clone()));
            }
        }
    }
    let path = config.control_socket.clone();
    let socket = Socket::bind(&path).map_err(|source| RunError::Control { path, source })?;
    let not_given = config.control_group.as_deref().and_then(|group| socket.give(group).err());
    let views = views.subscribe();
    tokio::spawn(async move { socket.serve(views).await });
    problems.extend(not_given.map(|error| format!("control.group: {error}: only root may ask")));
    Ok(problems)
}

/// Whoever has the address, or has taken a user away, keeps the metrics from being read, and nothing else
/// from being done.
async fn serve_later(metrics: Metrics, pages: Pages) {
    loop {
        tokio::time::sleep(RETRY).await;
        if let Ok((listener, _)) = Listener::bind(&metrics).await {
            tracing::info!("the metrics are served now");
            return listener.serve(pages).await;
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    // A late turn is not made up for: rates are taken over the time that really passed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The signals that mean something to the daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

fn warn(loaded: &Loaded) -> Vec<String> {
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    warnings
}

fn needs_restart(running: &Config, new: &Config) -> Vec<String> {
    let changed = [
        ("metrics", running.metrics != new.metrics),
        ("control.socket", running.control_socket != new.control_socket),
        ("control.group", running.control_group != new.control_group),
        ("state_dir", running.state_dir != new.state_dir),
        ("tiers", running.tiers != new.tiers && (running.tiers.apply || new.tiers.apply)),
    ];
    let keys = changed.into_iter().filter(|(_, changed)| *changed);
    let messages: Vec<_> =
        keys.map(|(key, _)| format!("`{key}` was changed: restart lowtide to use it")).collect();
    for message in &messages {
        tracing::warn!("{message}");
    }
    messages
}

/// Ends the kdamond of a daemon that was killed. One that cannot be ended stays recorded, and is tried again
/// before another is begun. What keeps the record from being read or written is returned: without it no
/// kdamond is begun either.
fn end_damon(root: &Root, state_dir: &Path) -> Option<String> {
    let outcomes = match Records::open(state_dir).and_then(|mut records| records.clear(root)) {
        Ok(outcomes) => outcomes,
        Err(error) => {
            tracing::error!("DAMON is not used: {error}");
            return Some(format!("DAMON is not used: {error}"));
        }
    };
    for outcome in outcomes {
        let words = damon_in_words(&outcome);
        if outcome.is_ok() {
            tracing::info!("an earlier daemon's DAMON: {words}");
        } else {
            tracing::warn!("an earlier daemon's DAMON: {words}");
        }
    }
    None
}
