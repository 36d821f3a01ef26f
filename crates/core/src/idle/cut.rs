//! The cut: from which idle age on memory may go.
//!
//! Google's far memory takes the smallest age whose promotions stay under the SLO. Here the same is asked of
//! the evidence in [`Returns`]: the smallest boundary, at or beyond the policy's `cold_after`, from which on
//! so little comes back that half of the SLO holds it. The other half is for what the evidence does not
//! foresee.

use std::time::Duration;

use super::returns::Returns;
use crate::{
    reading::BOUNDARIES,
    units::{Bytes, Ratio},
};

/// Share of the SLO that foreseen promotions may use.
const FORESEEN: Ratio = Ratio::new(0.5);

/// The cut for one cgroup. `slo` is the share of `working_set` that may come back per minute.
pub(crate) fn choose(returns: &Returns, cold_after: Duration, slo: Ratio, working_set: Bytes) -> Duration {
    let allowed = working_set.scale(slo).scale(FORESEEN);
    // Returns before cold_after are never noted, so the first boundary beyond it stands for cold_after
    // itself.
    let first = BOUNDARIES.partition_point(|boundary| *boundary < cold_after);
    let good = (first..BOUNDARIES.len()).find(|index| returns.worst_minute(*index) <= allowed);
    match good {
        Some(index) if index == first => cold_after,
        Some(index) => BOUNDARIES[index],
        None => BOUNDARIES[BOUNDARIES.len() - 1].max(cold_after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLO: Ratio = Ratio::percent(2.0);
    const WORKING_SET: Bytes = Bytes::mib(100);

    fn cut(returns: &[(u64, u64)], cold_after: u64) -> u64 {
        let mut evidence = Returns::default();
        for (age, mib) in returns {
            evidence.note(Duration::from_secs(*age), Bytes::mib(*mib));
        }
        choose(&evidence, Duration::from_secs(cold_after), SLO, WORKING_SET).as_secs()
    }

    #[test]
    fn without_evidence_it_is_cold_after() {
        for cold_after in [1, 30, 45, 300, 200_000] {
            assert_eq!(cut(&[], cold_after), cold_after);
        }
    }

    #[test]
    fn little_that_comes_back_is_allowed() {
        assert_eq!(cut(&[(40, 1)], 30), 30);
    }

    #[test]
    fn it_moves_beyond_what_comes_back() {
        assert_eq!(cut(&[(35, 30)], 30), 120);
        assert_eq!(cut(&[(240, 30)], 30), 600);
        assert_eq!(cut(&[(80_000, 30)], 30), 86_400);
    }
}
