use std::time::Duration;

use super::{Reason, window::Window};

/// Tasks that compacted memory themselves in a minute, from which on it is set: one a second, as `lowtide
/// doctor` finds it.
const STALLS: f64 = 60.0;
/// After so long it is looked whether it has helped.
const TRIAL: Duration = Duration::from_mins(10);
/// It has if there are less than this share of the stalls.
const HELPED: f64 = 0.5;

/// What the kernel told at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThpSeen {
    /// `compact_stall`: how often a task compacted memory before it got its pages, since the boot.
    pub stalls: u64,
    /// Page faults of all programs compact memory for huge pages: `enabled` and `defrag` were both found at
    /// `always`.
    pub faults_compact: bool,
}

/// What is decided at one look.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Defragging {
    /// Why.
    pub reason: Reason,
    /// Whether page faults shall leave compaction to kcompactd; else `defrag` has what it was found with.
    pub on: bool,
    /// Stalls in the last minute.
    pub per_minute: Option<f64>,
    /// What that was when it was set.
    pub per_minute_before: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Watching,
    /// When it was set, the counter then, and stalls a minute before.
    On {
        at: Duration,
        stalls: u64,
        before: f64,
        is_tried: bool,
    },
    GaveUp {
        before: f64,
    },
}

/// Whether page faults leave compaction to kcompactd.
#[derive(Debug, Clone, Default)]
pub struct ThpDefrag {
    state: State,
    stalls: Window,
}

impl ThpDefrag {
    /// Whether they shall.
    pub fn decide(&mut self, seen: ThpSeen, now: Duration) -> Defragging {
        self.stalls.add(now, seen.stalls);
        let per_minute = self.stalls.minute().map(|(stalls, span)| a_minute(stalls, span));
        let reason = match self.state {
            State::Watching => self.watch(seen, per_minute, now),
            State::On { at, stalls, before, is_tried: false } if now.saturating_sub(at) >= TRIAL => {
                let since = a_minute(seen.stalls.saturating_sub(stalls), now.saturating_sub(at));
                if since < before * HELPED {
                    self.state = State::On { at, stalls, before, is_tried: true };
                    Reason::Held
                } else {
                    self.state = State::GaveUp { before };
                    Reason::NoEffect
                }
            }
            State::On { .. } => Reason::Held,
            State::GaveUp { .. } => Reason::NoEffect,
        };
        let (on, per_minute_before) = match self.state {
            State::Watching => (false, None),
            State::On { before, .. } => (true, Some(before)),
            State::GaveUp { before } => (false, Some(before)),
        };
        Defragging { reason, on, per_minute, per_minute_before }
    }

    fn watch(&mut self, seen: ThpSeen, per_minute: Option<f64>, now: Duration) -> Reason {
        match per_minute {
            _ if !seen.faults_compact => Reason::FaultsDoNotCompact,
            None => Reason::FirstLook,
            Some(before) if before >= STALLS => {
                self.state = State::On { at: now, stalls: seen.stalls, before, is_tried: false };
                Reason::Stalls
            }
            Some(_) => Reason::FewStalls,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
fn a_minute(stalls: u64, span: Duration) -> f64 {
    let minutes = span.as_secs_f64() / 60.0;
    if minutes > 0.0 { stalls as f64 / minutes } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns of 6 s with so many stalls each.
    fn run(law: &mut ThpDefrag, from: &mut (u64, u64), turns: u64, each: u64) -> Defragging {
        let mut last = None;
        for _ in 0..turns {
            let (turn, stalls) = from;
            (*turn, *stalls) = (*turn + 1, *stalls + each);
            let seen = ThpSeen { stalls: *stalls, faults_compact: true };
            last = Some(law.decide(seen, Duration::from_secs(*turn * 6)));
        }
        last.unwrap()
    }

    #[test]
    fn one_stall_a_second_for_a_minute_sets_it() {
        let (mut law, mut at) = (ThpDefrag::default(), (0, 0));
        assert_eq!(run(&mut law, &mut at, 10, 6).reason, Reason::FirstLook);
        let set = run(&mut law, &mut at, 1, 6);
        assert_eq!((set.on, set.reason, set.per_minute_before), (true, Reason::Stalls, Some(60.0)));
        assert_eq!(run(&mut law, &mut at, 1, 0).reason, Reason::Held);
        let (mut law, mut at) = (ThpDefrag::default(), (0, 0));
        assert_eq!(run(&mut law, &mut at, 100, 5).reason, Reason::FewStalls);
    }

    #[test]
    fn it_stays_where_it_helps_and_goes_where_it_does_not() {
        for (each, on, reason) in
            [(0, true, Reason::Held), (4, true, Reason::Held), (5, false, Reason::NoEffect)]
        {
            let (mut law, mut at) = (ThpDefrag::default(), (0, 0));
            run(&mut law, &mut at, 11, 10);
            assert!(run(&mut law, &mut at, 99, each).on, "not before ten minutes");
            let tried = run(&mut law, &mut at, 1, each);
            assert_eq!((tried.on, tried.reason), (on, reason), "{each}");
            // Once it was tried, a bad hour changes nothing.
            assert_eq!(run(&mut law, &mut at, 600, 100).on, on);
        }
    }

    #[test]
    fn where_faults_do_not_compact_there_is_nothing_to_set() {
        let mut law = ThpDefrag::default();
        for turn in 0..30 {
            let seen = ThpSeen { stalls: turn * 1000, faults_compact: false };
            let decided = law.decide(seen, Duration::from_secs(turn * 6));
            assert_eq!((decided.on, decided.reason), (false, Reason::FaultsDoNotCompact));
        }
    }
}
