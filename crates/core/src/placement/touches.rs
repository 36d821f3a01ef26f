use std::{ops::Range, time::Duration};

use crate::{
    reading::{CLASSES, class_of, class_start},
    units::{Bytes, Ratio},
};

/// Half of what is known of young memory is forgotten in this time: a tenant that has changed is believed
/// again.
const HALF_LIFE: Duration = Duration::from_mins(30);
/// And in so many times its own age of older memory. With the same time for all, no evidence about memory of
/// some hours could ever outweigh what is assumed, which weighs more the older the memory is.
const AGES_KEPT: f64 = 4.0;

/// What is assumed of memory that was never watched: touched `LINDY / age` times a second, so that a
/// fifteenth of what has been idle for an age is touched again before it is twice as old.
///
/// Memory that has been idle for long goes on being idle for long. Google's far memory: a third of a fleet's
/// memory is idle for two minutes, and of its working set 0.2 % a minute comes back, which is 0.009 / age.
/// Keys whose popularity falls exponentially by a factor of a million: 0.09 / age of those that were not
/// asked for since the start.
const LINDY: f64 = 0.1;
/// The assumption weighs as much as this share of the cgroup, watched for as long as it is old.
const ASSUMED: f64 = 1.0 / 16.0;

/// How often memory of each idle age was touched: bytes, over bytes × seconds in which they might have been.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Touches {
    classes: [Class; CLASSES],
}

#[derive(Debug, Clone, Copy, Default)]
struct Class {
    touched: f64,
    watched: f64,
}

impl Touches {
    /// Time passes.
    pub(crate) fn fade(&mut self, elapsed: Duration) {
        for (index, class) in self.classes.iter_mut().enumerate() {
            let half_life = HALF_LIFE.as_secs_f64().max(AGES_KEPT * middle(index));
            let keep = (-elapsed.as_secs_f64() / half_life).exp2();
            class.touched *= keep;
            class.watched *= keep;
        }
    }

    /// `size` bytes, idle for `age`, were watched for `elapsed`.
    pub(crate) fn watch(&mut self, age: Duration, size: Bytes, elapsed: Duration) {
        self.classes[class_of(age)].watched += size.as_f64() * elapsed.as_secs_f64();
    }

    /// Of `size` bytes that have been idle for `age`, how many are assumed to be touched in `elapsed`.
    pub(crate) fn expected(age: Duration, size: Bytes, elapsed: Duration) -> Bytes {
        size.scale(Ratio::new(LINDY * elapsed.as_secs_f64() / age.as_secs_f64().max(1.0)).clamped())
    }

    /// `size` bytes were touched after having been idle for `age`.
    pub(crate) fn touch(&mut self, age: Duration, size: Bytes) {
        self.classes[class_of(age)].touched += size.as_f64();
    }

    /// What follows for a cgroup of `footprint` bytes.
    pub(crate) fn rates(&self, footprint: Bytes) -> Rates {
        let mut rates = [0.0; CLASSES];
        // What is assumed of an age follows from what was seen of the younger ones.
        let mut lindy = LINDY;
        for (index, class) in self.classes.iter().enumerate() {
            let age = middle(index);
            let weight = footprint.as_f64().max(1.0) * ASSUMED * age;
            rates[index] = (class.touched + lindy / age * weight) / (class.watched + weight);
            lindy = LINDY.min(rates[index] * age);
        }
        for index in (1..CLASSES).rev() {
            rates[index - 1] = rates[index - 1].max(rates[index]);
        }
        Rates(rates)
    }
}

/// Touches a second of memory by the class of its idle age, falling with age.
///
/// Where a class was touched less often than an older one, it counts as much as that: what is placed now for
/// its low rate would come back when it reaches the older class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates([f64; CLASSES]);

