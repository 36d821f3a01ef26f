//! The swap balancer around [`lowtide_core::balancer`]: looks at the stores, keeps the account, has pages
//! moved.

mod books;
mod flights;
mod limit;
mod moment;
mod mover;
mod stores;

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use lowtide_core::{
    Bytes, TierId,
    balancer::{Balancer, End, Now, Reason, Run, Settings, Settle, Sinking, Store, Strain},
};
use lowtide_journal::{Journal, Record, knobs};
use lowtide_kernfs::Root;
use lowtide_tiers::Writeback;

use self::{
    books::Books,
    flights::{Flights, Outcome, Task},
    limit::{Problem, hold},
    mover::Job,
};

pub use flights::Ended;

/// What is known of one store, for metrics and `status`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct StoreView {
    /// The store.
    pub store: Store,
    /// What was decided last.
    pub decision: Sinking,
    /// What may be written to the slower device in 24 h.
    pub budget: Bytes,
    /// What was.
    pub written: Bytes,
    /// What the last run did.
    pub last_run: Option<Run>,
    /// Moved since the daemon's start.
    pub moved: Bytes,
    /// Decisions by action and reason.
    #[serde(skip)]
    pub decisions: BTreeMap<(&'static str, &'static str), u64>,
}

/// What is kept of a store between two scans.
#[derive(Debug, Clone, Default)]
struct Totals {
    last_run: Option<Run>,
    moved: Bytes,
    decisions: BTreeMap<(&'static str, &'static str), u64>,
    /// What the last run failed with.
    error: Option<String>,
    /// What is in the way and was said, until the store is below its watermark again.
    said: Vec<Reason>,
}

impl Totals {
    /// Remembers how a run ended, and says a failure that was not said before, and the end of failures.
    fn failed(&mut self, ended: &Ended) {
        let is_stopped = matches!(ended.outcome, Outcome::Ran(run) if run.end == End::Stopped);
        if is_stopped && ended.error.is_none() {
            return;
        }
        let path = path(&ended.store);
        let error = ended.error.as_ref().map(|error| {
            format!("moving pages {path} fails: {error}; they stay where they are: see the kernel's log and the drive")
        });
        match (&self.error, &error) {
            (before, Some(error)) if before.as_ref() != Some(error) => tracing::warn!("{error}"),
            (Some(_), None) => tracing::info!("moving pages {path} works again"),
            _ => {}
        }
        self.error = error;
    }

    /// Says what is in the way, once until the store needs nothing moved.
    fn hindered(&mut self, store: &Store, reason: Reason) {
        match reason {
            Reason::BelowWatermark => self.said.clear(),
            Reason::NoBacking | Reason::BackingFull | Reason::WriteBudget | Reason::Slots
                if !self.said.contains(&reason) =>
            {
                tracing::warn!("no pages move {}: {} ({reason})", path(store), reason.sentence());
                self.said.push(reason);
            }
            _ => {}
        }
    }
}

/// From where to where, for a message.
fn path(store: &Store) -> String {
    let below = store.below.as_ref();
    below.map_or_else(
        || format!("of {}", store.device),
        |below| format!("from {} to {}", store.device, below.device),
    )
}

/// The balancer's part of the daemon.
#[derive(Debug)]
pub struct Balance {
    root: Root,
    state_dir: PathBuf,
    started: Instant,
    core: Balancer,
    books: Option<Books>,
    flights: Flights,
    totals: BTreeMap<Arc<str>, Totals>,
    shown: Vec<StoreView>,
    /// What keeps it from working at all.
    problem: Option<String>,
    /// What keeps it from moving pages of one store, found by the last scan.
    troubles: BTreeMap<Arc<str>, String>,
}

impl Balance {
    /// One that has seen nothing yet, and writes nothing until it is asked to scan.
    #[must_use]
    pub fn new(root: Root, state_dir: PathBuf) -> Self {
        // It is read where the loop does not turn yet; what is wrong with it is said once it is needed.
        let books = Books::open(&state_dir).ok();
        Self {
            root,
            state_dir,
            started: Instant::now(),
            core: Balancer::default(),
            books,
            flights: Flights::default(),
            totals: BTreeMap::new(),
            shown: Vec::new(),
            problem: None,
            troubles: BTreeMap::new(),
        }
    }

