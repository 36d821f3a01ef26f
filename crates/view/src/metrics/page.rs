//! Prometheus' text format, a piece of text for each metric: the page is made anew from each turn, so there
//! is nothing that a registry would have to remember, and what is long is not copied into one text.

use std::{cell::RefCell, fmt::Write};

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    metrics: RefCell<Vec<String>>,
}

/// A metric with its samples. It is on the page when it is dropped, unless it has none.
#[derive(Debug)]
pub(super) struct Family<'p> {
    page: &'p Page,
    name: &'static str,
    /// The labels' places among those that are given, in the order of their names.
    labels: Vec<(&'static str, usize)>,
    /// What is said of it, and its samples.
    text: RefCell<String>,
    /// How long that is without samples.
    empty: usize,
}

impl Page {
    pub(super) fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str],
    ) -> Family<'_> {
        self.family("gauge", name, help, labels)
    }

    pub(super) fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str],
    ) -> Family<'_> {
        self.family("counter", name, help, labels)
    }

    /// A gauge without labels.
    pub(super) fn figure(&self, name: &'static str, help: &'static str, value: f64) {
        self.gauge(name, help, &[]).set(&[], value);
    }

    /// The text of each family that was dropped.
    pub(super) fn into_metrics(self) -> Vec<String> {
        self.metrics.into_inner()
    }

    fn family(
        &self,
        kind: &'static str,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str],
    ) -> Family<'_> {
        let mut labels: Vec<_> = labels.iter().enumerate().map(|(place, label)| (*label, place)).collect();
        labels.sort_unstable();
        let text = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { page: self, name, labels, empty: text.len(), text: RefCell::new(text) }
    }
}

impl Family<'_> {
    /// The sample of these values of the labels, each set of which has one.
    pub(super) fn set(&self, values: &[&str], value: f64) {
        let mut samples = self.text.borrow_mut();
        samples.push_str(self.name);
        let mut before = '{';
        for (label, place) in &self.labels {
            let value = values.get(*place).copied().unwrap_or_default();
            // To Prometheus an empty label is none.
            if value.is_empty() {
                continue;
            }
            samples.push(before);
            samples.push_str(label);
            samples.push_str("=\"");
            escape(value, &mut samples);
            samples.push('"');
            before = ',';
        }
        let end = if before == '{' { "" } else { "}" };
        // Writing to a string cannot fail.
        let _ = writeln!(samples, "{end} {value}");
    }
}

impl Drop for Family<'_> {
    fn drop(&mut self) {
        let mut text = std::mem::take(self.text.get_mut());
        if text.len() > self.empty {
            // It grew by doubling, and all of it is locked memory.
            text.shrink_to_fit();
            self.page.metrics.borrow_mut().push(text);
        }
    }
}

/// As the format asks for: backslashes, quotes and line breaks.
fn escape(value: &str, into: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => into.push_str(r"\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str(r"\n"),
            other => into.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_in_order_and_are_escaped() {
        let page = Page::default();
        let family = page.counter("lowtide_x_total", "What.", &["b", "a"]);
        let empty = page.gauge("lowtide_y", "Nothing.", &["a"]);
        family.set(&["1", "x\\2d\"\n"], 2_097_152.0);
        family.set(&["2", "y"], 0.001);
        page.figure("lowtide_z", "Plain.", -1.5);
        drop((family, empty));
        assert_eq!(
            page.into_metrics().concat(),
            "# HELP lowtide_z Plain.\n# TYPE lowtide_z gauge\nlowtide_z -1.5\n\
             # HELP lowtide_x_total What.\n# TYPE lowtide_x_total counter\n\
             lowtide_x_total{a=\"x\\\\2d\\\"\\n\",b=\"1\"} 2097152\n\
             lowtide_x_total{a=\"y\",b=\"2\"} 0.001\n"
        );
    }
}