impl Rates {
    /// Of each class, the youngest first: its ages, and touches a second.
    pub(crate) fn by_age(&self) -> impl Iterator<Item = (Range<Duration>, f64)> + '_ {
        let end = |index: usize| if index + 1 < CLASSES { class_start(index + 1) } else { Duration::MAX };
        self.0.iter().enumerate().map(move |(index, rate)| (class_start(index)..end(index), *rate))
    }

    #[cfg(test)]
    pub(crate) const fn of(rates: [f64; CLASSES]) -> Self {
        Self(rates)
    }
}

/// An age that stands for a class, in seconds.
fn middle(index: usize) -> f64 {
    let start = class_start(index).as_secs_f64();
    let end = if index + 1 < CLASSES { class_start(index + 1).as_secs_f64() } else { start * 2.0 };
    f64::midpoint(start, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FOOTPRINT: Bytes = Bytes::mib(160);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn rate(rates: &Rates, age: u64) -> f64 {
        rates.0[class_of(seconds(age))]
    }

    #[test]
    fn what_was_never_watched_is_touched_the_less_the_older_it_is() {
        let rates = Touches::default().rates(FOOTPRINT);
        assert!((rate(&rates, 60) - 0.1 / 90.0).abs() < 1e-9);
        assert!((rate(&rates, 600) - 0.1 / 900.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_watched_and_not_touched_comes_to_be_trusted() {
        let mut touches = Touches::default();
        let before = rate(&touches.rates(FOOTPRINT), 300);
        touches.watch(seconds(300), Bytes::mib(100), seconds(300));
        let after = rate(&touches.rates(FOOTPRINT), 300);
        assert!(after < before / 7.0, "{after} {before}");
    }

    #[test]
    fn what_is_touched_again_counts_for_all_younger_ages() {
        let mut touches = Touches::default();
        for age in [5, 10, 20, 30, 60, 120] {
            touches.watch(seconds(age), Bytes::mib(1000), seconds(1000));
        }
        touches.touch(seconds(125), Bytes::mib(10_000));
        let rates = touches.rates(FOOTPRINT);
        assert!((rate(&rates, 30) - 0.01).abs() < 0.001, "{}", rate(&rates, 30));
        assert_eq!(rate(&rates, 30), rate(&rates, 120));
        assert!(rate(&rates, 300) < 0.002);
    }

    /// 600 MiB of 2 GiB are away and never touched: what is known of them grows with the hours.
    #[test]
    fn memory_that_is_never_touched_is_trusted_ever_more() {
        let (footprint, step) = (Bytes::mib(2048), seconds(60));
        let mut touches = Touches::default();
        let mut after = |hours: u64| {
            let mut age = seconds(300);
            while age < seconds(hours * 3600) {
                touches.fade(step);
                touches.watch(age, Bytes::mib(600), step);
                age += step;
            }
            rate(&touches.rates(footprint), hours * 3600)
        };
        let rates = [1, 4, 12, 20].map(&mut after);
        assert!(rates.is_sorted_by(|a, b| a > b), "{rates:?}");
        assert!(rates[3] < 0.1 / 72_000.0 / 5.0, "{rates:?}");
    }

    proptest! {
        #[test]
        fn rates_fall_with_age_and_are_numbers(events in prop::collection::vec((0_u64..200_000, any::<u32>(), 0_u64..4000, any::<bool>()), 0..60), footprint in any::<u32>()) {
            let mut touches = Touches::default();
            for (age, bytes, elapsed, touched) in events {
                let (age, size) = (seconds(age), Bytes::new(bytes.into()));
                if touched {
                    touches.touch(age, size);
                } else {
                    touches.watch(age, size, seconds(elapsed));
                }
                touches.fade(seconds(elapsed / 10));
            }
            let rates: Vec<f64> = touches.rates(Bytes::new(footprint.into())).by_age().map(|(_, rate)| rate).collect();
            prop_assert!(rates.iter().all(|rate| rate.is_finite() && *rate > 0.0));
            prop_assert!(rates.windows(2).all(|pair| pair[0] >= pair[1]));
        }
    }
}
