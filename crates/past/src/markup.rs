//! Text in HTML: names that tenants chose can do nothing there.

use std::borrow::Cow;

use lowtide_core::escaped;

/// What the sum of the cgroups that were too many to be told one by one is called.
pub(crate) const REST: &str = "(all smaller ones)";

/// The name as people may see it: control characters and marks of direction are written out.
pub(crate) fn visible(name: &str) -> String {
    if name.is_empty() { REST.to_owned() } else { escaped(name).into_owned() }
}

/// The text in an element or an attribute in double quotes.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe.into()
}

/// A name in HTML.
pub(crate) fn name(name: &str) -> String {
    text(&visible(name)).into_owned()
}

/// A table: the first column names, the others figures. What is in `rows` is text, not markup.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head = row("th", head.iter().copied());
    let rows: Vec<_> = rows.iter().map(|cells| row("td", cells.iter().map(String::as_str))).collect();
    format!("<table>\n{head}{}</table>\n", rows.concat())
}

fn row<'a>(tag: &str, cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<_> = cells.map(|cell| format!("<{tag}>{}</{tag}>", text(cell))).collect();
    format!("<tr>{}</tr>\n", cells.concat())
}
