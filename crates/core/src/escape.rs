//! Names that a tenant chooses, made harmless for a terminal and a log.
//!
//! A cgroup may be called anything but `/` and a line break, a swap file anything at all: an escape character
//! would move the cursor, a carriage return overwrite the line, a mark of direction turn it round.

use std::{borrow::Cow, fmt::Write};

/// `text` on one line, with everything that a terminal would obey, or not show, as `\u{1b}`.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    with(text, is_unsafe, |out, c| write!(out, "\\u{{{:x}}}", u32::from(c)))
}

/// As [`escaped`], of a text of several lines: line breaks stay.
#[must_use]
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    let in_lines = |c| c != '\n' && is_unsafe(c);
    with(text, in_lines, |out, c| write!(out, "\\u{{{:x}}}", u32::from(c)))
}

/// As [`escaped_lines`], of a JSON document, which stays the same document: such characters stand in its
/// strings only.
#[must_use]
pub fn escaped_json(text: &str) -> Cow<'_, str> {
    let in_lines = |c| c != '\n' && is_unsafe(c);
    with(text, in_lines, |out, c| {
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
    })
}

/// As [`escaped`], of a name that may be no text: what is no UTF-8 is shown as `\xff`.
#[must_use]
pub fn escaped_bytes(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        shown.push_str(&escaped(chunk.valid()));
        // Writing to a String cannot fail.
        let _ = chunk.invalid().iter().try_for_each(|byte| write!(shown, "\\x{byte:02x}"));
    }
    shown
}

fn with(
    text: &str,
    is_unsafe: impl Fn(char) -> bool,
    write: impl Fn(&mut String, char) -> std::fmt::Result,
) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            // Writing to a String cannot fail.
            let _ = write(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Controls; breaks of lines and paragraphs; and what Unicode calls format characters (general category Cf),
/// such as marks of direction, which are seen only by what they do to others.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "/a\u{1b}[2J\r\n\u{202e}b\u{9b}c\u{7f}\u{2066}\u{e0041}";

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let shown = r"/a\u{1b}[2J\u{d}\u{a}\u{202e}b\u{9b}c\u{7f}\u{2066}\u{e0041}";
        assert_eq!(escaped(HOSTILE), shown);
        assert_eq!(escaped_lines(HOSTILE), shown.replace("\\u{a}", "\n"));
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["/mit leer/über", r"/system-getty\x2d1.slice", "/日本", "µs ±3 % →", ""] {
            assert!(matches!(escaped(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn a_json_document_says_the_same() {
        let document =
            format!("{{\n \"path\": \"{}\"\n}}", HOSTILE.replace('\r', "\\r").replace('\n', "\\n"));
        let shown = escaped_json(&document.replace('\u{1b}', "\\u001b")).into_owned();
        assert!(shown.chars().all(|c| c == '\n' || !is_unsafe(c)), "{shown}");
        assert!(shown.contains("\\u202eb\\u009bc\\u007f\\u2066\\udb40\\udc41"), "{shown}");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_one_by_one() {
        assert_eq!(escaped_bytes(b"caf\xe9\x1b\xff"), r"caf\xe9\u{1b}\xff");
        assert_eq!(escaped_bytes("ü".as_bytes()), "ü");
    }
}
