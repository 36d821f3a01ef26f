//! The tenant's life: bursts over the hot part, sweeps of the warm part, reports.

use super::layout::{Layout, Part};
use super::memory::Memory;
use super::options::Options;
use super::pages::PageTable;
use super::report::{Event, Latency, Report, rate};
use crate::size::PAGE;
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Lives until `--duration` or SIGTERM.
pub fn run(options: &Options) -> Result<()> {
    if let Some(cgroup) = &options.cgroup {
        crate::guest::cgroup::enter(cgroup)?;
    }
    let signals = Signals::install()?;
    let mut tenant = Tenant::new(options)?;
    tenant.report(Event::Ready, None, true)?;
    while !tenant.is_over() && !signals.end.load(Ordering::Relaxed) {
        tenant.burst();
        tenant.do_what_is_due(&signals)?;
        std::thread::sleep(options.pause);
    }
    tenant.report(Event::Final, None, true)
}

/// Flags set by signals.
struct Signals {
    touch_all: Arc<AtomicBool>,
    truth: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
}

impl Signals {
    fn install() -> Result<Self> {
        let signals = Self { touch_all: Arc::default(), truth: Arc::default(), end: Arc::default() };
        for (signal, flag) in [
            (SIGUSR1, &signals.touch_all),
            (SIGUSR2, &signals.truth),
            (SIGTERM, &signals.end),
            (SIGINT, &signals.end),
        ] {
            signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot handle signals")?;
        }
        Ok(signals)
    }
}

struct Tenant<'a> {
    options: &'a Options,
    layout: Layout,
    memory: Memory,
    table: PageTable,
    start: Instant,
    next_hot: usize,
    done: Done,
    reported: Done,
    touches: Histogram<u64>,
    warm_touches: Histogram<u64>,
    due: Due,
}

/// Work since the start.
#[derive(Debug, Clone, Copy, Default)]
struct Done {
    ops: u64,
    busy: Duration,
}

/// Times since the start of what comes next.
struct Due {
    sweep: Duration,
    report: Duration,
    shift: Option<Duration>,
    touch_all: Option<Duration>,
}

impl<'a> Tenant<'a> {
    fn new(options: &'a Options) -> Result<Self> {
        let layout = Layout::new(pages(options.hot)?, pages(options.warm)?, pages(options.cold)?);
        // 1 ns to 60 s with two digits: 40 KiB, allocated here and hot ever after.
        let histogram =
            || Histogram::new_with_bounds(1, 60_000_000_000, 2).context("cannot make a histogram");
        Ok(Self {
            options,
            memory: Memory::fill(options, &layout)?,
            layout,
            table: PageTable::open()?,
            start: Instant::now(),
            next_hot: 0,
            done: Done::default(),
            reported: Done::default(),
            touches: histogram()?,
            warm_touches: histogram()?,
            due: Due {
                sweep: options.warm_every,
                report: options.interval,
                shift: options.shift_every,
                touch_all: options.touch_all_at,
            },
        })
    }

    fn is_over(&self) -> bool {
        self.options.duration.is_some_and(|duration| self.start.elapsed() >= duration)
    }

    /// Works on the next pages of the hot part, going round.
    fn burst(&mut self) {
        let hot = self.layout.pages(Part::Hot);
        if hot == 0 {
            return;
        }
        let begin = Instant::now();
        let mut last = begin;
        for _ in 0..self.options.burst {
            let page = self.layout.page(Part::Hot, self.next_hot);
            self.next_hot = (self.next_hot + 1) % hot;
            black_box(self.memory.work(page));
            last = record(&mut self.touches, last);
        }
        self.done.ops += self.options.burst;
        self.done.busy += last - begin;
    }

    /// Touches every page of the warm part.
    fn sweep(&mut self) {
        let begin = Instant::now();
        let mut last = begin;
        for index in 0..self.layout.pages(Part::Warm) {
            self.memory.touch(self.layout.page(Part::Warm, index));
            last = record(&mut self.warm_touches, last);
        }
        self.done.ops += self.layout.pages(Part::Warm) as u64;
        self.done.busy += last - begin;
    }

    /// Touches everything, apart from the counts of ordinary work.
    fn touch_all(&mut self) -> Result<()> {
        let begin = Instant::now();
        for page in 0..self.layout.total() {
            self.memory.touch(page);
        }
        self.report(Event::TouchedAll, Some(begin.elapsed()), false)
    }

    fn do_what_is_due(&mut self, signals: &Signals) -> Result<()> {
        let now = self.start.elapsed();
        if now >= self.due.sweep {
            self.due.sweep += self.options.warm_every;
            self.sweep();
        }
        if let (Some(at), Some(every)) = (self.due.shift, self.options.shift_every)
            && now >= at
        {
            self.due.shift = Some(at + every);
            self.layout.move_along();
        }
        let planned = self.due.touch_all.is_some_and(|at| now >= at);
        if planned {
            self.due.touch_all = None;
        }
        if signals.touch_all.swap(false, Ordering::Relaxed) || planned {
            self.touch_all()?;
        }
        if signals.truth.swap(false, Ordering::Relaxed) {
            self.report(Event::Asked, None, true)?;
        }
        if now >= self.due.report {
            self.due.report += self.options.interval;
            self.report(Event::Interval, None, self.options.truth)?;
        }
        Ok(())
    }

    fn report(&mut self, event: Event, took: Option<Duration>, with_truth: bool) -> Result<()> {
        let interval_ops = self.done.ops - self.reported.ops;
        let interval_busy = self.done.busy.saturating_sub(self.reported.busy);
        let report = Report {
            kind: "tenant".to_owned(),
            name: self.options.name.clone(),
            event,
            t: self.start.elapsed().as_secs_f64(),
            ops: self.done.ops,
            busy: self.done.busy.as_secs_f64(),
            rate: rate(self.done.ops, self.done.busy),
            interval_rate: rate(interval_ops, interval_busy),
            touch: Latency::of(&self.touches),
            warm_touch: Latency::of(&self.warm_touches),
            seconds: took.map(|took| took.as_secs_f64()),
            truth: if with_truth { Some(self.table.truth(&self.memory, &self.layout)?) } else { None },
        };
        self.reported = self.done;
        self.write(&serde_json::to_string(&report)?)
    }

    fn write(&self, line: &str) -> Result<()> {
        let line = format!("{line}\n");
        let Some(path) = &self.options.report else {
            return std::io::stdout().write_all(line.as_bytes()).context("cannot print");
        };
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        file.write_all(line.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Records the time since `last` and returns now: one clock reading per touch.
fn record(histogram: &mut Histogram<u64>, last: Instant) -> Instant {
    let now = Instant::now();
    histogram.saturating_record(u64::try_from((now - last).as_nanos()).unwrap_or(u64::MAX).max(1));
    now
}

fn pages(bytes: u64) -> Result<usize> {
    Ok(usize::try_from(bytes)? / PAGE)
}
