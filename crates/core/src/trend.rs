//! Where an amount of memory goes, by its last looks.

use std::{collections::VecDeque, time::Duration};

use crate::units::Bytes;

/// So many looks are remembered.
const LOOKS: usize = 8;
/// With fewer there is no trend: two points always lie on a line.
const LEAST_LOOKS: usize = 4;

/// An amount at the last looks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trend {
    looks: VecDeque<(Duration, Bytes)>,
}

impl Trend {
    pub(crate) fn add(&mut self, now: Duration, amount: Bytes) {
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((now, amount));
    }

    /// After the watermarks were moved kswapd moves free memory, and the looks before say nothing of what is
    /// to come.
    pub(crate) fn forget(&mut self) {
        self.looks.clear();
    }

    /// Time that the looks cover.
    pub(crate) fn span(&self) -> Duration {
        let at = |look: Option<&(Duration, Bytes)>| look.map(|(at, _)| *at).unwrap_or_default();
        at(self.looks.back()).saturating_sub(at(self.looks.front()))
    }

    /// Bytes a second by which it falls, by the least squares over the looks; `None` where it rises, and with
    /// too few looks.
    pub(crate) fn fall(&self) -> Option<f64> {
        if self.looks.len() < LEAST_LOOKS {
            return None;
        }
        let (start, _) = *self.looks.front()?;
        let points =
            || self.looks.iter().map(|(at, free)| (at.saturating_sub(start).as_secs_f64(), free.as_f64()));
        let count = points().map(|_| 1.0).sum::<f64>();
        let mean = |values: f64| values / count;
        let (time, free) = (mean(points().map(|(x, _)| x).sum()), mean(points().map(|(_, y)| y).sum()));
        let covariance: f64 = points().map(|(x, y)| (x - time) * (y - free)).sum();
        let variance: f64 = points().map(|(x, _)| (x - time).powi(2)).sum();
        let fall = -covariance / variance;
        (fall.is_finite() && fall > 0.0).then_some(fall)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(points: &[(u64, u64)]) -> Trend {
        let mut trend = Trend::default();
        for (second, mib) in points {
            trend.add(Duration::from_secs(*second), Bytes::mib(*mib));
        }
        trend
    }

    #[test]
    fn the_slope_of_a_line_is_found() {
        let fall = of(&[(0, 100), (6, 94), (12, 88), (18, 82)]).fall().unwrap();
        assert!((fall - Bytes::mib(1).as_f64()).abs() < 1.0, "{fall}");
        assert_eq!(of(&[(0, 100), (6, 94), (12, 88)]).fall(), None);
        assert_eq!(of(&[(0, 10), (6, 20), (12, 30), (18, 40)]).fall(), None);
        assert_eq!(of(&[(5, 10), (5, 20), (5, 30), (5, 40)]).fall(), None);
    }

    #[test]
    fn the_oldest_looks_are_forgotten() {
        let rising = (0..8).map(|at| (at, at)).collect::<Vec<_>>();
        let falling = (8..16).map(|at| (at, 100 - at)).collect::<Vec<_>>();
        let trend = of(&[rising, falling].concat());
        assert!(trend.fall().is_some());
        assert_eq!(trend.span(), Duration::from_secs(7));
    }

    proptest! {
        #[test]
        fn noise_around_a_fall_leaves_it_a_fall(noise in prop::collection::vec(0..3_u64, 8)) {
            let points: Vec<_> = (0..8).zip(noise).map(|(at, noise)| (at, 1000 - at * 10 + noise)).collect();
            let fall = of(&points).fall().unwrap();
            prop_assert!((fall / Bytes::mib(10).as_f64() - 1.0).abs() < 0.2, "{fall}");
        }
    }
}
