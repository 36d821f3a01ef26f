use std::time::Duration;

/// After one time the next is so far at least.
const LEAST: Duration = Duration::from_mins(10);
/// It is never further.
const MOST: Duration = Duration::from_mins(160);

/// The time between two attempts: twice as long after each that gained nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    length: Duration,
    until: Option<Duration>,
}

impl Default for Rest {
    fn default() -> Self {
        Self { length: LEAST, until: None }
    }
}

impl Rest {
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, now: Duration) {
        self.until = Some(now.saturating_add(self.length));
    }

    /// It gained something.
    pub(super) fn gained(&mut self, now: Duration) {
        self.length = LEAST;
        self.begin(now);
    }

    /// It gained nothing.
    pub(super) fn in_vain(&mut self, now: Duration) {
        self.length = self.length.saturating_mul(2).min(MOST);
        self.begin(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_bound_and_begins_anew_after_a_gain() {
        let (mut rest, mut now) = (Rest::default(), Duration::ZERO);
        assert!(rest.is_over(now));
        let mut lengths = Vec::new();
        for _ in 0..6 {
            rest.in_vain(now);
            lengths.push((1..1000).map(Duration::from_mins).find(|time| rest.is_over(now + *time)).unwrap());
            now += Duration::from_hours(10);
        }
        assert_eq!(lengths, [20, 40, 80, 160, 160, 160].map(Duration::from_mins));
        rest.gained(now);
        assert!(!rest.is_over(now + LEAST / 2) && rest.is_over(now + LEAST));
    }
}
