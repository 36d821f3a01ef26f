//! /metrics as Prometheus and its linter see it, and what a bad client can do to it.

use super::Scenario;
use super::verdict::Verdict;
use crate::guest::zram::ZramOptions;
use crate::guest::{Cgroup, Daemon, Prometheus, Tenant, Zram, http, knobs, report};
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::size::{MIB, mib};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "scrape",
    about: "promtool accepts /metrics, a real Prometheus scrapes it, and slow clients hold nothing up",
    machine: || Machine::deterministic().with_limit(Duration::from_mins(10)),
    programs: &["lowtide", "prometheus", "promtool"],
    guest,
    judge,
};

const METRICS: &str = "127.0.0.1:9464";

/// Slow clients; 64 are served at once.
const MANY: usize = 200;

const TENANT: [&str; 6] = ["--hot", "4M", "--warm", "4M", "--cold", "60M"];

const CONFIG: &str = "
interval: 2s
hotness: { interval: 1s }
metrics: { listen: 127.0.0.1:9464 }
policies:
  - name: tenant
    match: [/tenants/*]
    mode: full
    cold_after: 2s
    slo: { promotion_rate: 5%/min }
    limits: { per_minute: 40%, floor: 8MiB }
";

const PROMETHEUS_CONFIG: &str = "
global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
  - job_name: lowtide
    static_configs: [ { targets: ['127.0.0.1:9464'] } ]
";

/// What the page is like, and what the linter says of it.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    kind: String,
    status: u16,
    content_type: String,
    bytes: usize,
    families: usize,
    /// promtool's exit status and everything that it printed.
    linter: Option<i32>,
    lint: String,
}

/// How other requests and bad clients are answered.
#[derive(Debug, Serialize, Deserialize)]
struct Clients {
    kind: String,
    wrong_path: u16,
    post: u16,
    head: u16,
    head_body: usize,
    query: u16,
    /// A scrape beside one client that does not finish its request.
    beside_one: Duration,
    /// A scrape beside many more than are served at once.
    beside_many: Duration,
    ticks_meanwhile: u64,
}

/// What Prometheus has stored.
#[derive(Debug, Serialize, Deserialize)]
struct Scraped {
    kind: String,
    ready_after: Duration,
    up: f64,
    samples: f64,
    ticks: u64,
    /// memory.current of the tenant in the view of that tick: as Prometheus has it, and as `lowtide status`.
    memory: f64,
    memory_in_status: f64,
    offloaded: f64,
    /// Series of the tenant a few scrapes after its cgroup is gone.
    series_of_the_gone: usize,
}

fn guest() -> Result<()> {
    knobs::set_huge_pages("never")?;
    Zram::swap(&ZramOptions::lz4(512 * MIB), 100)?;
    let cgroup = Cgroup::create("tenants/a")?;
    let tenant = Tenant::start("a", &cgroup, &TENANT)?;
    let daemon = Daemon::start("scrape", CONFIG)?;
    sleep(Duration::from_secs(20));
    report::emit(&page()?)?;
    report::emit(&clients(&daemon)?)?;
    let prometheus = Prometheus::start(PROMETHEUS_CONFIG, None)?;
    sleep(Duration::from_secs(10));
    let scraped = scraped(&daemon, &cgroup, &prometheus)?;
    tenant.stop()?;
    cgroup.remove()?;
    sleep(Duration::from_secs(6));
    let series_of_the_gone = prometheus.query("{cgroup=\"/tenants/a\"}")?.len();
    report::emit(&Scraped { series_of_the_gone, ..scraped })?;
    prometheus.stop()?;
    daemon.stop()
}

fn page() -> Result<Page> {
    let answer = http::get(METRICS, "/metrics")?;
    println!("{}", answer.body);
    let (linter, lint) = lint(&answer.body)?;
    let content_type = answer.headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
    });
    Ok(Page {
        kind: "page".into(),
        status: answer.status,
        content_type: content_type.unwrap_or_default(),
        bytes: answer.body.len(),
        families: answer.body.lines().filter(|line| line.starts_with("# TYPE")).count(),
        linter,
        lint,
    })
}

fn lint(page: &str) -> Result<(Option<i32>, String)> {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start promtool")?;
    child.stdin.take().context("promtool has no stdin")?.write_all(page.as_bytes())?;
    let output = child.wait_with_output().context("cannot wait for promtool")?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&text).trim().to_owned()))
}

fn clients(daemon: &Daemon) -> Result<Clients> {
    let head = http::request(METRICS, "HEAD", "/metrics")?;
    let ticks = number(&daemon.status()?["ticks"])?;
    let one = slow_clients(1)?;
    let beside_one = time_of_a_scrape()?;
    drop(one);
    let many = slow_clients(MANY)?;
    let beside_many = time_of_a_scrape()?;
    sleep(Duration::from_secs(10));
    drop(many);
    Ok(Clients {
        kind: "clients".into(),
        wrong_path: http::get(METRICS, "/")?.status,
        post: http::request(METRICS, "POST", "/metrics")?.status,
        head: head.status,
        head_body: head.body.len(),
        query: http::get(METRICS, "/metrics?format=text")?.status,
        beside_one,
        beside_many,
        ticks_meanwhile: number(&daemon.status()?["ticks"])? - ticks,
    })
}

/// Clients that begin a request and say no more.
fn slow_clients(count: usize) -> Result<Vec<TcpStream>> {
    let clients = (0..count).map(|_| {
        let mut stream = TcpStream::connect(METRICS)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: ")?;
        Ok(stream)
    });
    let clients = clients.collect();
    sleep(Duration::from_millis(200));
    clients
}

fn time_of_a_scrape() -> Result<Duration> {
    let started = Instant::now();
    let answer = http::get(METRICS, "/metrics")?;
    if answer.status != 200 {
        bail!("a scrape was answered with {}", answer.status);
    }
    Ok(started.elapsed())
}

/// Both sides draw from the daemon's view of one tick: where the tick is the same, so is the figure.
fn scraped(daemon: &Daemon, cgroup: &Cgroup, prometheus: &Prometheus) -> Result<Scraped> {
    let value = |text: &str| prometheus.value(text);
    for _ in 0..50 {
        let status = daemon.status()?;
        let ticks = value("lowtide_ticks_total")?;
        let memory = value("lowtide_cgroup_memory_bytes{cgroup=\"/tenants/a\"}")?;
        let again = value("lowtide_ticks_total")?;
        if ticks != again || Some(ticks) != status["ticks"].as_f64() {
            sleep(Duration::from_millis(300));
            continue;
        }
        let target = status["cgroups"].as_array().context("status has no cgroups")?;
        let target = target.iter().find(|target| target["path"] == cgroup.name()).context("no target")?;
        return Ok(Scraped {
            kind: "scraped".into(),
            ready_after: prometheus.ready_after,
            up: value("up{job=\"lowtide\"}")?,
            samples: value("scrape_samples_scraped")?,
            ticks: number(&status["ticks"])?,
            memory,
            memory_in_status: target["memory"]["current"].as_f64().context("no memory.current in status")?,
            offloaded: value("lowtide_cgroup_offloaded_bytes{cgroup=\"/tenants/a\"}")?,
            series_of_the_gone: 0,
        });
    }
    bail!("prometheus and status never showed the same tick")
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("not a number: {value}"))
}

fn judge(outcome: &Outcome) -> Result<()> {
    let page: Page = outcome.result("page")?;
    let clients: Clients = outcome.result("clients")?;
    let scraped: Scraped = outcome.result("scraped")?;
    println!("page         {} bytes, {} families, {}", page.bytes, page.families, page.content_type);
    println!("promtool     exit status {:?}, says {:?}", page.linter, page.lint);
    println!(
        "clients      wrong path {}, POST {}, HEAD {} with {} bytes, query string {}",
        clients.wrong_path, clients.post, clients.head, clients.head_body, clients.query
    );
    println!(
        "slow ones    a scrape takes {:.1} ms beside one, {:.1} ms beside {MANY}; {} ticks meanwhile",
        clients.beside_one.as_secs_f64() * 1e3,
        clients.beside_many.as_secs_f64() * 1e3,
        clients.ticks_meanwhile
    );
    println!(
        "prometheus   ready after {:.1} s, up {}, {} samples a scrape",
        scraped.ready_after.as_secs_f64(),
        scraped.up,
        scraped.samples
    );
    println!(
        "tick {:<7} {:.0} bytes in Prometheus, {:.0} in status, {:.1} MiB offloaded",
        scraped.ticks,
        scraped.memory,
        scraped.memory_in_status,
        scraped.offloaded / mib_bytes()
    );
    println!("{} series of the tenant after it is gone", scraped.series_of_the_gone);
    println!("kernel {}, {:.0} s wall", outcome.kernel, outcome.wall.as_secs_f64());
    verdict(&page, &clients, &scraped)
}

fn mib_bytes() -> f64 {
    1.0 / mib(1)
}

fn verdict(page: &Page, clients: &Clients, scraped: &Scraped) -> Result<()> {
    let mut verdict = Verdict::default();
    verdict.expect(page.status == 200, "/metrics is served");
    verdict.expect(page.content_type.starts_with("text/plain; version=0.0.4"), "as Prometheus text");
    verdict.expect(
        page.linter == Some(0) && page.lint.is_empty(),
        "`promtool check metrics` accepts it and has no remark",
    );
    verdict.expect(clients.wrong_path == 404, "another path is not found");
    verdict.expect(clients.post == 405, "POST is not allowed");
    verdict.expect(clients.head == 200 && clients.head_body == 0, "HEAD has a head and no body");
    verdict.expect(clients.query == 200, "a query string changes nothing");
    verdict.expect(clients.beside_one < Duration::from_secs(1), "one slow client holds no scrape up");
    verdict.expect(clients.beside_many < Duration::from_secs(1), "nor do many, of which some make room");
    verdict.expect(clients.ticks_meanwhile >= 4, "the loop turns meanwhile");
    verdict.expect(scraped.up == 1.0, "Prometheus scrapes it");
    verdict.expect(scraped.memory == scraped.memory_in_status, "and has the very figure of `lowtide status`");
    verdict.expect(scraped.offloaded > 0.0, "memory was offloaded");
    verdict.expect(scraped.series_of_the_gone == 0, "a cgroup that is gone leaves no series");
    verdict.finish()
}