    /// What the last scan saw and decided.
    #[must_use]
    pub fn shown(&self) -> &[StoreView] {
        &self.shown
    }

    /// What keeps it from working, and what the last run of a store failed with.
    pub fn problems(&self) -> impl Iterator<Item = &String> {
        let failed = self.totals.values().filter_map(|totals| totals.error.as_ref());
        self.problem.iter().chain(self.troubles.values()).chain(failed)
    }

    /// Looks at every store, decides, and starts what was decided.
    ///
    /// `belong_from` gives the age from which on pages belong on a slower device.
    pub fn scan(
        &mut self,
        journal: &mut Journal,
        settings: &Settings,
        strain: Strain,
        belong_from: &dyn Fn(&TierId) -> Option<Duration>,
    ) {
        let problem =
            self.scan_all(journal, settings, strain, belong_from).err().map(|error| error.to_string());
        if let Some(problem) = problem.as_ref().filter(|problem| self.problem.as_ref() != Some(problem)) {
            tracing::warn!("the balancer moves nothing: {problem}");
        }
        self.problem = problem;
    }

    /// Ends every run after the chunk that is being written.
    pub fn stop(&self) {
        self.flights.stop();
    }

    /// Ends the runs that `strain` speaks against: those of stores that were not urgent at the last scan.
    pub fn strained(&self, strain: Strain, settings: &Settings) {
        for device in self.flights.devices() {
            let view = self.shown.iter().find(|view| view.store.device == *device);
            let is_urgent = view.is_some_and(|view| settings.is_urgent(view.store.fill()));
            if let Some(reason) = strain.forbids(is_urgent) {
                tracing::debug!(%device, %reason, "stopped");
                self.flights.stop_one(device);
            }
        }
    }

    /// The next run that ends.
    pub async fn ended(&mut self) -> Option<Ended> {
        self.flights.next().await
    }

    /// Waits until no run is in flight. False if one hangs in its device.
    pub async fn drain(&mut self, until: tokio::time::Instant) -> bool {
        self.flights.drain(until).await
    }

    /// Takes in what came of a run. True if another scan is due at once: the rate is kept within runs.
    pub fn take(&mut self, ended: &Ended, settings: Option<&Settings>) -> bool {
        let now = self.started.elapsed();
        let device = &ended.store.device;
        let totals = self.totals.entry(Arc::clone(device)).or_default();
        totals.failed(ended);
        let Outcome::Ran(run) = ended.outcome else {
            self.core.marked(device, now);
            return false;
        };
        tracing::debug!(%device, moved = %run.moved, took = ?run.took, end = ?run.end, emptied = ?run.emptied, "ran");
        self.core.ran(&ended.store, run, now);
        totals.moved += run.moved;
        totals.last_run = Some(run);
        settings.is_some_and(|settings| run.goes_on(settings.min_age))
    }

    /// Forgets what was shown, and puts back the knobs of stores that no run is in flight for.
    pub fn let_go(&mut self, journal: &mut Journal) {
        self.shown.clear();
        self.problem = None;
        self.troubles.clear();
        let held = self.held();
        let ours = |record: &Record| knobs::is_counted(&record.path) && !held.contains(&record.path);
        if journal.records().iter().any(ours)
            && let Err(error) = knobs::restore_some(&self.root, journal, ours)
        {
            // They hold their own values again, and are put back once more at the end.
            self.problem = Some(error.to_string());
        }
    }

    /// The knobs that must stay as they are: without them a run in flight has no limit.
    #[must_use]
    pub fn held(&self) -> Vec<PathBuf> {
        let files = |device: &Arc<str>| {
            let writeback = Writeback::of(&self.root, device);
            [writeback.limit_file(), writeback.limit_switch()]
        };
        self.flights.devices().flat_map(files).collect()
    }

