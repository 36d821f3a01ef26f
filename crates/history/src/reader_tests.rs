use proptest::prelude::*;

use super::*;
use crate::{
    frame::frame,
    names::Interned,
    samples::{any_minute, minute},
};

/// A segment with `minutes`.
fn segment(minutes: &[Minute]) -> Vec<u8> {
    let mut names = Interned::default();
    let mut bytes = HEADER.to_vec();
    for minute in minutes {
        bytes.extend(frame(&encode::payload(minute.clone(), &mut names).unwrap()).unwrap());
        names.keep();
    }
    bytes
}

fn found(bytes: &[u8]) -> (Vec<Minute>, PassedOver) {
    let (mut minutes, mut passed_over) = (Vec::new(), PassedOver::default());
    read_segment(bytes, &mut passed_over, |minute| minutes.push(minute));
    (minutes, passed_over)
}

#[test]
fn cut_at_every_byte_nothing_before_is_lost() {
    let minutes = [minute(60, 2), minute(120, 3), minute(180, 1)];
    let whole = segment(&minutes);
    for cut in 0..whole.len() {
        let (found, passed_over) = found(&whole[..cut]);
        let kept = (0..minutes.len()).rev().find(|count| segment(&minutes[..*count]).len() <= cut);
        let clean = kept.is_some_and(|kept| segment(&minutes[..kept]).len() == cut);
        assert_eq!(found, minutes[..kept.unwrap_or(0)], "{cut}");
        let expected = PassedOver { cut: u64::from(!clean), ..PassedOver::default() };
        assert_eq!(passed_over, expected, "{cut}");
    }
}

#[test]
fn a_wrong_record_costs_itself_and_those_that_need_its_names() {
    let minutes = [minute(60, 1), minute(120, 2), minute(180, 2), minute(240, 1)];
    let mut bytes = segment(&minutes);
    let at = segment(&minutes[..2]).len() - 1;
    bytes[at] ^= 1;
    let (found, passed_over) = found(&bytes);
    assert_eq!(found, [minutes[0].clone(), minutes[3].clone()]);
    assert_eq!(passed_over, PassedOver { wrong: 1, nameless: 1, ..PassedOver::default() });
}

#[test]
fn another_version_is_passed_over_whole() {
    let bytes = [b"lowtide history 2\n".as_slice(), &segment(&[minute(60, 1)])[HEADER.len()..]].concat();
    assert_eq!(found(&bytes), (Vec::new(), PassedOver { foreign: 1, ..PassedOver::default() }));
}

proptest! {
    #[test]
    fn what_is_written_is_read(minutes in prop::collection::vec(any_minute(), 0..6)) {
        prop_assert_eq!(found(&segment(&minutes)), (minutes, PassedOver::default()));
    }

    #[test]
    fn arbitrary_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        found(&bytes);
        found(&[HEADER, &bytes].concat());
        found(&[HEADER, &frame(&bytes).unwrap()].concat());
    }

    #[test]
    fn whatever_byte_is_changed_the_minutes_before_it_are_read(
        minutes in prop::collection::vec(any_minute(), 1..4), at in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        let mut bytes = segment(&minutes);
        let at = at.index(bytes.len() - HEADER.len()) + HEADER.len();
        bytes[at] = to;
        let before = (0..minutes.len()).rev().find(|count| segment(&minutes[..*count]).len() <= at).unwrap_or(0);
        prop_assert_eq!(&found(&bytes).0[..before], &minutes[..before]);
    }
}
