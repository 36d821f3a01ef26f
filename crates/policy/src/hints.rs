//! Patterns that are allowed and look like something else: regular expressions, and systemd's escapes within
//! double quotes.

use crate::{
    Problem,
    source::{Source, Span},
};

/// What the pattern at `span` was probably meant to be.
pub(crate) fn hint(source: &Source, span: &Span, pattern: &str) -> Option<Problem> {
    let written = source.text.get(span.clone()).unwrap_or_default();
    let (message, help) = eaten_escape(written, pattern).or_else(|| expression(pattern))?;
    Some(source.problem(span.clone(), message, help).warning())
}

/// `"\x2d"` is YAML's own way to write a dash: the backslash never gets here.
fn eaten_escape(written: &str, pattern: &str) -> Option<(String, String)> {
    if !written.starts_with('"') || !written.contains(r"\x") || pattern.contains(r"\x") {
        return None;
    }
    let message = format!("in double quotes YAML reads `\\x..` itself: the pattern is `{pattern}`");
    let inside = written.trim_matches('"').replace(r"\\", r"\");
    Some((message, format!("systemd's names keep their backslash in single quotes: '{inside}'")))
}

fn expression(pattern: &str) -> Option<(String, String)> {
    let what = in_expression(pattern)?;
    let message = format!("`{what}` is of a regular expression, and patterns are globs");
    let help = "`*` is any part of a name, `**` any names, `?` one character, `[0-9]` one of several, `{a,b}` either; all else stands \
                for itself";
    Some((message, help.into()))
}

/// A part that means something in a regular expression, and in the names of cgroups next to nothing.
fn in_expression(pattern: &str) -> Option<&str> {
    let part = |text: &str| pattern.find(text).map(|at| &pattern[at..at + text.len()]);
    let known = ["/.*", ").*", "].*", ".+", "]+", ")+", "(?:"].into_iter().find_map(part);
    known
        .or_else(|| pattern.ends_with('$').then_some("$"))
        .or_else(|| alternatives(pattern))
        .or_else(|| escape(pattern))
}

/// `(a|b)`.
fn alternatives(pattern: &str) -> Option<&str> {
    let open = pattern.find('(')?;
    let close = open + pattern.get(open..)?.find(')')?;
    pattern.get(open..=close).filter(|group| group.contains('|'))
}

/// A backslash that is none of systemd's, which writes `\x2d`.
fn escape(pattern: &str) -> Option<&str> {
    let mut parts = pattern.match_indices('\\');
    let (at, _) = parts.find(|(at, _)| !pattern.get(at + 1..).is_some_and(|rest| rest.starts_with('x')))?;
    let end = pattern.get(at + 1..)?.chars().next().map_or(at + 1, |next| at + 1 + next.len_utf8());
    pattern.get(at..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_no_expressions() {
        for pattern in [
            "/a.*",
            "/a/*.service",
            "/a/**",
            r"/a\x2db.slice",
            "/a[0-9]",
            "/{a,b}.slice",
            "/user@1000.service",
            "/a+b",
            "/a(b)",
        ] {
            assert_eq!(in_expression(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn expressions_are_known() {
        for (pattern, what) in [
            ("/system.slice/.*", "/.*"),
            ("/a/b.+", ".+"),
            ("/a[0-9]+", "]+"),
            ("/a/(b|c).service", "(b|c)"),
            ("/a.service$", "$"),
            (r"/a/*\.service", r"\."),
            (r"/a/\d", r"\d"),
            ("/a\\", "\\"),
        ] {
            assert_eq!(in_expression(pattern), Some(what), "{pattern}");
        }
    }

    #[test]
    fn an_escape_within_double_quotes() {
        let (message, help) = eaten_escape(r#""/a\x2db.slice""#, "/a-b.slice").unwrap();
        assert!(message.contains("`/a-b.slice`") && help.contains(r"'/a\x2db.slice'"), "{message} {help}");
        for (written, pattern) in [
            (r"'/a\x2db.slice'", r"/a\x2db.slice"),
            (r#""/a\\x2db.slice""#, r"/a\x2db.slice"),
            (r#""/a-b.slice""#, "/a-b.slice"),
        ] {
            assert_eq!(eaten_escape(written, pattern), None, "{written}");
        }
    }
}
