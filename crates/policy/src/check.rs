//! From raw values to the configuration: defaults, and what only shows when all files are seen together.

use std::{collections::HashMap, sync::Arc};

use lowtide_core::{Budgets, Holdout, Limits, Policy, Slo};

use crate::{
    Config, PolicySet, Price, Problem,
    balancer::balancer,
    found::{Found, cold_after},
    hints::hint,
    history::history,
    hotness::hotness,
    is_protected,
    leaf::Match,
    lines::lines,
    matcher::Checked,
    metrics::metrics,
    pattern::Pattern,
    raw,
    read::At,
    source::{Source, Span},
    tier_rules,
    tiers::tiers,
    treatments::treatments,
    watermarks::watermarks,
    whole_host::{self, Alone},
};

/// The configuration without its policies. Cannot fail: what is out of range was not read.
pub(crate) fn host(raw: raw::Host) -> Config {
    let default = Config::default();
    let control = raw.control.unwrap_or_default();
    Config {
        interval: raw.interval.map_or(default.interval, |interval| interval.0),
        metrics: raw.metrics.and_then(metrics),
        control_socket: control.socket.map_or(default.control_socket, |socket| socket.0),
        control_group: control.group.map(|group| group.0),
        state_dir: raw.state_dir.map_or(default.state_dir, |dir| dir.0),
        hotness: hotness(raw.hotness.as_ref()),
        history: history(&raw.history.unwrap_or_default()),
        budgets: budgets(raw.budgets.unwrap_or_default(), raw.holdout.unwrap_or_default()),
        balancer: raw.balancer.as_ref().map(balancer),
        watermarks: raw.watermarks.and_then(|raw| watermarks(&raw.value)),
        treatments: treatments(&raw.treatments.unwrap_or_default()),
        tiers: tiers(raw.tiers.unwrap_or_default()),
        price: raw.price_per_gib_month.and_then(price),
        policies: PolicySet::default(),
    }
}

/// `None` if its `dram` was missing or wrong, which was noted when it was read.
fn price(raw: raw::Price) -> Option<Price> {
    let currency = raw.currency.map_or_else(|| raw::Price::CURRENCY.to_owned(), |currency| currency.0);
    Some(Price { dram: raw.dram?.0, currency })
}

fn budgets(raw: raw::HostBudgets, held_out: raw::HostHoldout) -> Budgets {
    let default = Budgets::default();
    Budgets {
        reclaim_cpu: raw.reclaim_cpu.map_or(default.reclaim_cpu, |share| share.0),
        swap_out: raw.swap_out.map_or(default.swap_out, |rate| rate.0),
        swap_reserve: raw.swap_reserve.map_or(default.swap_reserve, |share| share.0),
        watermark_distance: raw.watermark_distance.map_or(default.watermark_distance, |share| share.0),
        direct_reclaim: raw.direct_reclaim.map_or(default.direct_reclaim, |rate| rate.0),
        holdout: holdout(held_out),
    }
}

fn holdout(raw: raw::HostHoldout) -> Holdout {
    let default = Holdout::default();
    Holdout {
        share: raw.share.map_or(default.share, |share| share.0),
        seed: raw.seed.map_or(default.seed, |seed| seed.0),
    }
}

/// The policies with their patterns, and what is wrong with them.
pub(crate) fn policies(found: Vec<Found<'_>>) -> (Vec<Checked>, Vec<Problem>) {
    let mut seen = Seen::default();
    let mut checked = Vec::new();
    for Found { source, policy } in found {
        let raw = policy.value;
        let Some(name) = &raw.name else { continue };
        seen.name(source, &name.value.0, &name.span);
        let namespaces = asked(&raw);
        for pattern in &raw.patterns {
            seen.pattern(source, &name.value.0, pattern, &namespaces);
        }
        seen.namespaces(source, &raw);
        seen.tiers(source, &raw);
        checked.push(finish(name.value.0.clone(), raw));
    }
    let not_alone = seen.alone.problem();
    (checked, seen.errors.into_iter().chain(not_alone).chain(seen.warnings).collect())
}

fn finish(name: Arc<str>, raw: raw::Policy) -> Checked {
    let default = Policy::observe(&name);
    let cold_after = cold_after(&raw);
    let policy = Policy {
        name,
        mode: raw.mode.unwrap_or(default.mode),
        slo: slo(raw.slo.unwrap_or_default()),
        cold_after,
        tiers: tier_rules::rules(raw.tiers),
        tmpfs_to_disk: raw.tmpfs_to_disk.unwrap_or(default.tmpfs_to_disk),
        limits: limits(raw.limits.unwrap_or_default()),
        lines: lines(&raw.lines.unwrap_or_default(), cold_after),
    };
    let patterns = raw.patterns.into_iter().flat_map(|pattern| pattern.value.0).collect();
    let namespaces = raw.namespaces.unwrap_or_default().into_iter().flat_map(|item| item.value.0).collect();
    let may_choose = raw.may_choose.unwrap_or_default().into_iter().map(|named| named.value.0).collect();
    Checked { policy, patterns, namespaces, may_choose }
}

/// The namespaces of a policy in one order, to tell whether those of another one are the same.
fn asked(policy: &raw::Policy) -> String {
    let items = policy.namespaces.iter().flatten();
    let mut texts: Vec<_> = items.flat_map(|item| &item.value.0).map(|pattern| &*pattern.text).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.concat()
}

