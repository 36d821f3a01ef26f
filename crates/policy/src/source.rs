//! A file's text, and the places in it.

use std::{
    fs,
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
};

use crate::{Place, Problem, Related};

/// Larger files are refused before they are parsed; a configuration of a thousand policies has about 200 KiB.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// What is shown of a line, in characters.
const SHOWN: usize = 110;

/// What is kept to the left of the marked text when a line is too long to be shown.
const BEFORE: usize = 40;

/// Where something stands, in bytes from the beginning of the file.
pub(crate) type Span = Range<usize>;

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    pub path: PathBuf,
    pub text: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl Source {
    /// A byte order mark at the beginning is no part of the text: it would shift the columns of the first
    /// line.
    pub(crate) fn new(path: &Path, text: String) -> Self {
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let lines = line_starts(text.as_bytes());
        Self { path: path.to_owned(), text, lines }
    }

    /// The file at `path`, if it is a text file of reasonable size.
    pub(crate) fn read(path: &Path) -> Result<Self, Box<Problem>> {
        let bytes = read_limited(path)?;
        let text = String::from_utf8(bytes).map_err(|error| not_text(path, error.as_bytes()))?;
        if text.contains('\0') {
            return Err(not_text(path, text.as_bytes()));
        }
        Ok(Self::new(path, text))
    }

    /// An error at `span`. What the message repeats of the file is made printable.
    pub(crate) fn problem(&self, span: Span, message: impl Into<String>, help: impl Into<String>) -> Problem {
        let (message, help) = (line(&message.into()), line(&help.into()));
        Problem { place: Some(self.place(span)), ..Problem::file(&self.path, message, help) }
    }

    /// The second place of a problem.
    pub(crate) fn related(&self, span: Span, message: impl Into<String>) -> Related {
        Related { message: message.into(), file: self.path.clone(), place: self.place(span) }
    }

    pub(crate) fn place(&self, span: Span) -> Place {
        place(self.text.as_bytes(), &self.lines, span)
    }
}

fn read_limited(path: &Path) -> Result<Vec<u8>, Box<Problem>> {
    let unreadable =
        |error: io::Error| Box::new(Problem::file(path, read_message(&error), read_help(path, &error)));
    let refuse = |message: &str, help: &str| Err(Box::new(Problem::file(path, message, help)));
    let kind = fs::metadata(path).map_err(unreadable)?;
    if kind.is_dir() {
        return refuse("this is a directory, not a file", "name the file, such as /etc/lowtide/lowtide.yaml");
    }
    if !kind.is_file() {
        return refuse("this is not a regular file", "write the configuration to a file");
    }
    let mut bytes = Vec::new();
    let limit = MAX_FILE_BYTES as u64 + 1;
    fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() > MAX_FILE_BYTES {
        let message =
            format!("the file is too large: {} bytes, at most {MAX_FILE_BYTES} (1MiB) are read", kind.len());
        return refuse(
            &message,
            "check that it is the right file; policies can be split over policies.d/*.yaml",
        );
    }
    Ok(bytes)
}

fn read_message(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".into(),
        io::ErrorKind::PermissionDenied => "cannot be read: permission denied".into(),
        _ => format!("cannot be read: {error}"),
    }
}

fn read_help(path: &Path, error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => {
            "it is a link to a file that does not exist: repair or remove the link"
        }
        io::ErrorKind::NotFound => {
            "create it, or name another file with --config; `interval: 6s` is enough to begin with"
        }
        io::ErrorKind::PermissionDenied => {
            "run as root, or give the user read access: chmod a+r FILE, chmod a+x DIRECTORY"
        }
        _ => "check the path and the file system",
    }
}

/// The first byte that text does not have.
fn not_text(path: &Path, bytes: &[u8]) -> Box<Problem> {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    let at = bytes.iter().take(valid).position(|byte| *byte == 0).unwrap_or(valid);
    let byte = bytes.get(at).copied().unwrap_or_default();
    let message = format!("this is not a text file: byte 0x{byte:02x}");
    let help =
        "save it as UTF-8 text without NUL bytes (UTF-16 is not read), or name another file with --config";
    let place = place(bytes, &line_starts(bytes), at..at + 1);
    Box::new(Problem { place: Some(place), ..Problem::file(path, message, help) })
}

