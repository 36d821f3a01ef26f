//! Prometheus' text format, a piece of text for each metric: the page is made anew from each turn, so there
//! is nothing that a registry would have to remember, and what is long is not copied into one text.

use std::{cell::RefCell, collections::BTreeMap, fmt::Write};

use super::rest::{Exported, OTHER, Rest, Values};

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    metrics: RefCell<Vec<String>>,
    rest: RefCell<Rest>,
}

/// A metric with its samples. It is on the page when it is dropped, unless it has none.
#[derive(Debug)]
pub(super) struct Family<'p> {
    page: &'p Page,
    kind: Kind,
    name: &'static str,
    /// The labels' places among those that are given, in the order of their names.
    labels: Vec<(&'static str, usize)>,
    /// What is said of it, and its samples.
    text: RefCell<String>,
    /// How long that is without samples.
    empty: usize,
    /// Of a gauge: what cgroups without series of their own have together.
    sums: RefCell<BTreeMap<Values, f64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
}

impl Page {
    /// A page after the one that left `rest`.
    pub(super) fn after(rest: Rest) -> Self {
        Self { rest: RefCell::new(rest), ..Self::default() }
    }

    pub(super) fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str],
    ) -> Family<'_> {
        self.family(Kind::Gauge, name, help, labels)
    }

    pub(super) fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str],
    ) -> Family<'_> {
        self.family(Kind::Counter, name, help, labels)
    }

    /// A gauge without labels.
    pub(super) fn figure(&self, name: &'static str, help: &'static str, value: f64) {
        self.gauge(name, help, &[]).set(&[], value);
    }

    /// The text of each family that was dropped, and what the next page is to know.
    pub(super) fn into_parts(self) -> (Vec<String>, Rest) {
        (self.metrics.into_inner(), self.rest.into_inner())
    }

    fn family(
        &self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str],
    ) -> Family<'_> {
        let mut labels: Vec<_> = labels.iter().enumerate().map(|(place, label)| (*label, place)).collect();
        labels.sort_unstable();
        let word = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        let text = format!("# HELP {name} {help}\n# TYPE {name} {word}\n");
        Family {
            page: self,
            kind,
            name,
            labels,
            empty: text.len(),
            text: RefCell::new(text),
            sums: RefCell::default(),
        }
    }
}

impl Family<'_> {
    /// The sample of a cgroup, whose path is the first label. One without series of its own is a part of the
    /// sample of the rest, so the values have to be such that their sum says something.
    pub(super) fn of(&self, row: Exported<'_>, values: &[&'static str], value: f64) {
        let key = padded(values);
        match self.kind {
            Kind::Counter => self.page.rest.borrow_mut().counted(row, self.name, key, value),
            Kind::Gauge if !row.own => *self.sums.borrow_mut().entry(key).or_default() += value,
            Kind::Gauge => {}
        }
        if row.own {
            self.with(&row.cgroup.path, key, value);
        }
    }

    /// The same where a sum would say nothing: the rest has no sample.
    pub(super) fn alone(&self, row: Exported<'_>, values: &[&'static str], value: f64) {
        if row.own {
            self.with(&row.cgroup.path, padded(values), value);
        }
    }

    fn with(&self, path: &str, [first, second]: Values, value: f64) {
        self.set(&[path, first, second], value);
    }

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

/// Values of the labels behind the path, with empty ones for those that a family does not have.
fn padded(values: &[&'static str]) -> Values {
    std::array::from_fn(|place| values.get(place).copied().unwrap_or_default())
}

impl Drop for Family<'_> {
    fn drop(&mut self) {
        for (values, sum) in std::mem::take(self.sums.get_mut()) {
            self.with(OTHER, values, sum);
        }
        if self.kind == Kind::Counter {
            for (values, total) in self.page.rest.borrow().of(self.name) {
                self.with(OTHER, values, total);
            }
        }
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
            page.into_parts().0.concat(),
            "# HELP lowtide_z Plain.\n# TYPE lowtide_z gauge\nlowtide_z -1.5\n\
             # HELP lowtide_x_total What.\n# TYPE lowtide_x_total counter\n\
             lowtide_x_total{a=\"x\\\\2d\\\"\\n\",b=\"1\"} 2097152\n\
             lowtide_x_total{a=\"y\",b=\"2\"} 0.001\n"
        );
    }
}
