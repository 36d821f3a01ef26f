use super::*;

const TURN: Duration = Duration::from_secs(6);

struct Host {
    law: DyingCgroups,
    seen: DyingSeen,
    now: Duration,
}

impl Host {
    fn new(dying: u64) -> Self {
        let seen = DyingSeen { dying, living: 100 };
        Self { law: DyingCgroups::default(), seen, now: Duration::ZERO }
    }

    fn turn(&mut self) -> Releasing {
        let decided = self.law.decide(self.seen, Moment::Calm, false, self.now);
        if !decided.amount.is_zero() {
            self.law.ended(decided.amount);
        }
        self.now += TURN;
        decided
    }
}

#[test]
fn few_of_them_and_fewer_than_living_ones_are_let_be() {
    for (dying, living) in [(0, 0), (999, 10), (2000, 2000), (2000, 5000)] {
        let mut host = Host::new(dying);
        host.seen.living = living;
        assert_eq!(host.turn().reason, Reason::FewDying, "{dying} {living}");
    }
}

#[test]
fn a_minute_has_four_steps() {
    let mut host = Host::new(5000);
    let reasons: Vec<_> = (0..11)
        .map(|_| {
            // Some are released by each step.
            host.seen.dying -= 60;
            host.turn().reason
        })
        .collect();
    assert_eq!(reasons[..4], [Reason::Dying; 4]);
    assert_eq!(reasons[4..10], [Reason::MinuteSpent; 6]);
    assert_eq!(reasons[10], Reason::Dying, "the first step is a minute ago");
}

#[test]
fn it_goes_on_below_where_it_began() {
    let mut host = Host::new(1000);
    assert_eq!(host.turn().reason, Reason::Dying);
    (host.seen.dying, host.seen.living) = (500, 5000);
    assert_eq!(host.turn().reason, Reason::Dying);
    host.seen.dying = 499;
    assert_eq!(host.turn().reason, Reason::FewDying);
    host.seen.dying = 999;
    assert_eq!(host.turn().reason, Reason::FewDying);
}

#[test]
fn what_speaks_against_a_step() {
    for (moment, busy, reason) in [
        (Moment::Calm, true, Reason::UnderWay),
        (Moment::New, false, Reason::FirstLook),
        (Moment::Unmeasured, false, Reason::NoPressure),
        (Moment::Busy, false, Reason::NotCalm),
        (Moment::Tense, false, Reason::NotCalm),
    ] {
        let decided = Host::new(5000).law.decide(DyingSeen { dying: 5000, living: 9 }, moment, busy, TURN);
        assert_eq!((decided.reason, decided.amount), (reason, Bytes::ZERO));
    }
}

#[test]
fn without_progress_it_rests_longer_each_time_and_with_it_not_at_all() {
    let mut host = Host::new(5000);
    let mut asked = Bytes::ZERO;
    let hour = 600;
    for _ in 0..hour {
        asked += host.turn().amount;
    }
    // 512 MiB, 20 min of rest, 512 MiB, 40 min of rest.
    assert!(asked <= IN_VAIN + IN_VAIN + IN_VAIN, "{asked}");
    assert_eq!(host.turn().reason, Reason::NoProgress);

    let mut host = Host::new(1_000_000);
    for _ in 0..hour {
        host.seen.dying -= host.seen.dying / 50;
        assert_ne!(host.turn().reason, Reason::NoProgress);
    }
}

#[test]
fn where_no_subtree_may_be_asked_it_looks_again_after_a_minute() {
    let mut host = Host::new(5000);
    assert_eq!(host.law.decide(host.seen, Moment::Calm, false, host.now).reason, Reason::Dying);
    host.law.nowhere(host.now);
    host.now += MINUTE / 2;
    assert_eq!(host.turn().reason, Reason::NoSubtree);
    host.now += MINUTE / 2;
    assert_eq!(host.turn().reason, Reason::Dying);
}
