//! What no kernel would take, or would take and do nothing: said before anything is written.

use std::num::NonZeroU64;

use lowtide_core::Ratio;

use crate::{
    Action, AddressRange, Context, Destination, Error, Filter, FilterKind, Goal, Monitoring, Operations,
    Process, Result, Scheme, Space, Span,
};

/// `DAMON_MAX_PROBES` (include/linux/damon.h, 7.3).
const MOST_PROBES: usize = 4;
/// A probe's hits are counted in eight bits (`damon_valid_probe_params`).
const MOST_WEIGHED_SAMPLES: u64 = 255;

/// `Err` if `wrong`.
fn refuse(wrong: bool, field: &str, why: &'static str) -> Result<()> {
    if wrong { Err(Error::Invalid { field: field.to_owned(), why }) } else { Ok(()) }
}

pub(crate) fn check(context: &Context) -> Result<()> {
    let power = context.address_unit.is_none_or(NonZeroU64::is_power_of_two);
    refuse(!power, "addr_unit", "is not a power of two")?;
    let physical = context.space.operations() == Operations::Paddr;
    refuse(context.address_unit.is_some() && !physical, "addr_unit", "is for physical addresses")?;
    monitoring(&context.monitoring)?;
    space(&context.space)?;
    context.schemes.iter().enumerate().try_for_each(|(index, one)| scheme(index, one, context))?;
    context.memcgs().try_for_each(|path| {
        let bad = !path.starts_with('/') || path.contains(['\n', '\0']);
        refuse(bad, "memcg_path", "is not a path from the root of the hierarchy")
    })
}

fn monitoring(monitoring: &Monitoring) -> Result<()> {
    let intervals = &monitoring.intervals;
    refuse(intervals.sample.as_micros() == 0, "monitoring_attrs/intervals/sample_us", "is zero")?;
    let shorter = intervals.aggregation < intervals.sample;
    refuse(shorter, "monitoring_attrs/intervals/aggr_us", "is shorter than a sample")?;
    if let Some(goal) = &intervals.goal {
        let field = "monitoring_attrs/intervals/intervals_goal";
        refuse(goal.aggregations == 0, field, "tunes after no aggregation")?;
        let within = goal.min_sample <= intervals.sample && intervals.sample <= goal.max_sample;
        refuse(!within, field, "has a range of samples that does not include sample_us")?;
    }
    let regions = &monitoring.regions;
    refuse(regions.min < 3, "monitoring_attrs/nr_regions/min", "is less than three")?;
    refuse(regions.max < regions.min, "monitoring_attrs/nr_regions/max", "is less than min")?;
    let probes = &monitoring.probes;
    refuse(probes.len() > MOST_PROBES, "monitoring_attrs/probes", "are more than four")?;
    let weighed = probes.iter().any(|probe| probe.weight > 0);
    let many = weighed && intervals.samples() > MOST_WEIGHED_SAMPLES;
    refuse(many, "monitoring_attrs/probes", "have weights with more than 255 samples in an aggregation")
}

fn space(space: &Space) -> Result<()> {
    match space {
        Space::Physical(of) => ranges("targets/0/regions", of, true),
        Space::Processes(of) => processes(of, false),
        Space::FixedRanges(of) => processes(of, true),
    }
}

/// A kdamond without a living process ends at once.
fn processes(processes: &[Process], ranges_needed: bool) -> Result<()> {
    refuse(processes.iter().all(|process| process.obsolete), "targets", "are none")?;
    processes.iter().enumerate().try_for_each(|(index, process)| {
        let pid = i32::try_from(process.pid).is_ok_and(|pid| pid > 0);
        refuse(!pid, &format!("targets/{index}/pid_target"), "is no process id")?;
        ranges(&format!("targets/{index}/regions"), &process.ranges, ranges_needed && !process.obsolete)
    })
}

/// Rounded to pages they must not overlap (`damon_set_regions`).
fn ranges(field: &str, ranges: &[AddressRange], needed: bool) -> Result<()> {
    const PAGE: u64 = 4096;
    refuse(needed && ranges.is_empty(), field, "are none")?;
    let overlap = ranges.windows(2).any(|pair| {
        let [left, right] = pair else { return false };
        left.end().div_ceil(PAGE) > right.start() / PAGE
    });
    refuse(overlap, field, "are not in order, or overlap")
}

