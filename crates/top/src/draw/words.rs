use std::time::Duration;

use lowtide_core::{Bytes, Ratio, escaped};
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

/// What is not known.
pub(super) const UNKNOWN: &str = "-";

/// A name that somebody chose, as a terminal may have it.
pub(super) fn name(text: &str) -> String {
    escaped(text).into_owned()
}

/// A size, or that it is not known.
pub(super) fn size(bytes: Option<Bytes>) -> String {
    bytes.map_or_else(|| UNKNOWN.to_owned(), |bytes| bytes.to_string())
}

/// Bytes a second.
pub(super) fn rate(per_second: Option<f64>) -> String {
    per_second.map_or_else(|| UNKNOWN.to_owned(), |rate| format!("{}/s", whole(rate)))
}

/// Bytes a second, with a sign.
pub(super) fn change(per_second: Option<f64>) -> String {
    let signed = |rate: f64| {
        let size = whole(rate.abs());
        match (size.is_zero(), rate < 0.0) {
            (true, _) => "0B/s".to_owned(),
            (false, true) => format!("-{size}/s"),
            (false, false) => format!("+{size}/s"),
        }
    };
    per_second.map_or_else(|| UNKNOWN.to_owned(), signed)
}

/// How often a second.
pub(super) fn times(per_second: Option<f64>) -> String {
    let digits = |rate: f64| usize::from(rate > 0.0 && rate < 10.0);
    per_second.map_or_else(|| UNKNOWN.to_owned(), |rate| format!("{rate:.*}/s", digits(rate)))
}

/// A share.
pub(super) fn share(share: Option<Ratio>) -> String {
    share.map_or_else(|| UNKNOWN.to_owned(), |share| share.to_string())
}

/// A share without digits behind the point.
pub(super) fn percent(share: Ratio) -> String {
    format!("{:.0}%", share.get() * 100.0)
}

/// A time in whole seconds: `3h 2m 5s`.
pub(super) fn age(age: Duration) -> String {
    humantime::format_duration(Duration::from_secs(age.as_secs())).to_string()
}

/// What a fault takes.
pub(super) fn latency(time: Duration) -> String {
    match time.as_secs_f64() * 1e6 {
        micros if micros < 1.0 => format!("{:.0}ns", micros * 1e3),
        micros if micros < 1000.0 => format!("{micros:.0}µs"),
        micros => format!("{:.1}ms", micros / 1e3),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are not negative, and a cast saturates"
)]
fn whole(rate: f64) -> Bytes {
    Bytes::new(rate.round() as u64)
}

/// Columns that it takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of `text`, in at most `most` columns.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    match most.checked_sub(ELLIPSIS) {
        Some(room) => format!("{}…", begin(text, room)),
        None => String::new(),
    }
}

/// `text` in at most `most` columns: of a path the end tells more than the middle.
pub(super) fn shorten(text: &str, most: usize) -> String {
    let Some(room) = most.checked_sub(ELLIPSIS).filter(|_| width(text) > most) else {
        return cut(text, most);
    };
    let last = room * 2 / 3;
    format!("{}…{}", begin(text, room - last), end(text, last))
}

const ELLIPSIS: usize = 1;

/// As much of the beginning as `most` columns have room for. What a character adds depends on those before
/// it.
fn begin(text: &str, most: usize) -> &str {
    let parts = text.char_indices().map(|(at, c)| &text[..at + c.len_utf8()]);
    parts.take_while(|part| width(part) <= most).last().unwrap_or_default()
}

/// The same of the end.
fn end(text: &str, most: usize) -> &str {
    let parts = text.char_indices().rev().map(|(at, _)| &text[at..]);
    parts.take_while(|part| width(part) <= most).last().unwrap_or_default()
}

/// `text` and blanks up to `columns`; the text to the right of them if `right`.
pub(super) fn pad(text: &str, columns: usize, right: bool) -> String {
    let blanks = " ".repeat(columns.saturating_sub(width(text)));
    if right { blanks + text } else { text.to_owned() + &blanks }
}

/// Broken at blanks into lines of at most `columns`; a longer word is broken inside.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut rest = word;
        while let Some(line) = lines.last_mut() {
            let gap = usize::from(!line.is_empty());
            if width(line) + gap + width(rest) <= columns {
                line.push_str(&" ".repeat(gap));
                line.push_str(rest);
                break;
            }
            if !line.is_empty() {
                lines.push(String::new());
                continue;
            }
            // A character that is wider than the line must not keep it from ending.
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let part = &rest[..begin(rest, columns).len().max(first)];
            rest = &rest[part.len()..];
            line.push_str(part);
            lines.push(String::new());
        }
    }
    lines
}

/// Two blocks of lines beside one another.
pub(super) fn beside(
    left: Vec<Line<'static>>,
    left_width: usize,
    right: Vec<Line<'static>>,
) -> Vec<Line<'static>> {
    let count = left.len().max(right.len());
    let mut rights = right.into_iter();
    let mut lefts = left.into_iter();
    let join = |_| {
        let mut line = lefts.next().unwrap_or_default();
        if let Some(right) = rights.next() {
            line.push_span(" ".repeat(left_width.saturating_sub(line.width())));
            line.extend(right.spans);
        }
        line
    };
    (0..count).map(join).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/kubepods/web", 20, "/kubepods/web")]
    #[case("/kubepods/web", 8, "/ku…/web")]
    #[case("/日本語日本語", 9, "/日…本語")]
    #[case("/kubepods/web", 1, "…")]
    #[case("/kubepods/web", 0, "")]
    fn the_end_of_a_path_stays(#[case] text: &str, #[case] most: usize, #[case] expected: &str) {
        assert_eq!(shorten(text, most), expected);
    }

    #[test]
    fn rates() {
        assert_eq!(
            [change(Some(-2048.0)), change(Some(3.2e6)), change(Some(0.2)), change(None)],
            ["-2KiB/s", "+3.1MiB/s", "0B/s", "-"]
        );
        assert_eq!(
            [times(Some(0.0)), times(Some(0.5)), times(Some(12.3)), times(None)],
            ["0/s", "0.5/s", "12/s", "-"]
        );
        assert_eq!(rate(Some(4096.0)), "4KiB/s");
    }

    #[test]
    fn words_are_wrapped_and_long_ones_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a 0123456789 b", 4), ["a", "0123", "4567", "89 b"]);
        assert_eq!(wrap("日b", 1), ["日", "b"], "wider than the line, and still it ends");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_room(text in ".{0,60}", most in 2_usize..40) {
            let text = name(&text);
            prop_assert!(width(&cut(&text, most)) <= most, "{:?}", cut(&text, most));
            prop_assert!(wrap(&text, most).iter().all(|line| width(line) <= most), "{:?}", wrap(&text, most));
        }

        #[test]
        fn a_path_fits(path in "(/[a-z日]{1,12}){1,8}", most in 1_usize..60) {
            prop_assert!(width(&shorten(&path, most)) <= most);
        }

        #[test]
        fn wrapping_loses_nothing(text in "[a-z]{1,9}( [a-z]{1,9}){0,12}", most in 9_usize..40) {
            prop_assert_eq!(wrap(&text, most).join(" "), text);
        }
    }
}
