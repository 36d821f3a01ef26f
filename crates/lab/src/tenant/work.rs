//! The tenant's life: bursts over the hot part, sweeps of the warm part, reports.

use super::ages::Ages;
use super::layout::{Layout, Part};
use super::memory::Memory;
use super::options::Options;
use super::pages::{PageTable, Truth};
use super::report::{Event, Latency, Report, rate};
use super::signals::Signals;
use super::sweep::{Style, Sweep};
use crate::guest::look;
use crate::size::PAGE;
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use std::hint::black_box;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Pages of a sweep that get one stamp of time, that of the last. From zram they take a few milliseconds.
const STAMPED_TOGETHER: usize = 256;

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

struct Tenant<'a> {
    options: &'a Options,
    layout: Layout,
    memory: Memory,
    table: PageTable,
    ages: Option<Ages>,
    start: Instant,
    next_hot: usize,
    done: Done,
    reported: Done,
    touches: Histogram<u64>,
    warm_touches: Histogram<u64>,
    sweeps: [Sweep; 2],
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
    report: Duration,
    shift: Option<Duration>,
    touch_all: Option<Duration>,
}

impl<'a> Tenant<'a> {
    fn new(options: &'a Options) -> Result<Self> {
        let layout = Layout::new(pages(options.hot)?, pages(options.warm)?, pages(options.cold)?)
            .with_scan(pages(options.scan)?);
        let mut ages = (!options.ages.is_empty())
            .then(|| Ages::new(layout.total(), &options.ages, Instant::now()))
            .transpose()?;
        let filled = |page| touched(&mut ages, page);
        // 1 ns to 60 s with two digits: 40 KiB, allocated here and hot ever after.
        let histogram =
            || Histogram::new_with_bounds(1, 60_000_000_000, 2).context("cannot make a histogram");
        Ok(Self {
            options,
            memory: Memory::fill(options, &layout, filled)?,
            layout,
            table: PageTable::open(options)?,
            ages,
            start: Instant::now(),
            next_hot: 0,
            done: Done::default(),
            reported: Done::default(),
            touches: histogram()?,
            warm_touches: histogram()?,
            sweeps: [
                Sweep::new(Part::Warm, options.warm_every, options.warm_sweep),
                Sweep::new(Part::Scan, options.scan_every, Style::Spread),
            ],
            due: Due {
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
        let first = self.next_hot;
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
        let count = usize::try_from(self.options.burst).unwrap_or(usize::MAX).min(hot);
        self.stamp(Part::Hot, first..first + count, last);
    }

    /// Touches the pages of the warm and the scanned part whose time has come.
    fn sweep(&mut self, now: Duration) {
        for index in 0..self.sweeps.len() {
            let part = self.sweeps[index].part;
            let mut rest = self.sweeps[index].due(now, self.layout.pages(part));
            while !rest.is_empty() {
                let chunk = rest.start..rest.end.min(rest.start + STAMPED_TOGETHER);
                rest.start = chunk.end;
                self.touch_chunk(part, chunk);
            }
        }
    }

    fn touch_chunk(&mut self, part: Part, indices: Range<usize>) {
        let pages = self.layout.pages(part);
        let begin = Instant::now();
        let mut last = begin;
        for index in indices.clone() {
            self.memory.touch(self.layout.page(part, index % pages));
            last = record(&mut self.warm_touches, last);
        }
        self.done.ops += indices.len() as u64;
        self.done.busy += last - begin;
        self.stamp(part, indices, last);
    }

    /// Notes the touch of these pages of a part, counted round and round. Not part of the work that is timed.
    fn stamp(&mut self, part: Part, indices: Range<usize>, at: Instant) {
        let pages = self.layout.pages(part);
        if let Some(ages) = &mut self.ages {
            indices.for_each(|index| ages.touched(self.layout.page(part, index % pages), at));
        }
    }

    /// Touches everything, apart from the counts of ordinary work.
    fn touch_all(&mut self) -> Result<()> {
        let begin = Instant::now();
        for page in 0..self.layout.total() {
            self.memory.touch(page);
            touched(&mut self.ages, page);
        }
        self.report(Event::TouchedAll, Some(begin.elapsed()), false)
    }

    fn do_what_is_due(&mut self, signals: &Signals) -> Result<()> {
        let now = self.start.elapsed();
        self.sweep(now);
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
        let (t, clock, now) = (self.start.elapsed(), look::now()?, Instant::now());
        let interval_ops = self.done.ops - self.reported.ops;
        let interval_busy = self.done.busy.saturating_sub(self.reported.busy);
        let report = Report {
            kind: "tenant".to_owned(),
            name: self.options.name.clone(),
            event,
            t: t.as_secs_f64(),
            clock,
            ops: self.done.ops,
            busy: self.done.busy.as_secs_f64(),
            rate: rate(self.done.ops, self.done.busy),
            interval_rate: rate(interval_ops, interval_busy),
            touch: Latency::of(&self.touches),
            warm_touch: Latency::of(&self.warm_touches),
            seconds: took.map(|took| took.as_secs_f64()),
            wrong_pages: (event == Event::Final).then(|| self.memory.wrong_pages()).flatten(),
            locked: self.ages.as_ref().map_or(0, Ages::locked),
            truth: with_truth.then(|| self.truth(now)).transpose()?,
        };
        self.reported = self.done;
        report.write(self.options.report.as_deref())
    }

    fn truth(&mut self, now: Instant) -> Result<Truth> {
        let look = self.ages.as_mut().map(|ages| ages.look(now));
        self.table.truth(&self.memory, &self.layout, look)
    }
}

/// Records the time since `last` and returns now: one clock reading per touch.
fn record(histogram: &mut Histogram<u64>, last: Instant) -> Instant {
    let now = Instant::now();
    histogram.saturating_record(u64::try_from((now - last).as_nanos()).unwrap_or(u64::MAX).max(1));
    now
}

/// Notes a touch of one page now.
fn touched(ages: &mut Option<Ages>, page: usize) {
    if let Some(ages) = ages {
        ages.touched(page, Instant::now());
    }
}

fn pages(bytes: u64) -> Result<usize> {
    Ok(usize::try_from(bytes)? / PAGE)
}
