//! From a description to the writes that make it, in their order: a number of directories before what is in
//! them.

mod scheme;

use std::{fmt::Display, num::NonZeroU64, time::Duration};

use lowtide_core::Ratio;

use crate::{
    AddressRange, Capabilities, Context, Monitoring, Part, ProbeKind, Process, Space, Verdict,
    capabilities::{AVAIL_OPERATIONS, template},
    describe::Keyword,
};

/// The context's directory below `kdamonds/N`; there is one in every kernel up to 7.3.
pub(crate) const CONTEXT: &str = "contexts/0";
/// Of the kdamond, not of its context.
pub(crate) const REFRESH: &str = "refresh_ms";

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Below `kdamonds/N`.
    pub(crate) path: String,
    pub(crate) value: String,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Makes so many directories anew, and loses what was in them: never written where it is so already.
    Count,
    /// Takes numbers, switches and paths. What a kernel does without the file.
    Value(&'static str),
    /// Takes one of some words. What a kernel does without the file.
    Keyword(&'static str),
}

impl Step {
    /// What a kernel without the file does anyway.
    const fn default(&self) -> &'static str {
        match self.kind {
            Kind::Count => "0",
            Kind::Value(default) | Kind::Keyword(default) => default,
        }
    }

    /// The part that it needs and the kernel lacks.
    fn missing(&self, capabilities: &Capabilities) -> Option<Part> {
        let file = template(&self.path);
        // What the kernel was built with stands in another file than the choice.
        if file == "contexts/N/operations" && !capabilities.takes(AVAIL_OPERATIONS, &self.value) {
            return Some(Part { file, keyword: Some(self.value.clone()) });
        }
        if !capabilities.has_file(&file) {
            return (self.value != self.default()).then_some(Part { file, keyword: None });
        }
        let unknown = matches!(self.kind, Kind::Keyword(_))
            && file != "contexts/N/operations"
            && !capabilities.takes(&file, &self.value);
        unknown.then(|| Part { file, keyword: Some(self.value.clone()) })
    }
}

/// All writes of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    layered: bool,
    /// Bytes that the kernel counts as one: in addresses, in sizes of regions and in quotas.
    unit: u64,
}

impl Plan {
    /// `layered`: filters stand in the directory of their layer.
    pub(crate) fn new(context: &Context, layered: bool) -> Self {
        let unit = context.address_unit.map_or(1, NonZeroU64::get);
        let mut plan = Self { steps: Vec::new(), layered, unit };
        plan.value(REFRESH, &millis(context.refresh.unwrap_or_default()), "0");
        let at = |file: &str| format!("{CONTEXT}/{file}");
        plan.keyword(at("operations"), &context.space.operations(), "vaddr");
        plan.value(at("addr_unit"), &unit, "1");
        plan.value(at("pause"), &switch(context.paused), "N");
        plan.monitoring(&context.monitoring);
        plan.space(&context.space);
        plan.count(at("schemes/nr_schemes"), context.schemes.len());
        for (index, scheme) in context.schemes.iter().enumerate() {
            plan.scheme(&at(&format!("schemes/{index}")), scheme);
        }
        plan
    }

    /// What the kernel lacks, each part once; of a directory that it lacks, only the number of those in it.
    pub(crate) fn missing(&self, capabilities: &Capabilities) -> Vec<Part> {
        let mut missing: Vec<Part> = Vec::new();
        let mut lacked: Option<&str> = None;
        for step in &self.steps {
            if lacked.is_some_and(|directory| step.path.starts_with(directory)) {
                continue;
            }
            let Some(part) = step.missing(capabilities) else { continue };
            if step.kind == Kind::Count {
                lacked = step.path.rfind('/').map(|end| &step.path[..=end]);
            }
            if !missing.contains(&part) {
                missing.push(part);
            }
        }
        missing
    }

    /// Without the writes of files that the kernel does not have and does not need.
    pub(crate) fn for_kernel(mut self, capabilities: &Capabilities) -> Self {
        self.steps.retain(|step| capabilities.has_file(&template(&step.path)));
        self
    }

    /// The writes of quota goals alone.
    pub(crate) fn goals_only(mut self) -> Self {
        self.steps.retain(|step| step.path.contains("/quotas/goals/"));
        self
    }

