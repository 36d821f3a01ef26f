//! Which tiers a policy allows.

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
