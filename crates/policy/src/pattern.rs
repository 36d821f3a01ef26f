//! One glob over cgroup paths: what is allowed, and how specific it is.

use globset::{Glob, GlobBuilder};

/// Longer than any path that the kernel takes.
const MAX_CHARS: usize = 1024;

/// What is special in a pattern. A backslash is not: systemd writes `\x2d` for a dash.
const SPECIAL: [char; 4] = ['*', '?', '[', '{'];

/// Which of two matching patterns wins: the greater one. The order of the fields is the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Specificity {
    /// A path without wildcards beats every glob.
    exact: bool,
    /// Names between slashes that hold no wildcard.
    names: usize,
    /// Characters outside wildcards, slashes not counted.
    chars: usize,
}

/// A checked pattern. `{a,b}` has been written out, so there may be several for one item of `match`.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub text: String,
    pub specificity: Specificity,
    /// `None` if the text has no wildcard and can be compared.
    pub glob: Option<Glob>,
}

/// What is wrong with a pattern: what was found, what to do.
pub(crate) type Fault = (String, String);

impl Pattern {
    /// Every pattern that `text` stands for.
    pub(crate) fn parse(text: &str) -> Result<Vec<Self>, Fault> {
        check_shape(text)?;
        let mut alternatives = expand(text)?;
        alternatives.sort();
        alternatives.dedup();
        alternatives.into_iter().map(Self::single).collect()
    }

    fn single(text: String) -> Result<Self, Fault> {
        check_names(&text)?;
        let specificity = Specificity::of(&text);
        let glob = if specificity.exact { None } else { Some(glob(&text)?) };
        Ok(Self { text, specificity, glob })
    }
}

impl Specificity {
    fn of(pattern: &str) -> Self {
        let names = pattern.split('/').filter(|name| !name.is_empty() && !name.contains(SPECIAL)).count();
        Self { exact: !pattern.contains(SPECIAL), names, chars: literal_chars(pattern) }
    }
}

/// Characters that stand for themselves; a class such as `[0-9]` counts as a wildcard.
fn literal_chars(pattern: &str) -> usize {
    let mut count = 0;
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '/' | '*' | '?' => {}
            '[' => skip_class(&mut rest),
            _ => count += 1,
        }
    }
    count
}

/// Moves behind the `]` that closes a class; one that comes first belongs to the class.
fn skip_class(rest: &mut std::str::Chars<'_>) {
    let mut first = true;
    let mut negated = false;
    for c in rest.by_ref() {
        match c {
            '!' | '^' if first && !negated => negated = true,
            ']' if !first => return,
            _ => first = false,
        }
    }
}

fn check_shape(text: &str) -> Result<(), Fault> {
    let fault = |message: &str, help: String| Err((message.to_owned(), help));
    if text.is_empty() {
        return fault("the pattern is empty", "write a path such as /system.slice/**".into());
    }
    if text.chars().count() > MAX_CHARS {
        return fault("the pattern is too long", format!("at most {MAX_CHARS} characters"));
    }
    if let Some(inside) =
        text.strip_prefix("/sys/fs/cgroup").filter(|rest| rest.is_empty() || rest.starts_with('/'))
    {
        let inside = if inside.is_empty() { "/" } else { inside };
        let help =
            format!("paths begin at the root of the cgroup tree, as in /proc/PID/cgroup: write `{inside}`");
        return fault("the pattern begins with the mount point", help);
    }
    if text.starts_with("^/") {
        let help =
            "patterns are globs over the whole path, not regular expressions: leave the `^` out".into();
        return fault("the pattern begins with `^`", help);
    }
    if !text.starts_with('/') {
        return fault(
            "the pattern does not begin with `/`",
            format!("write `/{text}`, or `/**/{text}` for any depth"),
        );
    }
    Ok(())
}

/// What can match no cgroup at all.
fn check_names(text: &str) -> Result<(), Fault> {
    if text == "/" {
        return Ok(());
    }
    let fault = |message: String, help: String| Err((message, help));
    if let Some(stem) = text.strip_suffix('/') {
        let help =
            format!("cgroup paths do not end with `/`: `{stem}` is the cgroup, `{stem}/**` is all below it");
        return fault("the pattern ends with `/`".into(), help);
    }
    for name in text.split('/').skip(1) {
        match name {
            "" => return fault("the pattern has `//` in it".into(), "leave one `/` out".into()),
            "." | ".." => {
                return fault(format!("the pattern has `{name}` in it"), "write the path in full".into());
            }
            "**" => {}
            _ if name.contains("**") => {
                let help = "`**` stands alone between slashes; within a name write `*`".into();
                return fault(format!("`{name}` has `**` in it"), help);
            }
            _ => {}
        }
    }
    Ok(())
}

fn glob(text: &str) -> Result<Glob, Fault> {
    let text = within_names(text)?;
    GlobBuilder::new(&text).literal_separator(true).backslash_escape(false).build().map_err(|error| {
        let help = "`*` is any part of a name, `**` any names, `?` one character, `[0-9]` one of several, `{a,b}` \
                    either; `[*]` stands for the character itself";
        (format!("not a pattern: {}", error.kind()), help.into())
    })
}

