//! The swap balancer's settings: defaults, and marks that are the right way round.

use lowtide_core::balancer::Settings;

use crate::{Problem, raw, source::Source};

/// The settings, with defaults for what is not given.
pub(crate) fn balancer(raw: &raw::HostBalancer) -> Settings {
    let default = Settings::default();
    Settings {
        watermark: raw.watermark.as_ref().map_or(default.watermark, |mark| mark.value.0),
        low: raw.low.as_ref().map_or(default.low, |mark| mark.value.0),
        scan_interval: raw.scan_interval.as_ref().map_or(default.scan_interval, |time| time.0),
        min_age: raw.min_age.as_ref().map_or(default.min_age, |age| age.0),
        rate: raw.rate.as_ref().map_or(default.rate, |rate| rate.0),
        write_budget: raw.write_budget.as_ref().map(|budget| budget.0),
    }
}

/// The error of a low mark that is not below the watermark.
pub(crate) fn out_of_order(source: &Source, host: &raw::Host) -> Option<Problem> {
    let raw = host.balancer.as_ref()?;
    let Settings { watermark, low, .. } = balancer(raw);
    if low < watermark {
        return None;
    }
    let help = "pages sink from `watermark` down to `low`: leave some per cent between the two";
    let problem = |at, key: &str, mark, other: &str, value, by_default| {
        let message =
            format!("`balancer.{key}` is {mark}, and `balancer.{other}`, {value}{by_default}, has to be");
        let how = if key == "low" { "above it" } else { "below it" };
        source.problem(at, format!("{message} {how}"), help)
    };
    match (&raw.low, &raw.watermark) {
        (Some(at), None) => Some(problem(at.span.clone(), "low", low, "watermark", watermark, " by default")),
        (None, Some(at)) => Some(problem(at.span.clone(), "watermark", watermark, "low", low, " by default")),
        (Some(at), Some(other)) => {
            let related = source.related(other.span.clone(), "`balancer.watermark` is here");
            Some(problem(at.span.clone(), "low", low, "watermark", watermark, "").related(related))
        }
        // The defaults are the right way round.
        (None, None) => None,
    }
}
