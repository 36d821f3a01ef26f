use super::*;

const TURN: Duration = Duration::from_secs(6);

fn node(number: u32, free: u64, huge: u64) -> Node {
    Node { number, pieces: Pieces { free: Bytes::mib(free), huge: Bytes::mib(huge) } }
}

fn seen(stalls: u64, nodes: &[Node]) -> CompactionSeen {
    CompactionSeen { stalls, nodes: nodes.to_vec() }
}

/// One that has had its first look at a counter of nothing.
fn watching() -> Compaction {
    let mut law = Compaction::default();
    let first = law.decide(&seen(0, &[node(0, 100, 10)]), Moment::Calm, false, Duration::ZERO);
    assert_eq!((first.reason, first.nodes.len()), (Reason::FirstLook, 0));
    law
}

#[test]
fn tasks_that_stalled_and_small_pieces_begin_it_where_these_are() {
    let nodes = [node(0, 100, 60), node(1, 100, 10), node(2, 300, 100), node(3, 30, 0)];
    let decided = watching().decide(&seen(STALLS, &nodes), Moment::Calm, false, TURN);
    assert_eq!(decided.reason, Reason::Fragmented);
    assert_eq!(
        decided.nodes,
        [2, 1],
        "most of it first; not where huge pieces are the most, nor where little is free"
    );
    assert_eq!(decided.pieces, Pieces { free: Bytes::mib(530), huge: Bytes::mib(170) });
}

#[test]
fn what_speaks_against_it() {
    let fragmented = [node(0, 100, 10)];
    for (stalls, nodes, moment, busy, reason) in [
        (STALLS - 1, &fragmented[..], Moment::Calm, false, Reason::NotFragmented),
        (STALLS, &[node(0, 100, 90)], Moment::Calm, false, Reason::NotFragmented),
        (STALLS, &[], Moment::Calm, false, Reason::NotFragmented),
        (STALLS, &fragmented, Moment::Calm, true, Reason::UnderWay),
        (STALLS, &fragmented, Moment::New, false, Reason::FirstLook),
        (STALLS, &fragmented, Moment::Unmeasured, false, Reason::NoPressure),
        (STALLS, &fragmented, Moment::Busy, false, Reason::NotCalm),
        (STALLS, &fragmented, Moment::Tense, false, Reason::NotCalm),
    ] {
        let decided = watching().decide(&seen(stalls, nodes), moment, busy, TURN);
        assert_eq!(
            (decided.reason, decided.nodes.len()),
            (reason, 0),
            "{stalls} {nodes:?} {moment:?} {busy}"
        );
    }
}

#[test]
fn stalls_add_up_until_they_are_answered() {
    let mut law = watching();
    let fragmented = [node(0, 100, 10)];
    for (turn, stalls) in (1..).zip([4, 8, 12]) {
        let decided = law.decide(&seen(stalls, &fragmented), Moment::Calm, false, TURN * turn);
        assert_eq!((decided.stalls, decided.reason == Reason::Fragmented), (stalls, stalls >= STALLS));
    }
    let after = law.decide(&seen(12, &fragmented), Moment::Calm, false, TURN * 4);
    assert_eq!((after.stalls, after.reason), (0, Reason::NotFragmented));
}

#[test]
fn it_rests_for_ten_minutes_and_longer_after_what_was_in_vain() {
    let mut law = watching();
    let (mut now, mut stalls) = (TURN, 0);
    let mut waited = Vec::new();
    for gain in [100, 1, 1, 100, 0] {
        stalls += 1000;
        let begun = now;
        while law.decide(&seen(stalls, &[node(0, 100, 10)]), Moment::Calm, false, now).nodes.is_empty() {
            now += Duration::from_mins(1);
        }
        waited.push(now.saturating_sub(begun).as_secs() / 60);
        let after = Pieces { free: Bytes::mib(100), huge: Bytes::mib(10 + gain) };
        law.ended(Pieces { free: Bytes::mib(100), huge: Bytes::mib(10) }, after, now);
    }
    assert_eq!(waited, [0, 10, 20, 40, 10]);
}
