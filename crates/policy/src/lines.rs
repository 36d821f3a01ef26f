//! The three lines of a policy: defaults, and the order that they have to be in.

use std::time::Duration;

use lowtide_core::{Line, Lines};

use crate::{
    Problem,
    found::{Found, cold_after},
    leaf::LineAt,
    raw::PolicyLines,
    read::At,
    source::{Source, Span},
};

/// More are not shown.
const MAX_PROBLEMS: usize = 50;

const HELP: &str = "hot, warm and cold ascend; a line that is not given lies at half of `cold_after`, at `cold_after` \
                    and at ten times `cold_after`";

/// The lines of a policy, with defaults for those that it does not give.
pub(crate) fn lines(raw: &PolicyLines, cold_after: Duration) -> Lines {
    let default = Lines::around(cold_after);
    let line = |given: &Option<At<LineAt>>, default| given.as_ref().map_or(default, |given| given.value.0);
    Lines {
        hot: line(&raw.hot, default.hot),
        warm: line(&raw.warm, default.warm),
        cold: line(&raw.cold, default.cold),
    }
}

/// One line, and where it is given, if it is.
struct Drawn {
    key: &'static str,
    line: Line,
    span: Option<Span>,
}

/// Errors of policies whose lines do not ascend.
pub(crate) fn out_of_order(found: &[Found<'_>]) -> Vec<Problem> {
    let problem = |found: &Found<'_>| {
        let policy = &found.policy.value;
        first_swapped(found.source, policy.lines.as_ref()?, cold_after(policy))
    };
    found.iter().filter_map(problem).take(MAX_PROBLEMS).collect()
}

/// The first two lines that are the wrong way round.
fn first_swapped(source: &Source, raw: &PolicyLines, cold_after: Duration) -> Option<Problem> {
    let lines = lines(raw, cold_after);
    let given =
        [("hot", lines.hot, &raw.hot), ("warm", lines.warm, &raw.warm), ("cold", lines.cold, &raw.cold)];
    let [hot, warm, cold] = given.map(|(key, line, given)| {
        let span = given.as_ref().map(|given| given.span.clone());
        Drawn { key, line, span }
    });
    let pairs = [(&hot, &warm), (&warm, &cold), (&hot, &cold)];
    let (below, above) = pairs.into_iter().find(|(below, above)| is_above(below.line, above.line))?;
    swapped(source, below, above)
}

/// Whether `a` lies above `b`. An age and a share cannot be compared.
fn is_above(a: Line, b: Line) -> bool {
    match (a, b) {
        (Line::Age(a), Line::Age(b)) => a > b,
        (Line::Share(a), Line::Share(b)) => a > b,
        _ => false,
    }
}

/// `below` lies above `above`. Of the two at least one is given, since the defaults ascend.
fn swapped(source: &Source, below: &Drawn, above: &Drawn) -> Option<Problem> {
    let (marked, other, how) =
        if above.span.is_some() { (above, below, "below") } else { (below, above, "above") };
    let span = marked.span.clone()?;
    let by_default = if other.span.is_none() { ", its default" } else { "" };
    let message = format!(
        "`lines.{}`: {} is {how} `lines.{}`, which is {}{by_default}",
        marked.key,
        written(marked.line),
        other.key,
        written(other.line)
    );
    let problem = source.problem(span, message, HELP);
    Some(match &other.span {
        Some(span) => {
            let related = source.related(span.clone(), format!("`lines.{}` is here", other.key));
            problem.related(related)
        }
        None => problem,
    })
}

fn written(line: Line) -> String {
    match line {
        Line::Age(age) => humantime::format_duration(age).to_string(),
        Line::Share(share) => share.to_string(),
    }
}
