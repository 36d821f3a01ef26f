//! The shipped dashboards, taken apart.

use anyhow::{Context, Result};
use serde::Deserialize;

/// Their names, and Grafana's JSON.
pub(super) const DASHBOARDS: &[(&str, &str)] = &[
    ("host", include_str!("../../../../../packaging/grafana/host.json")),
    ("tenant", include_str!("../../../../../packaging/grafana/tenant.json")),
    ("tiers", include_str!("../../../../../packaging/grafana/tiers.json")),
    ("savings", include_str!("../../../../../packaging/grafana/savings.json")),
];

/// One panel.
#[derive(Debug, Deserialize)]
pub(super) struct Panel {
    pub(super) title: String,
    /// Of Grafana's units.
    #[serde(rename = "fieldConfig")]
    fields: Fields,
    #[serde(default)]
    pub(super) targets: Vec<Target>,
}

/// A query of a panel.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    pub(super) expr: String,
    /// How a series is called: text with labels in double braces.
    #[serde(rename = "legendFormat", default)]
    legend: String,
}

#[derive(Debug, Deserialize)]
struct Fields {
    defaults: Defaults,
}

#[derive(Debug, Deserialize)]
struct Defaults {
    #[serde(default)]
    unit: String,
}

#[derive(Debug, Deserialize)]
struct Dashboard {
    panels: Vec<Panel>,
}

/// The panels of a dashboard, in their order.
pub(super) fn panels(json: &str) -> Result<Vec<Panel>> {
    let dashboard: Dashboard = serde_json::from_str(json).context("a dashboard is not as Grafana's are")?;
    Ok(dashboard.panels)
}

impl Panel {
    /// What a value is divided by to be shown, and in what it is shown then.
    pub(super) fn unit(&self) -> (f64, &str) {
        const MIB: f64 = 1024.0 * 1024.0;
        match &*self.fields.defaults.unit {
            "bytes" => (MIB, "MiB"),
            "Bps" | "binBps" => (MIB, "MiB/s"),
            "percentunit" => (0.01, "%"),
            "none" | "short" | "" => (1.0, ""),
            other => (1.0, other),
        }
    }
}

impl Target {
    /// The query with one host and all of its cgroups for Grafana's variables.
    pub(super) fn query(&self, instance: &str) -> String {
        self.expr.replace("$instance", instance).replace("$cgroup", ".*")
    }

    /// How a series with these labels is called.
    pub(super) fn called(&self, label: impl Fn(&str) -> String) -> String {
        let mut called = String::new();
        let mut rest = &*self.legend;
        while let Some((text, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            called.push_str(text);
            called.push_str(&label(name.trim()));
            rest = after;
        }
        called + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_ones_are_understood() {
        for (name, text) in DASHBOARDS {
            let panels = panels(text).unwrap();
            assert!(panels.len() >= 5, "{name}");
            for target in panels.iter().flat_map(|panel| &panel.targets) {
                let query = target.query("h:1");
                assert!(!query.contains('$') && query.contains("lowtide_"), "{query}");
            }
        }
    }

    #[test]
    fn a_legend_has_labels_in_it() {
        let target = Target { expr: String::new(), legend: "{{cgroup}} idle for {{ age_ge }} s".into() };
        assert_eq!(target.called(str::to_uppercase), "CGROUP idle for AGE_GE s");
    }
}