fn slo(raw: raw::PolicySlo) -> Slo {
    let default = Slo::default();
    let memory_pressure = raw.memory_pressure.map_or(default.memory_pressure, |share| share.0);
    Slo {
        memory_pressure,
        io_pressure: raw.io_pressure.map_or(default.io_pressure, |share| share.0),
        slowdown: raw.slowdown.map_or_else(|| Slo::slowdown_by(memory_pressure), |share| share.0),
        promotion_rate: raw.promotion_rate.map(|share| share.0).or(default.promotion_rate),
    }
}

fn limits(raw: raw::PolicyLimits) -> Limits {
    let default = Limits::default();
    Limits {
        floor: raw.floor.map_or(default.floor, |size| size.0),
        per_minute: raw.per_minute.map_or(default.per_minute, |share| share.0),
    }
}

/// Names and patterns so far, each with its place.
#[derive(Default)]
struct Seen<'s> {
    names: HashMap<Arc<str>, (&'s Source, Span)>,
    /// The pattern with the namespaces that it is for, the policy it is in, and where.
    patterns: HashMap<(String, String), (Arc<str>, &'s Source, Span)>,
    /// Whether `/` stands beside others.
    alone: Alone<'s>,
    globs: usize,
    errors: Vec<Problem>,
    /// Apart, so that many of them leave no error out.
    warnings: Vec<Problem>,
}

/// Patterns with wildcards, in all policies. Enough for any host, and the matcher stays small.
const MAX_GLOBS: usize = 1000;

/// More errors, or warnings, are not shown.
const MAX_PROBLEMS: usize = 50;

impl<'s> Seen<'s> {
    fn name(&mut self, source: &'s Source, name: &Arc<str>, span: &Span) {
        if self.errors.len() > MAX_PROBLEMS {
            return;
        }
        if let Some((first, at)) = self.names.get(name) {
            let help = "give each policy a name of its own: metrics and reports tell them apart by it";
            let problem = source.problem(span.clone(), format!("two policies are called `{name}`"), help);
            self.errors.push(problem.related(first.related(at.clone(), "the other one is here")));
        } else {
            self.names.insert(name.clone(), (source, span.clone()));
        }
    }

    fn tiers(&mut self, source: &Source, policy: &raw::Policy) {
        if self.errors.len() <= MAX_PROBLEMS {
            let tiers = policy.tiers.as_deref().unwrap_or_default();
            self.errors.extend(tier_rules::twice(source, tiers));
            self.errors.extend(tier_rules::descending(source, tiers));
            self.errors.extend(whole_host::tiers(source, policy));
            self.errors.extend(whole_host::may_choose(source, policy));
            self.errors.extend(whole_host::namespaces(source, policy));
        }
    }

    fn namespaces(&mut self, source: &Source, policy: &raw::Policy) {
        for item in policy.namespaces.iter().flatten() {
            for pattern in &item.value.0 {
                self.count(source, &item.span, pattern.glob.is_some());
            }
        }
    }

    fn count(&mut self, source: &Source, span: &Span, is_glob: bool) {
        self.globs += usize::from(is_glob);
        if is_glob && self.globs == MAX_GLOBS + 1 {
            let message = format!("more than {MAX_GLOBS} patterns with wildcards");
            let help = "use fewer and wider patterns; paths without wildcards are not counted";
            self.errors.push(source.problem(span.clone(), message, help));
        }
    }

    fn pattern(&mut self, source: &'s Source, policy: &Arc<str>, pattern: &At<Match>, namespaces: &str) {
        if self.errors.len() > MAX_PROBLEMS {
            return;
        }
        for Pattern { text, glob, .. } in &pattern.value.0 {
            self.count(source, &pattern.span, glob.is_some());
            self.alone.take(source, &pattern.span, text);
            let key = (text.clone(), namespaces.to_owned());
            if let Some((other, first, at)) = self.patterns.get(&key) {
                let problem = same_pattern(source, pattern, text, policy, other);
                self.errors.push(problem.related(first.related(at.clone(), "it is here already")));
                return;
            }
            self.patterns.insert(key, (policy.clone(), source, pattern.span.clone()));
            if self.warnings.len() <= MAX_PROBLEMS {
                self.warnings.extend(pointless(source, &pattern.span, text, !namespaces.is_empty()));
                self.warnings.extend(hint(source, &pattern.span, text));
            }
        }
    }
}

fn same_pattern(source: &Source, at: &At<Match>, text: &str, policy: &str, other: &str) -> Problem {
    if policy == other {
        let message = format!("the pattern `{text}` is in policy `{policy}` twice");
        return source.problem(at.span.clone(), message, "remove one of the two");
    }
    let message = format!("the pattern `{text}` is in two policies, `{other}` and `{policy}`");
    source.problem(
        at.span.clone(),
        message,
        "one of them could never be used: remove it, or make it more specific",
    )
}

/// Patterns that are allowed, but cannot be meant. With `namespaces` a pattern may match everything: pods
/// alone are meant.
fn pointless(source: &Source, span: &Span, pattern: &str, asks: bool) -> Option<Problem> {
    let (message, help) = if pattern == "/**" {
        if asks {
            return None;
        }
        (
            "`/**` matches every cgroup of the host",
            "name the slices that hold tenants, such as /system.slice/** or /kubepods.slice/**; `/` alone is the host as a whole",
        )
    } else if pattern != whole_host::WHOLE_HOST
        && is_protected(pattern.strip_suffix("/**").unwrap_or(pattern))
    {
        (
            "this is what the host is administered through, and never a target",
            "remove the pattern; docs/policy.md lists what is left alone",
        )
    } else {
        return None;
    };
    Some(source.problem(span.clone(), message, help).warning())
}