fn scheme(index: usize, scheme: &Scheme, context: &Context) -> Result<()> {
    let at = |file: &str| format!("schemes/{index}/{file}");
    let operations = context.space.operations();
    refuse(!does_something(&scheme.action, operations), &at("action"), action_fault(operations))?;
    destination(&scheme.action, operations, &at("dests"))?;
    let pattern = &scheme.pattern;
    refuse(pattern.size.min > pattern.size.max, &at("access_pattern/sz"), "has min above max")?;
    refuse(empty(pattern.accesses), &at("access_pattern/nr_accesses"), "has min above max")?;
    refuse(empty(pattern.age), &at("access_pattern/age"), "has min above max")?;
    if let Some(marks) = &scheme.watermarks {
        let ordered = marks.low <= marks.mid && marks.mid <= marks.high && marks.high <= Ratio::ONE;
        refuse(!ordered, &at("watermarks"), "are not low <= mid <= high <= 1")?;
    }
    scheme.quota.goals.iter().try_for_each(|one| goal(one, operations, &at("quotas/goals")))?;
    let targets = context.space.processes().len().max(1);
    scheme.filters.iter().try_for_each(|one| filter(one, targets, &at("filters")))
}

const fn empty(span: Span<u32>) -> bool {
    span.min > span.max
}

/// `damon_va_apply_scheme` and `damon_pa_apply_scheme` pass over what they do not know.
const fn does_something(action: &Action, operations: Operations) -> bool {
    match action {
        Action::WillNeed | Action::Cold | Action::HugePage | Action::NoHugePage | Action::Collapse => {
            !matches!(operations, Operations::Paddr)
        }
        Action::LruPrio | Action::LruDeprio => matches!(operations, Operations::Paddr),
        Action::PageOut | Action::MigrateHot(_) | Action::MigrateCold(_) | Action::Stat => true,
    }
}

const fn action_fault(operations: Operations) -> &'static str {
    match operations {
        Operations::Paddr => "does nothing to physical memory",
        Operations::Vaddr | Operations::Fvaddr => "does nothing to processes",
    }
}

fn destination(action: &Action, operations: Operations, field: &str) -> Result<()> {
    let Some(Destination::Interleaved(nodes)) = action.destination() else { return Ok(()) };
    refuse(operations == Operations::Paddr, field, "are for processes: name one node for physical memory")?;
    refuse(nodes.is_empty(), field, "are none")?;
    refuse(nodes.iter().all(|(_, weight)| *weight == 0), field, "weigh nothing")
}

fn goal(goal: &Goal, operations: Operations, field: &str) -> Result<()> {
    let zero = match goal {
        Goal::UserInput { target, .. } => *target == 0,
        Goal::MemoryPressure { target } => target.as_micros() == 0,
        Goal::NodeUsed { target, .. }
        | Goal::NodeFree { target, .. }
        | Goal::NodeMemcgUsed { target, .. }
        | Goal::NodeMemcgFree { target, .. }
        | Goal::Active { target }
        | Goal::Inactive { target }
        | Goal::NodeEligible { target, .. } => target.get() < 0.000_05,
    };
    // The kernel leaves such a goal out, and says nothing (`damos_sysfs_add_quota_score`).
    refuse(zero, field, "has a target of zero, which is no goal")?;
    let needs_paddr = matches!(goal, Goal::NodeEligible { .. }) && operations != Operations::Paddr;
    refuse(needs_paddr, field, "node_eligible_mem_bp is for physical memory")
}

fn filter(filter: &Filter, targets: usize, field: &str) -> Result<()> {
    match &filter.kind {
        FilterKind::Target(index) => {
            let there = usize::try_from(*index).is_ok_and(|index| index < targets);
            refuse(!there, field, "names a target that is not there")
        }
        FilterKind::HugepageSize(sizes) => {
            refuse(sizes.min > sizes.max, field, "has sizes with min above max")
        }
        _ => Ok(()),
    }
}