fn line_starts(text: &[u8]) -> Vec<usize> {
    let after_breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(after_breaks).collect()
}

fn place(text: &[u8], lines: &[usize], span: Span) -> Place {
    let start = span.start.min(text.len());
    let index = lines.partition_point(|line| *line <= start).saturating_sub(1);
    let line_start = lines.get(index).copied().unwrap_or(0);
    let line_end = lines.get(index + 1).map_or(text.len(), |next| next - 1);
    let part = |range: Range<usize>| {
        let bytes = text.get(range).unwrap_or_default();
        String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(bytes)).into_owned()
    };
    let column = part(line_start..start).chars().count();
    let width = part(start..span.end.clamp(start, line_end.max(start))).chars().count();
    let (text, marked) = excerpt(&part(line_start..line_end), column..column + width.max(1));
    Place { line: index + 1, column: column + 1, text, marked }
}

/// The part of a line that is shown, printable, and where the marked characters are in it.
fn excerpt(line: &str, marked: Range<usize>) -> (String, Range<usize>) {
    let chars: Vec<char> = line.chars().map(printable).collect();
    if chars.len() <= SHOWN {
        let end = marked.end.min(chars.len()).max(marked.start + 1);
        return (chars.iter().collect(), marked.start..end);
    }
    let first = marked.start.saturating_sub(BEFORE);
    let mut shown: String = if first > 0 { "…".into() } else { String::new() };
    let shift = first - shown.chars().count();
    shown.extend(chars.iter().skip(first).take(SHOWN));
    if first + SHOWN < chars.len() {
        shown.push('…');
    }
    let end = marked.end.min(first + SHOWN).max(marked.start + 1);
    (shown, marked.start - shift..end - shift)
}

fn line(text: &str) -> String {
    text.chars().map(printable).collect()
}

/// A tab is shown, and takes one column, as it does in `column`; what would move the terminal's cursor is not
/// printed.
fn printable(c: char) -> char {
    match c {
        '\t' => '→',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        // Bidirectional overrides show a line as something else than it is.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Span) -> (usize, usize, String, String) {
        let place = Source::new(Path::new("f"), text.into()).place(span);
        let marked = place.text.chars().skip(place.marked.start).take(place.marked.len()).collect();
        (place.line, place.column, place.text, marked)
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        assert_eq!(shown("ab: cd\n", 4..6), (1, 5, "ab: cd".into(), "cd".into()));
        assert_eq!(shown("a\r\nä: x\r\n", 7..8), (2, 4, "ä: x".into(), "x".into()));
        assert_eq!(shown("a\n", 2..2).0, 2);
        assert_eq!(shown("", 0..9).0, 1);
    }

    #[test]
    fn a_span_over_several_lines_marks_the_first() {
        assert_eq!(shown("a: [b,\n c]\n", 3..10), (1, 4, "a: [b,".into(), "[b,".into()));
    }

    #[test]
    fn what_moves_the_cursor_is_replaced() {
        assert_eq!(shown("\ta\u{1b}[2J", 1..2).2, "→a\u{fffd}[2J");
    }

    #[test]
    fn a_byte_order_mark_shifts_no_column() {
        let source = Source::new(Path::new("f"), "\u{feff}ab: cd\n".into());
        let at = source.text.find("cd").unwrap();
        let place = source.place(at..at + 2);
        assert_eq!((place.column, place.text.as_str()), (5, "ab: cd"));
    }

    #[test]
    fn of_a_long_line_the_part_around_the_mark_is_shown() {
        let line = format!("{}MARK{}", "x".repeat(500), "y".repeat(500));
        let (_, column, text, marked) = shown(&line, 500..504);
        assert_eq!((column, marked.as_str()), (501, "MARK"));
        assert!(text.chars().count() <= SHOWN + 2 && text.starts_with('…') && text.ends_with('…'), "{text}");
    }
}
