//! The settings of the host's watermarks, and settings that do nothing.

use lowtide_core::watermarks::{Factor, Settings};

use crate::{Problem, raw, source::Source};

/// The settings, with defaults for what is not given; `None` unless the host's watermarks are to be adapted.
pub(crate) fn watermarks(raw: &raw::HostWatermarks) -> Option<Settings> {
    let default = Settings::default();
    raw.adapt.unwrap_or(false).then(|| Settings {
        max_scale_factor: raw
            .max_scale_factor
            .and_then(|factor| Factor::new(factor.0))
            .unwrap_or(default.max_scale_factor),
        available_loss: raw.available_loss.as_ref().map_or(default.available_loss, |share| share.0),
        protection: raw.protection.as_ref().map_or(default.protection, |time| time.0),
    })
}

/// The warning that `watermarks` is there and nothing is adapted, where nobody has said so.
pub(crate) fn without_adapt(source: &Source, host: &raw::Host) -> Option<Problem> {
    let watermarks = host.watermarks.as_ref().filter(|watermarks| watermarks.value.adapt.is_none())?;
    let problem = source.problem(
        watermarks.span.clone(),
        "`watermarks` has no `adapt`, so nothing is adapted",
        "add `adapt: true`, or `adapt: false` to say that it is meant",
    );
    Some(problem.warning())
}