    fn monitoring(&mut self, monitoring: &Monitoring) {
        let at = |file: &str| format!("{CONTEXT}/monitoring_attrs/{file}");
        let intervals = &monitoring.intervals;
        self.value(at("intervals/sample_us"), &micros(intervals.sample), "");
        self.value(at("intervals/aggr_us"), &micros(intervals.aggregation), "");
        self.value(at("intervals/update_us"), &micros(intervals.update), "");
        let goal = intervals.goal.as_ref();
        let tuned = |file: &str| at(&format!("intervals/intervals_goal/{file}"));
        self.value(tuned("access_bp"), &goal.map_or(0, |goal| parts(goal.access, 10_000)), "0");
        self.value(tuned("aggrs"), &goal.map_or(0, |goal| goal.aggregations), "0");
        self.value(tuned("min_sample_us"), &goal.map_or(0, |goal| micros(goal.min_sample)), "0");
        self.value(tuned("max_sample_us"), &goal.map_or(0, |goal| micros(goal.max_sample)), "0");
        self.value(at("nr_regions/min"), &monitoring.regions.min, "");
        self.value(at("nr_regions/max"), &monitoring.regions.max, "");
        self.count(at("probes/nr_probes"), monitoring.probes.len());
        for (index, probe) in monitoring.probes.iter().enumerate() {
            let at = |file: &str| at(&format!("probes/{index}/{file}"));
            self.value(at("weight"), &probe.weight, "0");
            self.count(at("filters/nr_filters"), probe.filters.len());
            for (index, filter) in probe.filters.iter().enumerate() {
                let at = |file: &str| at(&format!("filters/{index}/{file}"));
                self.keyword(at("type"), &filter.kind, "");
                self.value(at("matching"), &switch(filter.matching), "");
                self.value(at("allow"), &switch(filter.verdict == Verdict::Allow), "");
                if let ProbeKind::Memcg(path) = &filter.kind {
                    self.value(at("path"), &path, "");
                }
            }
        }
    }

    fn space(&mut self, space: &Space) {
        let at = |file: &str| format!("{CONTEXT}/targets/{file}");
        match space {
            Space::Processes(processes) | Space::FixedRanges(processes) => {
                self.count(at("nr_targets"), processes.len());
                for (index, process) in processes.iter().enumerate() {
                    self.process(&at(&index.to_string()), process);
                }
            }
            Space::Physical(ranges) => {
                self.count(at("nr_targets"), 1);
                self.ranges(&at("0"), ranges);
            }
        }
    }

    fn process(&mut self, at: &str, process: &Process) {
        /// Of a target that is to be removed only the flag counts; but the kernel looks its process up first,
        /// and refuses the whole commit if it is gone (`damon_sysfs_add_target`), which is why it is removed
        /// most often. This one lives.
        const INIT: u32 = 1;
        let pid = if process.obsolete { INIT } else { process.pid };
        self.value(format!("{at}/pid_target"), &pid, "");
        self.value(format!("{at}/obsolete_target"), &switch(process.obsolete), "N");
        self.ranges(at, &process.ranges);
    }

    fn ranges(&mut self, at: &str, ranges: &[AddressRange]) {
        self.count(format!("{at}/regions/nr_regions"), ranges.len());
        for (index, range) in ranges.iter().enumerate() {
            self.range(&format!("{at}/regions/{index}/"), *range);
        }
    }

    /// Into the files `start` and `end` with something before their names; whole units around it.
    fn range(&mut self, at: &str, range: AddressRange) {
        self.value(format!("{at}start"), &(range.start() / self.unit), "");
        self.value(format!("{at}end"), &range.end().div_ceil(self.unit), "");
    }

    fn count(&mut self, path: String, count: usize) {
        self.steps.push(Step { path, value: count.to_string(), kind: Kind::Count });
    }

    /// `default`: what kernels without the file do; empty if all have it.
    fn value(&mut self, path: impl Into<String>, value: &dyn Display, default: &'static str) {
        self.steps.push(Step { path: path.into(), value: value.to_string(), kind: Kind::Value(default) });
    }

    fn keyword(&mut self, path: String, value: &dyn Keyword, default: &'static str) {
        self.word(path, value.keyword(), default);
    }

    fn word(&mut self, path: String, value: &'static str, default: &'static str) {
        self.steps.push(Step { path, value: value.to_owned(), kind: Kind::Keyword(default) });
    }
}

const fn switch(on: bool) -> &'static str {
    if on { "Y" } else { "N" }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What the kernel takes as milliseconds, it takes as an int.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A share in so many parts of one, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a ratio is not negative, and float to int saturates"
)]
fn parts(share: Ratio, of_one: u32) -> u64 {
    (share.get() * f64::from(of_one)).round() as u64
}
