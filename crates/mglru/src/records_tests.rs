use super::*;
use proptest::prelude::*;
use rstest::rstest;

const REAL: &str = "\
memcg     1 /
 node     0
          0       4248          0        1075 
          1       4248        141           0 
 node     1
          4       4248          0           0 
          5        120          2           7 
memcg     3 /b c
 node     0
          8      15000       9024         219 
          9          8          0           0 
";

fn generation(seq: u64, millis: u64, anon: u64, file: u64) -> Generation {
    let size = ByType { anon: Bytes::pages(anon), file: Bytes::pages(file) };
    Generation { seq, age: Duration::from_millis(millis), size }
}

/// One memcg with the lines of its nodes.
fn one(body: &str) -> Result<Vec<Memcg>, Fault> {
    parse(&format!("memcg     1 /\n{body}"))
}

#[test]
fn memcgs_nodes_and_generations() {
    let root = Memcg {
        id: MemcgId(1),
        path: "/".into(),
        nodes: vec![
            Node { id: 0, generations: vec![generation(0, 4248, 0, 1075), generation(1, 4248, 141, 0)] },
            Node { id: 1, generations: vec![generation(4, 4248, 0, 0), generation(5, 120, 2, 7)] },
        ],
    };
    let generations = vec![generation(8, 15000, 9024, 219), generation(9, 8, 0, 0)];
    let other = Memcg { id: MemcgId(3), path: "/b c".into(), nodes: vec![Node { id: 0, generations }] };
    assert_eq!(other.nodes[0].youngest(), Some(&generation(9, 8, 0, 0)));
    assert_eq!(other.nodes[0].size(), ByType { anon: Bytes::pages(9024), file: Bytes::pages(219) });
    assert_eq!(parse(REAL), Ok(vec![root, other]));
}

#[rstest]
#[case::blank_padded("memcg     3 /web", 3, "/web")]
#[case::sixty_four_bits("memcg 18446744073709551615 /web", u64::MAX, "/web")]
#[case::blanks_at_both_ends("memcg     3 / a ", 3, "/ a ")]
#[case::escapes_of_systemd(r"memcg     3 /a\x2db.slice", 3, r"/a\x2db.slice")]
#[case::looks_like_another("memcg     3 /memcg 4 /x", 3, "/memcg 4 /x")]
#[case::carriage_return("memcg     3 /a\r", 3, "/a\r")]
#[case::removed("memcg     0 /web", 0, "/web")]
#[case::no_memory_cgroups("memcg     0 ", 0, "")]
#[case::no_path_at_all("memcg     3 (null)", 3, "(null)")]
fn headers(#[case] line: &str, #[case] id: u64, #[case] path: &str) {
    let parsed = parse(&format!("{line}\n node 0\n 0 1 2 3\n 1 1 2 3\n")).unwrap();
    assert_eq!((parsed.len(), parsed[0].id, &*parsed[0].path), (1, MemcgId(id), path));
}

