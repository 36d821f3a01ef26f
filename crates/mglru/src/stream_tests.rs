use super::*;
use crate::parse;
use proptest::prelude::*;

/// Records as the kernel renders them, on two nodes.
fn record(id: u64, node: u32) -> String {
    let header = if node == 0 { format!("memcg {id:>5} /{id}\n") } else { String::new() };
    format!(
        "{header} node {node:>5}\n          0       4248          {id}           {node} \n          1 4 0 0 \n"
    )
}

/// What is passed on of pieces, the first of which may be cut.
fn passed(pieces: &[&[u8]], cut: bool) -> Result<(Vec<(Memcg, bool)>, Passed), Fault> {
    let mut found = Vec::new();
    let mut visit = |memcg, torn| found.push((memcg, torn));
    let mut stream = Pieces::new(&mut visit);
    for (index, piece) in pieces.iter().enumerate() {
        stream.piece(piece, cut && index == 0)?;
    }
    let passed = stream.end()?;
    Ok((found, passed))
}

fn torn(pieces: &[&[u8]], cut: bool) -> Vec<(u64, bool)> {
    let found = passed(pieces, cut).unwrap().0;
    found.into_iter().map(|(memcg, torn)| (memcg.id.0, torn)).collect()
}

#[test]
fn a_memcg_in_two_pieces_is_torn() {
    let [a0, a1, b0, b1] = [(1, 0), (1, 1), (2, 0), (2, 1)].map(|(id, node)| record(id, node));
    let [first, second] = [format!("{a0}{a1}"), format!("{b0}{b1}")];
    assert_eq!(torn(&[first.as_bytes(), second.as_bytes()], false), [(1, false), (2, false)]);
    let [first, second] = [a0.clone(), format!("{a1}{b0}{b1}")];
    assert_eq!(torn(&[first.as_bytes(), second.as_bytes()], false), [(1, true), (2, false)]);
    let [first, second] = [format!("{a0}{a1}{b0}"), b1.clone()];
    assert_eq!(torn(&[first.as_bytes(), second.as_bytes()], false), [(1, false), (2, true)]);
    // One record in each: the worst case.
    let each = [&a0, &a1, &b0, &b1].map(String::as_bytes);
    assert_eq!(torn(&each, false), [(1, true), (2, true)]);
}

/// The kernel keeps the rest of a record that our buffer cut, and puts the next page of records behind it.
#[test]
fn behind_a_record_that_was_cut_another_piece_begins() {
    let [a0, a1, b0, b1] = [(1, 0), (1, 1), (2, 0), (2, 1)].map(|(id, node)| record(id, node));
    let text = format!("{a0}{a1}{b0}{b1}");
    let expected = |cut| match cut {
        // Within the first record: the piece after it begins with the second node of the same memcg.
        cut if cut <= a0.len() => [(1, true), (2, false)],
        cut if cut <= a0.len() + a1.len() => [(1, false), (2, false)],
        _ => [(1, false), (2, true)],
    };
    for cut in 1..a0.len() + a1.len() + b0.len() {
        let (first, rest) = text.as_bytes().split_at(cut);
        assert_eq!(torn(&[first, rest], true), expected(cut), "cut at {cut}");
    }
}

#[test]
fn a_path_that_is_no_text_is_left_out() {
    let bad = b"memcg     9 /\xff\xfe\n node     0\n  0 1 2 3\n  1 1 2 3\n";
    let text = [record(1, 0).as_bytes(), bad, record(2, 0).as_bytes()].concat();
    let (found, seen) = passed(&[&text], false).unwrap();
    assert_eq!(seen, Passed { memcgs: 2, unreadable: 1 });
    assert_eq!(found.iter().map(|(memcg, _)| memcg.id.0).collect::<Vec<_>>(), [1, 2]);
    let fault = passed(&[record(1, 0).as_bytes(), b"  2 \xff 2 3\n"], false).unwrap_err();
    assert_eq!(fault, Fault::new(5, "\u{fffd}", "a whole number"));
}

#[test]
fn a_file_without_memcgs_is_a_fault() {
    assert!(passed(&[], false).is_err());
    assert!(passed(&[b"\n"], false).is_err());
}

proptest! {
    #[test]
    fn pieces_of_any_length_give_the_same(cuts in prop::collection::vec(1_usize..90, 0..40)) {
        let text: String = (1..8).map(|id| record(id, 0)).collect();
        let (mut pieces, mut rest) = (Vec::new(), text.as_bytes());
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let found = passed(&pieces, false).unwrap().0;
        prop_assert!(found.iter().all(|(_, torn)| !torn));
        let memcgs: Vec<Memcg> = found.into_iter().map(|(memcg, _)| memcg).collect();
        prop_assert_eq!(memcgs, parse(&text).unwrap());
    }

    #[test]
    fn no_bytes_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6), cut: bool) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let _ = passed(&pieces, cut);
    }
}
