//! The list of all parsers. Each crate that reads has a file here.

mod ages;
mod cgroup;
mod config;
mod damon;
mod host;
mod kept;
mod pods;
mod tiers;
mod whole;

use crate::{Parser, door};

/// Every parser, and both doors.
#[must_use]
pub fn all() -> Vec<Parser> {
    let groups: [&[Parser]; 10] = [
        cgroup::PARSERS,
        host::PARSERS,
        tiers::PARSERS,
        damon::PARSERS,
        ages::PARSERS,
        config::PARSERS,
        kept::PARSERS,
        pods::PARSERS,
        whole::PARSERS,
        door::PARSERS,
    ];
    groups.concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::{collections::HashSet, fs};

    use super::*;
    use crate::{Bound, Corpus, corpus::top, run};

    #[test]
    fn each_parser_has_a_name_of_its_own() {
        let names: Vec<_> = all().iter().map(|parser| parser.name).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");
    }

    /// docs/safety.md tells how far each was driven.
    #[test]
    fn each_parser_is_in_the_table_of_the_long_run() {
        let page = fs::read_to_string(top().join("docs/safety.md")).unwrap();
        let missing: Vec<_> = all()
            .iter()
            .map(|parser| parser.name)
            .filter(|name| !page.contains(&format!("| `{name}` |")))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    /// A parser that refuses what was captured is not driven, only knocked at.
    #[test]
    fn each_parser_accepts_some_and_refuses_nothing_by_panic() {
        let corpus = Corpus::read().unwrap();
        for parser in all() {
            let driver = parser.start(&corpus).unwrap();
            assert!(driver.slots.iter().all(|slot| !slot.seeds.is_empty()), "{}: {:?}", parser.name, driver);
            drop(driver);
            let outcome = run(&parser, &corpus, 1, Bound::Inputs(300)).unwrap();
            assert!(outcome.finding.is_none(), "{}: {:?}", parser.name, outcome.finding);
            assert!(outcome.accepted > 0, "{}: {outcome:?}", parser.name);
        }
    }
}
