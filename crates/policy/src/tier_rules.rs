//! Which tiers a policy allows.

use std::time::Duration;

use lowtide_core::{TierRule, TierRules};

use crate::{Problem, raw, read::At, source::Source};

/// The rules; without a list every tier is allowed.
pub(crate) fn rules(raw: Option<Vec<At<raw::TierRule>>>) -> TierRules {
    let Some(list) = raw else { return TierRules::Any };
    let rule = |at: At<raw::TierRule>| {
        let raw::TierRule { tier, after, at_most } = at.value;
        let rule = TierRule { after: after.map(|after| after.0), at_most: at_most.map(|at_most| at_most.0) };
        Some((tier?, rule))
    };
    TierRules::Only(list.into_iter().filter_map(rule).collect())
}

/// The first tier that is in a list twice.
pub(crate) fn twice(source: &Source, list: &[At<raw::TierRule>]) -> Option<Problem> {
    let named = || list.iter().filter_map(|at| Some((at.value.tier?, &at.span)));
    named().enumerate().find_map(|(index, (tier, span))| {
        let (_, first) = named().take(index).find(|(before, _)| *before == tier)?;
        let message = format!("the tier `{tier}` is in `tiers` twice");
        let problem = source.problem(span.clone(), message, "remove one of the two");
        Some(problem.related(source.related(first.clone(), "it is here already")))
    })
}

/// Two tiers of which memory would go to the slower one first.
pub(crate) fn descending(source: &Source, list: &[At<raw::TierRule>]) -> Option<Problem> {
    let aged = || list.iter().filter_map(|at| Some((at.value.tier?, at.value.after.as_ref()?.0, &at.span)));
    aged().find_map(|(slower, early, span)| {
        let (faster, late, first) =
            aged().find(|(tier, after, _)| tier.speed() < slower.speed() && *after > early)?;
        let message = format!(
            "memory would go to `{slower}`, after {}, before it goes to the faster `{faster}`, after {}",
            written(early),
            written(late)
        );
        let help = "ages ascend from the faster tier to the slower: node, then zram and zswap, then disk";
        Some(
            source
                .problem(span.clone(), message, help)
                .related(source.related(first.clone(), "the faster one is here")),
        )
    })
}

fn written(age: Duration) -> String {
    humantime::format_duration(age).to_string()
}
