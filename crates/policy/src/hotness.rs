//! Where idle ages come from: defaults, and policies that it is too slow for.

use std::time::Duration;

use humantime::format_duration;
use lowtide_core::{Mode, Policy};

use crate::{
    Hotness, Problem, SourceChoice,
    found::{Found, cold_after},
    raw,
    source::Source,
};

/// More are not shown.
const MAX_WARNINGS: usize = 50;

/// The host's settings, with defaults for what is not given.
pub(crate) fn hotness(raw: Option<&raw::HostHotness>) -> Hotness {
    let default = Hotness::default();
    let Some(raw) = raw else { return default };
    Hotness {
        source: raw.source.unwrap_or(default.source),
        interval: raw.interval.as_ref().map_or(default.interval, |interval| interval.value.0),
        cpu: raw.cpu.as_ref().map_or(default.cpu, |share| share.0),
        observe: raw.observe.unwrap_or(default.observe),
    }
}

/// Warnings of policies whose memory becomes cold faster than walks come.
pub(crate) fn too_slow(source: &Source, host: &raw::Host, found: &[Found<'_>]) -> Vec<Problem> {
    let raw = host.hotness.as_ref();
    let hotness = hotness(raw);
    if hotness.source == SourceChoice::None {
        return Vec::new();
    }
    let interval = raw.and_then(|raw| raw.interval.as_ref());
    let late = found.iter().filter(|found| is_late(&found.policy.value, hotness.interval)).take(MAX_WARNINGS);
    late.filter_map(|found| {
        let warning = warning(found, hotness.interval)?;
        Some(match interval {
            Some(at) => warning.related(source.related(at.span.clone(), "`hotness.interval` is here")),
            None => warning,
        })
    })
    .collect()
}

fn is_late(policy: &raw::Policy, interval: Duration) -> bool {
    let mode = policy.mode.unwrap_or(Policy::observe("").mode);
    mode > Mode::Observe && cold_after(policy) < interval * 2
}

fn warning(found: &Found<'_>, interval: Duration) -> Option<Problem> {
    let policy = &found.policy.value;
    let (span, by_default) = match &policy.cold_after {
        Some(given) => (&given.span, ""),
        None => (&policy.name.as_ref()?.span, " by default"),
    };
    let cold_after = cold_after(policy);
    let message = format!(
        "`cold_after` is {}{by_default}, less than twice `hotness.interval`, which is {interval}: ages are known only \
         at walks, so cold memory is found up to {interval} late",
        format_duration(cold_after),
        interval = format_duration(interval),
    );
    Some(found.source.problem(span.clone(), message, remedy(cold_after)).warning())
}

fn remedy(cold_after: Duration) -> String {
    let interval = Duration::from_secs(cold_after.as_secs() / 2);
    if interval.is_zero() {
        // 1 s is the shortest interval.
        return "raise `cold_after` to 2s or more, and shorten `hotness.interval` in lowtide.yaml to 1s"
            .into();
    }
    format!(
        "shorten `hotness.interval` in lowtide.yaml to {} or less, or raise `cold_after`",
        format_duration(interval)
    )
}
