//! What the owner of a cgroup may choose in place of the policy that the files give it.

use std::{collections::HashMap, sync::Arc};

use crate::{
    Problem,
    found::Found,
    leaf::Name,
    read::At,
    source::{Source, Span},
};

/// More are not shown.
const MAX_PROBLEMS: usize = 50;
/// So many names are compared with one that is not there: that costs time.
const MAX_NAMES: usize = 1000;

/// What a cgroup has chosen, among what its policy lets it choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choice {
    /// To be left alone. What its policy forbids stays forbidden.
    Off,
    /// Another policy, by its index.
    Policy(usize),
}

impl Choice {
    /// How [`Off`](Self::Off) is written.
    pub const OFF: &'static str = "off";
}

/// Choices that are there twice, or that are no policy; and a policy of the name that means none.
pub(crate) fn not_there(found: &[Found<'_>]) -> Vec<Problem> {
    let names: Vec<&Arc<str>> =
        found.iter().filter_map(|found| Some(&found.policy.value.name.as_ref()?.value.0)).collect();
    found.iter().flat_map(|found| of_one(found, &names)).take(MAX_PROBLEMS).collect()
}

fn of_one(found: &Found<'_>, names: &[&Arc<str>]) -> Vec<Problem> {
    let Found { source, policy } = found;
    let mut seen: HashMap<&Arc<str>, &Span> = HashMap::new();
    let mut problems: Vec<_> = reserved(source, policy.value.name.as_ref()).into_iter().collect();
    for choice in policy.value.may_choose.iter().flatten() {
        let name = &choice.value.0;
        if let Some(first) = seen.insert(name, &choice.span) {
            let message = format!("`{name}` is in `may_choose` twice");
            let problem = source.problem(choice.span.clone(), message, "remove one of the two");
            problems.push(problem.related(source.related(first.clone(), "it is here already")));
        } else if **name != *Choice::OFF && !names.contains(&name) {
            let message = format!("there is no policy `{name}`, which `may_choose` names");
            problems.push(source.problem(choice.span.clone(), message, help(name, names)));
        }
    }
    problems
}

fn reserved(source: &Source, name: Option<&At<Name>>) -> Option<Problem> {
    let name = name.filter(|name| *name.value.0 == *Choice::OFF)?;
    let help = "give it another name: in `may_choose`, `off` means to be left alone";
    Some(source.problem(name.span.clone(), "`off` cannot be the name of a policy", help))
}

fn help(name: &str, names: &[&Arc<str>]) -> String {
    let distance = |known: &&&Arc<str>| strsim::damerau_levenshtein(name, known);
    let similar = names.iter().take(MAX_NAMES).min_by_key(distance);
    let similar = similar.filter(|known| distance(known) <= name.chars().count() / 3);
    let meant = similar.map(|known| format!("did you mean `{known}`? ")).unwrap_or_default();
    format!("{meant}`may_choose` lists names of policies, and `off`")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TEXT: &str = "policies:
  - { name: web, match: [/web/**], may_choose: [off, gentle] }
  - { name: db, match: [/db/**], may_choose: [gentle] }
  - { name: gentle, match: [/gentle] }
  - { name: harsh, match: [/harsh] }
";

    #[test]
    fn only_what_the_policy_lets_be_chosen_is() {
        let policies = crate::parse(Path::new("test.yaml"), TEXT).unwrap().config.policies;
        let [web, db, gentle, harsh] = [0, 1, 2, 3];
        assert!(policies.lets_choose());
        assert_eq!(
            [web, db, gentle, harsh, 99].map(|given| policies.lets_choose_from(given)),
            [true, true, false, false, false]
        );
        for (given, written, chosen) in [
            (web, "off", Some(Choice::Off)),
            (web, "gentle", Some(Choice::Policy(gentle))),
            (web, "harsh", None),
            (web, "web", None),
            (web, "", None),
            (web, "Off", None),
            (web, "gentle ", None),
            (db, "off", None),
            (db, "gentle", Some(Choice::Policy(gentle))),
            (gentle, "off", None),
            (harsh, "gentle", None),
            (99, "off", None),
        ] {
            assert_eq!(policies.chosen(given, written), chosen, "{given} {written:?}");
        }
    }

    #[test]
    fn without_the_key_nobody_chooses() {
        let text = "policies: [{ name: web, match: [/web] }, { name: db, match: [/db], may_choose: [] }]";
        assert!(!crate::parse(Path::new("test.yaml"), text).unwrap().config.policies.lets_choose());
    }
}
