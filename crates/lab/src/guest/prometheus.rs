//! A real Prometheus beside the daemon under test.

use super::http;
use crate::spec::STAGE;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

const ADDRESS: &str = "127.0.0.1:9090";

/// A running server, which ends with this value.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    /// From its start until it was ready.
    pub ready_after: Duration,
}

/// An alert of a rule whose condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The rule's name.
    pub name: String,
    /// Its condition has held for as long as the rule says; else it is pending.
    pub is_firing: bool,
    /// Its labels, as JSON.
    pub labels: String,
}

/// A series over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Seconds since 1970, and the value then.
    pub points: Vec<(f64, f64)>,
}

impl Prometheus {
    /// Starts it with this configuration, and waits until it is ready. `rules` stand beside it as
    /// `rules.yml`.
    pub fn start(config: &str, rules: Option<&str>) -> Result<Self> {
        let directory = Path::new(STAGE).join("prom");
        fs::create_dir_all(&directory)?;
        let place = directory.join("prometheus.yml");
        fs::write(&place, config)?;
        rules.map(|rules| fs::write(directory.join("rules.yml"), rules)).transpose()?;
        let started = Instant::now();
        let mut prometheus =
            Self { child: spawn(&place, &directory.join("data"))?, ready_after: Duration::ZERO };
        prometheus.wait_until_ready(started)?;
        prometheus.ready_after = started.elapsed();
        Ok(prometheus)
    }

    fn wait_until_ready(&mut self, started: Instant) -> Result<()> {
        while started.elapsed() < Duration::from_mins(2) {
            if let Some(status) = self.child.try_wait()? {
                bail!("prometheus ended with {status} before it was ready");
            }
            if http::get(ADDRESS, "/-/ready").is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            sleep(Duration::from_millis(500));
        }
        bail!("prometheus is not ready after two minutes")
    }

    /// The one series that a query finds now.
    pub fn value(&self, text: &str) -> Result<f64> {
        let series = self.query(text)?;
        let [one] = &series[..] else { bail!("{text}: {} series: {series:?}", series.len()) };
        let value = one["value"][1].as_str().with_context(|| format!("{text}: no value in {one}"))?;
        value.parse().with_context(|| format!("{text} is {value:?}"))
    }

    /// The series that a query finds now.
    pub fn query(&self, text: &str) -> Result<Vec<Value>> {
        let data = Self::get(&format!("/api/v1/query?query={}", escaped(text)))?;
        data["result"].as_array().cloned().with_context(|| format!("prometheus answered {data}"))
    }

    /// The series that a query finds over the last so many seconds, with a point every `step` seconds.
    pub fn range(&self, text: &str, seconds: f64, step: u32) -> Result<Vec<Curve>> {
        let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
        let asked = format!("query={}&start={}&end={end}&step={step}", escaped(text), end - seconds);
        let data = Self::get(&format!("/api/v1/query_range?{asked}"))?;
        let series = data["result"].as_array().with_context(|| format!("prometheus answered {data}"))?;
        series.iter().map(|one| curve(one).with_context(|| format!("a series is {one}"))).collect()
    }

    /// The alerts whose conditions hold now.
    pub fn alerts(&self) -> Result<Vec<Alert>> {
        let data = Self::get("/api/v1/alerts")?;
        let alerts = data["alerts"].as_array().with_context(|| format!("prometheus answered {data}"))?;
        alerts.iter().map(|alert| parse(alert).with_context(|| format!("an alert is {alert}"))).collect()
    }

    fn get(path: &str) -> Result<Value> {
        let answer = http::get(ADDRESS, path)?;
        let json: Value = serde_json::from_str(&answer.body)
            .with_context(|| format!("prometheus answered {} {}", answer.status, answer.body))?;
        Ok(json["data"].clone())
    }

    /// Ends it.
    pub fn stop(mut self) -> Result<()> {
        self.child.kill().context("cannot kill prometheus")?;
        self.child.wait().map(drop).context("cannot wait for prometheus")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(config: &Path, data: &Path) -> Result<Child> {
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg(format!("--web.listen-address={ADDRESS}"))
        .arg("--log.level=warn")
        .stdin(Stdio::null());
    command.spawn().context("cannot start prometheus")
}

fn escaped(query: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    query.bytes().map(escape).collect()
}

/// What is no number (`NaN`) is no point.
fn curve(series: &Value) -> Option<Curve> {
    let label = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    let labels = series["metric"].as_object()?.iter().map(label).collect::<Option<_>>()?;
    let point = |value: &Value| Some((value[0].as_f64()?, value[1].as_str()?.parse::<f64>().ok()?));
    let points = series["values"].as_array()?.iter().map(point).collect::<Option<Vec<_>>>()?;
    Some(Curve { labels, points: points.into_iter().filter(|(_, value)| value.is_finite()).collect() })
}

fn parse(alert: &Value) -> Option<Alert> {
    let labels = &alert["labels"];
    Some(Alert {
        name: labels["alertname"].as_str()?.to_owned(),
        is_firing: alert["state"].as_str()? == "firing",
        labels: labels.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Prometheus 2.42 answers (web/api/v1/api.go, `Alert`).
    #[test]
    fn an_alert_is_taken_apart() {
        let text = r#"{"labels":{"alertname":"LowtideDown","instance":"a"},"annotations":{},"state":"pending","activeAt":"2026-11-27T00:00:00Z","value":"0e+00"}"#;
        let alert = parse(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!((&*alert.name, alert.is_firing), ("LowtideDown", false));
        assert_eq!(alert.labels, r#"{"alertname":"LowtideDown","instance":"a"}"#);
        assert_eq!(parse(&Value::Null), None);
    }

    /// As Prometheus 2.42 answers a query over a range (web/api/v1/api.go, `queryData`).
    #[test]
    fn a_series_is_taken_apart() {
        let text = r#"{"metric":{"cgroup":"/a"},"values":[[1795830996.5,"12.5"],[1795831011.5,"NaN"]]}"#;
        let found = curve(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!((&*found.labels["cgroup"], &found.points[..]), ("/a", &[(1_795_830_996.5, 12.5)][..]));
        assert_eq!(curve(&Value::Null), None);
        assert_eq!(escaped("a{b=\"c\"}"), "a%7Bb%3D%22c%22%7D");
    }
}
