use proptest::prelude::*;

use super::*;
use crate::tier::TierKind;

fn memory(swapped: u64) -> Memory {
    Memory { swap_current: Some(Bytes::mib(swapped)), ..Memory::default() }
}

fn sent(scope: Scope, mib: u64) -> Effect {
    Effect { scope, offloaded: Bytes::mib(mib), ..Effect::default() }
}

fn origin(lowtide: u64, others: u64) -> Origin {
    Origin { lowtide: Bytes::mib(lowtide), others: Bytes::mib(others) }
}

/// Each turn: what lies in swap, what requests have sent, whether one is in flight.
fn after(turns: &[(u64, u64, Pending)]) -> Origin {
    let mut origins = Origins::default();
    for (swapped, requested, pending) in turns {
        let effects = [sent(Scope::Anon, *requested)];
        origins.learn(&memory(*swapped), &effects, *pending);
    }
    origins.swap
}

#[test]
fn what_nobody_asked_for_is_not_lowtides() {
    use Pending::Nothing;
    assert_eq!(after(&[(11, 0, Nothing), (30, 0, Nothing), (20, 0, Nothing)]), origin(0, 20));
}

#[test]
fn what_was_asked_for_is() {
    use Pending::Nothing;
    assert_eq!(after(&[(0, 0, Nothing), (8, 8, Nothing), (24, 16, Nothing)]), origin(24, 0));
    assert_eq!(after(&[(10, 0, Nothing), (30, 20, Nothing)]), origin(20, 10));
    // The kernel swapped out 5 by itself meanwhile.
    assert_eq!(after(&[(10, 0, Nothing), (35, 20, Nothing)]), origin(20, 15));
}

#[test]
fn what_comes_back_is_of_both_as_they_stand() {
    use Pending::Nothing;
    assert_eq!(after(&[(10, 0, Nothing), (40, 30, Nothing), (20, 0, Nothing)]), origin(15, 5));
    assert_eq!(after(&[(0, 0, Nothing), (40, 40, Nothing), (13, 0, Nothing)]), origin(13, 0));
    assert_eq!(after(&[(40, 40, Nothing), (0, 0, Nothing), (7, 0, Nothing)]), origin(0, 7));
}

/// Half of what the request sends lies there before its effect is told.
#[test]
fn a_request_in_flight_is_waited_for() {
    use Pending::{InFlight, Nothing, Queued};
    assert_eq!(
        after(&[(0, 0, Nothing), (8, 0, InFlight), (16, 0, InFlight), (20, 20, Nothing)]),
        origin(20, 0)
    );
    assert_eq!(after(&[(0, 0, Nothing), (8, 5, InFlight), (20, 15, Nothing)]), origin(20, 0));
    // One that waits has sent nothing.
    assert_eq!(after(&[(0, 0, Nothing), (8, 0, Queued)]), origin(0, 8));
}

#[test]
fn a_request_for_page_cache_sends_nothing_to_swap() {
    let mut origins = Origins::default();
    origins.learn(&memory(9), &[sent(Scope::File, 9)], Pending::Nothing);
    assert_eq!(origins.swap, origin(0, 9));
}

#[test]
fn each_part_is_shared_out_by_its_own_origin() {
    let origins = Origins { swap: origin(3, 1), nodes: origin(0, 5), ..Origins::default() };
    let placed = |kind: TierKind, bytes, resident| Placed {
        kind,
        device: kind.name().into(),
        bytes: Bytes::mib(bytes),
        resident: Bytes::mib(resident),
    };
    let (lowtide, others) = origins.of(&placed(TierKind::Zram, 4, 2));
    assert_eq!(
        (lowtide, others),
        (Placed { resident: Bytes::kib(1536), ..placed(TierKind::Zram, 3, 0) }, Bytes::mib(1))
    );
    assert_eq!(origins.of(&placed(TierKind::Node, 5, 0)), (placed(TierKind::Node, 0, 0), Bytes::mib(5)));
    assert_eq!(
        Origins::default().of(&placed(TierKind::Zram, 4, 2)).1,
        Bytes::mib(4),
        "unknown is not lowtide's"
    );
}

proptest! {
    /// And none is made up: what is lowtide's was sent by it.
    #[test]
    fn the_parts_are_always_the_whole(turns in prop::collection::vec((any::<u64>(), any::<u32>()), 1..50)) {
        let (mut origin, mut all) = (Origin::default(), 0_u64);
        for (lie, sent) in turns {
            all = all.saturating_add(u64::from(sent));
            origin.learn(Bytes::new(lie), Bytes::new(sent.into()));
            prop_assert_eq!(origin.lowtide + origin.others, Bytes::new(lie));
            prop_assert!(origin.lowtide.get() <= all.min(lie));
        }
    }
}