/// The pattern with classes that cannot match a slash: globset's can, even with `literal_separator`.
fn within_names(text: &str) -> Result<String, Fault> {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, class)) = rest.split_once('[') {
        let mut after = class.chars();
        skip_class(&mut after);
        let (class, tail) = class.split_at(class.len() - after.as_str().len());
        done.push_str(before);
        done.push('[');
        done.push_str(&class_within_names(class)?);
        rest = tail;
    }
    done.push_str(rest);
    Ok(done)
}

/// The same for what stands between a `[` and its `]`.
fn class_within_names(class: &str) -> Result<String, Fault> {
    let fault = |what: &str, help: &str| Err((format!("`[{class}` {what}"), help.to_owned()));
    let negated = class.strip_prefix(['!', '^']);
    let chars: Vec<char> = negated.unwrap_or(class).chars().collect();
    let spans_slash = |range: &[char]| matches!(range, [from, '-', to] if (*from..=*to).contains(&'/'));
    if chars.contains(&'/') || chars.windows(3).any(spans_slash) {
        return fault("takes in `/`", "a class is one character of a name, which has no `/` in it");
    }
    match negated {
        Some(set) if set.starts_with([']', '-']) => {
            fault("begins with `]` or `-` behind the `!`", "put that character last, or use `?`")
        }
        Some(set) => Ok(format!("!/{set}")),
        None => Ok(class.to_owned()),
    }
}

/// `/{a,b}/c` is short for `/a/c` and `/b/c`.
fn expand(text: &str) -> Result<Vec<String>, Fault> {
    let mut done = Vec::new();
    let mut todo = vec![text.to_owned()];
    while let Some(pattern) = todo.pop() {
        match first_group(&pattern)? {
            None => done.push(pattern),
            Some((before, options, after)) => {
                todo.extend(options.iter().map(|option| format!("{before}{option}{after}")));
            }
        }
        if done.len() + todo.len() > MAX_ALTERNATIVES {
            let help = format!(
                "`{{a,b}}` may stand for at most {MAX_ALTERNATIVES} paths in all; use `*`, or several patterns"
            );
            return Err(("the pattern has too many alternatives".into(), help));
        }
    }
    Ok(done)
}

const MAX_ALTERNATIVES: usize = 64;

/// A `{a,b}` and what is around it.
type Group<'a> = (&'a str, Vec<&'a str>, &'a str);

/// The text before the first `{`, what stands between its commas, and the text after its `}`.
fn first_group(text: &str) -> Result<Option<Group<'_>>, Fault> {
    let help = || "`{a,b}` is either of two; `[{]` stands for the character itself".to_owned();
    let mut start = None;
    let mut depth = 0_usize;
    let mut commas = Vec::new();
    let mut rest = text.chars();
    loop {
        let at = text.len() - rest.as_str().len();
        match (rest.next(), start) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(("a `{` is not closed".into(), help())),
            (Some('['), _) => skip_class(&mut rest),
            (Some('}'), None) => return Err(("a `}` has no `{`".into(), help())),
            (Some('{'), None) => start = Some(at),
            (Some('{'), Some(_)) => depth += 1,
            (Some('}'), Some(_)) if depth > 0 => depth -= 1,
            (Some(','), Some(_)) if depth == 0 => commas.push(at),
            (Some('}'), Some(open)) => return Ok(Some(split_group(text, open, &commas, at))),
            _ => {}
        }
    }
}

fn split_group<'a>(
    text: &'a str,
    open: usize,
    commas: &[usize],
    close: usize,
) -> (&'a str, Vec<&'a str>, &'a str) {
    let starts = std::iter::once(open).chain(commas.iter().copied());
    let ends = commas.iter().copied().chain(std::iter::once(close));
    let options = starts.zip(ends).map(|(start, end)| &text[start + 1..end]).collect();
    (&text[..open], options, &text[close + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(text: &str) -> (String, String) {
        Pattern::parse(text).unwrap_err()
    }

    #[test]
    fn braces_are_written_out() {
        let texts = |text| Pattern::parse(text).unwrap().into_iter().map(|p| p.text).collect::<Vec<_>>();
        assert_eq!(texts("/a"), ["/a"]);
        assert_eq!(texts("/{b,a}/{c,d}"), ["/a/c", "/a/d", "/b/c", "/b/d"]);
        assert_eq!(texts("/{a,b{,c}}x"), ["/ax", "/bcx", "/bx"]);
        assert_eq!(texts("/{a,a}"), ["/a"]);
        assert_eq!(texts("/[{]a"), ["/[{]a"]);
    }

    #[test]
    fn a_class_stays_within_a_name() {
        for text in ["/[a/b]", "/[+-9]", "/[!]a]", "/[!-a]"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        for text in ["/[0-9]", "/[!a-z]", "/[]]", "/[a-]", "/[*?{]", "/[^a]"] {
            assert!(Pattern::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_remedy_is_named() {
        assert!(help("web.slice").1.contains("`/web.slice`"));
        assert!(help("/sys/fs/cgroup/web.slice").1.contains("`/web.slice`"));
        assert!(help("/web.slice/").1.contains("`/web.slice/**`"));
        assert!(help("/a{b").0.contains("not closed"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(/|[a-c*?!^\\[\\]{},/\\\\ü-]){0,24}") {
            let _ = Pattern::parse(&text);
            let _ = Pattern::parse(&format!("/{text}"));
        }
    }
}
