use super::*;
use proptest::prelude::*;
use rstest::rstest;

#[rstest]
#[case::success("4096\n", Some(4096))]
#[case::zero("0\n", Some(0))]
#[case::without_newline("17", Some(17))]
#[case::largest("18446744073709551615\n", Some(u64::MAX))]
#[case::overflow("18446744073709551616\n", None)]
#[case::word("max\n", None)]
#[case::negative("-1\n", None)]
#[case::signed("+1\n", None)]
#[case::fraction("1.5\n", None)]
#[case::two_words("1 2\n", None)]
#[case::two_lines("1\n2\n", None)]
#[case::empty("", None)]
#[case::newline_alone("\n", None)]
#[case::garbage("\u{0}\u{1b}[2J", None)]
fn integers(#[case] text: &str, #[case] expected: Option<u64>) {
    assert_eq!(integer(text).ok(), expected);
    let limit = limit(text).ok().filter(|limit| *limit != Limit::Max);
    assert_eq!(limit, expected.map(|count| Limit::At(Bytes::new(count))));
}

#[test]
fn max_is_a_limit_and_no_integer() {
    assert_eq!(limit("max\n"), Ok(Limit::Max));
    assert!(limit("maximum\n").is_err());
    assert!(integer("max\n").is_err());
}

#[test]
fn a_fault_says_line_found_and_expected() {
    let fault = integer("twelve\n").unwrap_err();
    assert_eq!(fault.to_string(), "line 1: `twelve` is not a whole number");
    let fault = Fault::new(3, &"x".repeat(100), "short");
    assert_eq!(fault.found.chars().count(), 49);
    assert_eq!(Fault::new(1, "\u{1b}[2J", "printable").found, "\\u{1b}[2J");
}

#[rstest]
#[case::yes("Y\n", Some(true))]
#[case::no("N\n", Some(false))]
#[case::one("1\n", Some(true))]
#[case::word("false\n", Some(false))]
#[case::garbage("maybe\n", None)]
#[case::empty("", None)]
fn switches(#[case] text: &str, #[case] expected: Option<bool>) {
    assert_eq!(switch(text).ok(), expected);
}

#[test]
fn keyed_lines_by_name() {
    let text = "anon 4096\n\nfile  12\nMemTotal:       1000 kB\ntruncat";
    let lines: Vec<_> = keyed(text).map(|line| (line.line, line.key, line.value)).collect();
    assert_eq!(
        lines,
        [(1, "anon", "4096"), (3, "file", "12"), (4, "MemTotal", "1000 kB"), (5, "truncat", "")]
    );
}

#[test]
fn keyed_values() {
    let line = |value| Keyed { line: 7, key: "k", value };
    assert_eq!(line("3").pages(), Ok(Bytes::new(12288)));
    assert_eq!(line("2 kB").kib(), Ok(Bytes::new(2048)));
    assert_eq!(line("1").flag(), Ok(true));
    for value in ["", "x", "-1", "99999999999999999999"] {
        assert_eq!(line(value).number().unwrap_err().line, 7);
    }
    for value in ["2", "kB", "2 MB", "2kBkB", "x kB"] {
        assert!(line(value).kib().is_err(), "{value}");
    }
    assert!(line("2").flag().is_err());
}

#[test]
fn columns_may_be_more_but_not_fewer() {
    assert_eq!(columns("  1 2   3 4\n"), Ok([1, 2, 3]));
    assert!(columns::<3>("1 2\n").is_err());
    assert!(columns::<1>("").is_err());
    assert!(columns::<2>("1 x\n").is_err());
}

#[rstest]
#[case("/swap", b"/swap")]
#[case(r"/my\040swap", b"/my swap")]
#[case(r"/tab\011nl\012bs\134", b"/tab\tnl\nbs\\")]
#[case(r"/systemd\x2d", br"/systemd\x2d")]
#[case(r"/short\04", br"/short\04")]
#[case(r"/high\777", br"/high\777")]
#[case(r"/no-utf8\377", b"/no-utf8\xff")]
#[case("", b"")]
fn octal_escapes(#[case] word: &str, #[case] expected: &[u8]) {
    assert_eq!(unescape(word.as_bytes()), expected);
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = (integer(&text), limit(&text), switch(&text), columns::<3>(&text), unescape(text.as_bytes()));
        for line in keyed(&text) {
            let _ = (line.number(), line.pages(), line.kib(), line.flag(), micros(line.line, line.value));
        }
    }

    #[test]
    fn numbers_read_back(count in any::<u64>()) {
        prop_assert_eq!(integer(&format!("{count}\n")), Ok(count));
        prop_assert_eq!(limit(&count.to_string()), Ok(Limit::At(Bytes::new(count))));
    }
}

#[test]
fn lists_of_cpus_and_nodes() {
    assert_eq!(list("0-3,5\n").unwrap(), [0, 1, 2, 3, 5]);
    assert_eq!(list("\n").unwrap(), [0; 0]);
    assert_eq!(list("0-8191").unwrap().len(), 8192);
    assert!(list(&"0-8191,".repeat(600_000)).is_err(), "19 GB of numbers in 4 MB");
    for bad in ["x", "3-1", "1-", "-1", "0-99999999", "0-51461", "1;2"] {
        assert!(list(bad).is_err(), "{bad}");
    }
}
