//! The doors of a daemon that runs in this process, on a tree of files: bytes to its control socket, and to
//! its page of metrics.

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use lowtide_daemon::{Options, RunError, control::Request};
use lowtide_view::Shown;
use nix::sys::signal::{Signal, raise};
use tempfile::TempDir;

use crate::{Corpus, Driver, Parser, corpus::top, driver::bytes, tree::place};

pub(crate) const PARSERS: &[Parser] =
    &[Parser { name: "door/control", start: control }, Parser { name: "door/http", start: http }];

const REQUESTS: [&str; 6] = [
    r#"{"command":"status","json":true}"#,
    r#"{"command":"status","json":false,"shown":{"cgroups":"web-*","sort":"price","top":3,"width":120}}"#,
    r#"{"command":"explain","cgroup":"/web/api","json":false}"#,
    r#"{"command":"explain","cgroup":"/web/api","json":true}"#,
    r#"{"command":"report","json":false,"width":80}"#,
    r#"{"command":"report","json":true}"#,
];
const GETS: [&str; 4] = [
    "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
    "HEAD /healthz HTTP/1.0\r\n\r\n",
    "GET /readyz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Length: 4\r\n\r\nbody",
    "POST /metrics?x=%00 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
];
/// How long an answer may take; the daemon's own limit is 10 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon on a thread of its own.
struct Daemon {
    place: TempDir,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Daemon {
    fn start() -> Result<Self> {
        let place = place()?;
        let root = place.path().join("root");
        let copied =
            Command::new("cp").arg("-r").arg(top().join("tests/fixtures/6.12")).arg(&root).status()?;
        ensure!(copied.success(), "cannot copy the captured tree");
        let at = place.path().display();
        let config = format!(
            "interval: 1s\nstate_dir: {at}/state\ncontrol: {{ socket: {at}/control }}\nmetrics: {{ listen: 'unix:{at}/metrics' }}\n\
             hotness: {{ source: none }}\npolicies: [{{ name: web, match: ['/web/*'], mode: observe }}]\n"
        );
        fs::write(place.path().join("lowtide.yaml"), config)?;
        let options = Options { config: place.path().join("lowtide.yaml"), root };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::spawn(move || runtime.block_on(lowtide_daemon::run(&options)));
        let mut daemon = Self { place, thread: Some(thread) };
        daemon.wait()?;
        Ok(daemon)
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Until its first turn is done.
    fn wait(&mut self) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let answer = ask(&self.socket("metrics"), GETS[2].as_bytes(), false).unwrap_or_default();
            if answer.starts_with(b"HTTP/1.1 200") {
                return Ok(());
            }
            if self.has_ended() {
                let ended = self.thread.take().map(JoinHandle::join);
                bail!("the daemon ended: {ended:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the daemon does not answer")
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has a handler, and ends as on any host.
        if !self.has_ended()
            && raise(Signal::SIGTERM).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// Sends bytes and returns all that comes back.
fn ask(socket: &Path, request: &[u8], ends: bool) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // Who has heard enough answers, and closes.
    let written = stream.write_all(request);
    if ends || written.is_err() {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// What a daemon answers to `status` as JSON.
pub(crate) fn status() -> Result<String> {
    let request = Request::Status { json: true, shown: Shown::default() };
    Ok(lowtide_daemon::control::ask(&Daemon::start()?.socket("control"), &request)?)
}

fn control(_: &Corpus) -> Result<Driver> {
    let daemon = Daemon::start()?;
    let socket = daemon.socket("control");
    let seeds = REQUESTS.map(|request| format!("{request}\n").into_bytes()).to_vec();
    Ok(bytes("request", seeds, move |input| {
        let answer = ask(&socket, input, true).unwrap_or_default();
        assert!(!daemon.has_ended(), "the daemon ended");
        answer.starts_with(br#"{"text":"#)
    }))
}

fn http(_: &Corpus) -> Result<Driver> {
    let daemon = Daemon::start()?;
    let socket = daemon.socket("metrics");
    let seeds = GETS.map(|request| request.as_bytes().to_vec()).to_vec();
    Ok(bytes("request", seeds, move |input| {
        // A request that is not whole is never answered: who sent it goes away.
        let is_whole = input.windows(4).any(|end| end == b"\r\n\r\n");
        let answer = if is_whole { ask_briefly(&socket, input) } else { ask(&socket, input, true) };
        assert!(!daemon.has_ended(), "the daemon ended");
        answer.unwrap_or_default().starts_with(b"HTTP/1.1 200")
    }))
}

/// As [`ask`]; what waits for a body that does not come is given up.
fn ask_briefly(socket: &Path, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    // An answer that has not begun by then does not come.
    let _ = stream.read_to_end(&mut answer);
    Ok(answer)
}