#[rstest]
#[case::as_it_is(" node 0\n 0 4 1 2 \n 1 4 1 2 \n", true)]
#[case::without_line_break(" node 0\n 0 4 1 2\n 1 4 1 2", true)]
#[case::further_columns(" node 0\n 0 4 1 2 x\n 1 4 1 2 -1\n", true)]
#[case::further_kinds_of_lines(" node 0\n 0 4 1 2\n 1 4 1 2\n tiers 1 2\n", true)]
#[case::blank_lines("\n node 0\n\n 0 4 1 2\n 1 4 1 2\n", true)]
#[case::most_pages(" node 0\n 0 4 1 4503599627370495\n 1 4 0 0\n", true)]
#[case::more_pages(" node 0\n 0 4 1 4503599627370496\n 1 4 0 0\n", false)]
#[case::huge(" node 0\n 0 4 1 99999999999999999999\n 1 4 0 0\n", false)]
#[case::negative(" node 0\n 0 4 -1 2\n 1 4 1 2\n", false)]
#[case::negative_generation(" node 0\n -1 4 1 2\n 0 4 1 2\n", false)]
#[case::word(" node 0\n 0 4 max 2\n 1 4 1 2\n", false)]
#[case::truncated_line(" node 0\n 0 4 1 2\n 1 4 1\n", false)]
#[case::truncated_generations(" node 0\n 0 4 1 2\n", false)]
#[case::truncated_node(" node 0\n 0 4 1 2\n 1 4 1 2\n node 1\n", false)]
#[case::truncated_word(" node 0\n 0 4 1 2\n 1 4 1 2\n no", true)]
#[case::truncated_memcg("", false)]
#[case::no_node(" 0 4 1 2\n 1 4 1 2\n", false)]
#[case::node_without_number(" node \n 0 4 1 2\n 1 4 1 2\n", false)]
#[case::node_too_large(" node 4294967296\n 0 4 1 2\n 1 4 1 2\n", false)]
#[case::same_node(" node 1\n 0 4 1 2\n 1 4 1 2\n node 1\n 0 4 1 2\n 1 4 1 2\n", false)]
#[case::generation_left_out(" node 0\n 0 4 1 2\n 2 4 1 2\n", false)]
#[case::generations_turned(" node 0\n 1 4 1 2\n 0 4 1 2\n", false)]
#[case::generations_run_over(" node 0\n 18446744073709551615 4 1 2\n 0 4 1 2\n", false)]
#[case::garbage("\u{0}\u{1b}[2J\n", false)]
fn bodies(#[case] body: &str, #[case] good: bool) {
    assert_eq!(one(body).is_ok(), good, "{:?}", one(body));
}

#[rstest]
#[case::empty("", 1)]
#[case::line_breaks("\n\n", 2)]
#[case::garbage("\u{1}\u{2}\u{3}", 1)]
#[case::no_header(" node     0\n", 1)]
#[case::header_without_number("memcg /\n", 1)]
#[case::negative_number("memcg -1 /\n", 1)]
#[case::number_too_large("memcg 18446744073709551616 /\n", 1)]
#[case::header_cut_off("memcg     3", 1)]
#[case::second_memcg_cut_off("memcg 1 /\n node 0\n 0 1 2 3\n 1 1 2 3\nmemcg 2 /a\n", 5)]
fn no_such_file(#[case] text: &str, #[case] line: usize) {
    assert_eq!(parse(text).unwrap_err().line, line);
}

#[test]
fn a_record_is_bounded() {
    let generations: Vec<_> = (0..=MANY).map(|seq| format!(" {seq} 1 2 3\n")).collect();
    let fault = one(&format!(" node 0\n{}", generations.concat())).unwrap_err();
    assert_eq!((fault.line, fault.expected), (MANY + 3, "the next node"));
    let nodes: Vec<_> = (0..=MANY).map(|id| format!(" node {id}\n 0 1 2 3\n 1 1 2 3\n")).collect();
    assert_eq!(one(&nodes.concat()).unwrap_err().expected, "the next memcg");
}

#[test]
fn what_cannot_be_read_is_passed_over() {
    let mut records = Records::default();
    let mut take = |line: &str| records.line(line).unwrap();
    for line in ["memcg 1 /", " node 0", " 0 1 2 3"] {
        assert_eq!(take(line), None);
    }
    take(" 1 1 2 3");
    assert_eq!(records.unreadable().unwrap().unwrap().path, "/");
    for line in [" node 0", " 0 1 2 3", " 1 1 2 3"] {
        assert_eq!(records.line(line), Ok(None));
    }
    assert_eq!(records.line("memcg 3 /b"), Ok(None));
    records.line(" node 0").unwrap();
    assert_eq!(records.line("x y z").unwrap(), None);
    assert_eq!(records.line("9 y z").unwrap_err().line, 12);
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text);
        let _ = one(&text);
    }

    #[test]
    fn no_mutation_of_a_real_file_panics(at in 0..REAL.len(), with in any::<char>()) {
        let mut text = REAL.to_owned();
        text.replace_range(at..=at, &with.to_string());
        let _ = parse(&text);
        let _ = parse(&REAL[..at]);
    }
}