    /// What fails at one store keeps none of the others waiting.
    fn scan_all(
        &mut self,
        journal: &mut Journal,
        settings: &Settings,
        strain: Strain,
        belong_from: &dyn Fn(&TierId) -> Option<Duration>,
    ) -> Result<(), Problem> {
        let stores = stores::read(&self.root)?;
        let alive: HashSet<_> = stores.iter().map(|(device, _)| Arc::clone(device)).collect();
        self.core.retain(&alive);
        self.totals.retain(|device, _| alive.contains(device));
        self.shown.clear();
        let before = std::mem::take(&mut self.troubles);
        for (device, store) in stores {
            let balanced = store.map_err(Problem::from);
            let balanced =
                balanced.and_then(|store| self.balance(journal, settings, strain, belong_from, store));
            let Err(problem) = balanced else { continue };
            let trouble = format!("{device}: {problem}");
            if before.get(&device) != Some(&trouble) {
                tracing::warn!("the balancer moves nothing of {trouble}");
            }
            self.troubles.insert(device, trouble);
        }
        Ok(())
    }

    fn balance(
        &mut self,
        journal: &mut Journal,
        settings: &Settings,
        strain: Strain,
        belong_from: &dyn Fn(&TierId) -> Option<Duration>,
        store: Store,
    ) -> Result<(), Problem> {
        let in_flight = self.flights.has(&store.device);
        let (budget, written, left) = self.account(&store, settings, in_flight)?;
        let now = Now {
            at: self.started.elapsed(),
            uptime: moment::uptime(),
            strain,
            budget_left: left,
            belong_from: store.below.as_ref().and_then(|below| belong_from(&below.tier())),
            in_flight,
        };
        let decision = self.core.decide(&store, settings, now);
        debug(&decision);
        let totals = self.totals.entry(Arc::clone(&store.device)).or_default();
        totals.hindered(&store, decision.reason);
        *totals.decisions.entry((decision.settle.name(), decision.reason.name())).or_default() += 1;
        let Totals { last_run, moved, decisions, .. } = totals.clone();
        let settle = decision.settle;
        self.shown.push(StoreView {
            store: store.clone(),
            decision,
            budget,
            written,
            last_run,
            moved,
            decisions,
        });
        self.act(journal, settings, store, settle)
    }

    /// What may be written in 24 h to the device below, what was, and what is left.
    fn account(
        &mut self,
        store: &Store,
        settings: &Settings,
        in_flight: bool,
    ) -> Result<(Bytes, Bytes, Bytes), Problem> {
        let Some(below) = &store.below else { return Ok((Bytes::ZERO, Bytes::ZERO, Bytes::ZERO)) };
        let books = match &mut self.books {
            Some(books) => books,
            none => none.insert(Books::open(&self.state_dir)?),
        };
        let moment = moment::now(&self.root);
        let account = books.count(&below.device, &moment, below.written, in_flight);
        let budget = settings.budget(below.capacity);
        Ok((budget, account.written(), account.left(budget)))
    }

    fn act(
        &mut self,
        journal: &mut Journal,
        settings: &Settings,
        store: Store,
        settle: Settle,
    ) -> Result<(), Problem> {
        let task = match (settle, &store.below, &mut self.books) {
            (Settle::Mark, ..) => Task::Mark(Writeback::of(&self.root, &store.device)),
            (Settle::Sink { amount, from, min_age, pages }, Some(below), Some(books)) => {
                hold(&self.root, journal, &store.device)?;
                let promise = books.reserve(&below.device, amount);
                let job = Job {
                    root: self.root.clone(),
                    device: store.device.as_ref().to_owned(),
                    slots: store.slots,
                    amount,
                    page: below.page,
                    from,
                    min_age,
                    pages,
                    rate: settings.rate,
                    time: settings.scan_interval,
                };
                Task::Sink(job, promise)
            }
            _ => return Ok(()),
        };
        self.flights.start(store, task);
        Ok(())
    }
}

fn debug(decision: &Sinking) {
    tracing::debug!(
        device = %decision.device, action = decision.settle.name(), reason = %decision.reason,
        fill = %decision.figures.fill.memory, above_low = %decision.figures.above_low,
        full_in = ?decision.figures.full_in, drained_in = ?decision.figures.drained_in, "balanced"
    );
}

#[cfg(test)]
mod tests;
