//! Hot, warm and cold lines: how much of a cgroup is younger than an operator's three ages.

use std::time::Duration;

use super::cohort::Cohort;
use crate::units::{Bytes, Ratio};

/// Where a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// At this idle age.
    Age(Duration),
    /// At the age that this share of the memory in DRAM is younger than.
    Share(Ratio),
}

/// The three lines of a policy.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Lines<T = Line> {
    /// Memory below it is in use.
    pub hot: T,
    /// Memory below it may be wanted again soon.
    pub warm: T,
    /// Memory beyond it is not expected back.
    pub cold: T,
}

impl Lines {
    /// Drawn where the policy does not say: half of `cold_after`, `cold_after`, and ten times that.
    #[must_use]
    pub fn around(cold_after: Duration) -> Self {
        Self {
            hot: Line::Age(cold_after / 2),
            warm: Line::Age(cold_after),
            cold: Line::Age(cold_after.saturating_mul(10)),
        }
    }
}

/// Where a line lies for one cgroup, and what is under it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LineUse {
    /// The line's idle age.
    pub age: Duration,
    /// Bytes in DRAM that are younger.
    pub below: Bytes,
}

impl Line {
    /// Draws the line through a cgroup's memory; `cohorts` stand the oldest first.
    pub(crate) fn draw(self, cohorts: &[Cohort]) -> LineUse {
        let total = Cohort::total(cohorts);
        let below = |age| total - Cohort::surely_idle(cohorts, age).total();
        match self {
            Self::Age(age) => LineUse { age, below: below(age) },
            Self::Share(share) => {
                let wanted = total.scale(share.clamped());
                let mut ages = cohorts.iter().rev().map(|cohort| cohort.youngest);
                let age = ages.find(|age| below(*age) >= wanted);
                // Younger than the end of the oldest cohort is everything.
                let end = || {
                    cohorts.first().map_or(Duration::ZERO, |oldest| oldest.oldest.unwrap_or(oldest.youngest))
                };
                let age = age.unwrap_or_else(end);
                LineUse { age, below: below(age) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::ByType;

    fn cohorts() -> [Cohort; 3] {
        [(60, 120), (20, 30), (0, 50)].map(|(youngest, mib)| Cohort {
            youngest: Duration::from_secs(youngest),
            oldest: None,
            size: ByType { anon: Bytes::mib(mib), file: Bytes::ZERO },
        })
    }

    #[test]
    fn by_age_and_by_share() {
        for (line, age, mib) in [
            (Line::Age(Duration::from_secs(20)), 20, 50),
            (Line::Age(Duration::from_secs(21)), 21, 80),
            (Line::Share(Ratio::percent(25.0)), 20, 50),
            (Line::Share(Ratio::percent(26.0)), 60, 80),
            (Line::Share(Ratio::percent(0.0)), 0, 0),
        ] {
            let drawn = line.draw(&cohorts());
            assert_eq!((drawn.age.as_secs(), drawn.below), (age, Bytes::mib(mib)), "{line:?}");
        }
    }
}
