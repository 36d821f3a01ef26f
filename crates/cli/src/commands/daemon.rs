//! The daemon, and what is asked of it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use lowtide_ages::damon::records::in_words as damon_in_words;
use lowtide_cli::options::{ConfigFile, DaemonAddress};
use lowtide_core::escape::escaped;
use lowtide_daemon::{
    Options, Restored, RunError,
    control::{self, Request},
};
use lowtide_journal::knobs::Outcome;
use lowtide_policy::{Config, Problems};
use lowtide_view::Shown;

use super::BAD_CONFIG;
use crate::{logging, output};

/// Four for reclaim requests and sixteen for those that hang, one for a look at idle ages, one for the
/// savings and one for the history that are kept on the disk, one for whose a connection is, and two for the
/// balancer, whose runs on further zram devices wait: nothing else blocks.
const BLOCKING_THREADS: usize = 26;
/// Work goes round among the threads that wait for some: with tokio's ten seconds none of them would ever
/// end.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Reclaim requests need little stack, and all of it is locked in memory.
const STACK_BYTES: usize = 256 << 10;

pub(crate) fn run(root: &Path, config: &ConfigFile) -> anyhow::Result<ExitCode> {
    logging::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(KEEP_ALIVE)
        .thread_stack_size(STACK_BYTES)
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(lowtide_daemon::run(&options(root, config)));
    // Threads that hang in the kernel were waited for long enough: to drop the runtime would wait for ever.
    runtime.shutdown_background();
    finish(outcome.map(|()| ExitCode::SUCCESS))
}

pub(crate) fn restore(
    root: &Path,
    config: &ConfigFile,
    keep_tiers: bool,
    given: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let state_dir = match given {
        Some(given) => given.to_owned(),
        None => configured(config)?.state_dir,
    };
    // One that was given and is missing is a typing error, which must not hide what is to be put back.
    if given.is_none() && state_dir.try_exists().is_ok_and(|exists| !exists) {
        output::print(&format!("nothing to put back: {} does not exist", state_dir.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let restored = match lowtide_daemon::restore(root, &state_dir, keep_tiers) {
        Ok(restored) => restored,
        Err(error) => return finish(Err(error)),
    };
    output::print(&told(&restored))?;
    Ok(if is_left(&restored) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A line for each thing that was put back, or not.
fn told(Restored { knobs, tiers, damon }: &Restored) -> String {
    if knobs.is_empty() && tiers.is_empty() && damon.is_empty() {
        return "nothing to put back: lowtide has changed no kernel setting".to_owned();
    }
    let tiers = tiers.iter().map(|(deed, undone)| format!("{deed}: {undone}"));
    let knobs = knobs.iter().map(|(path, outcome)| {
        format!("/{}: {}", escaped(&path.to_string_lossy()), escaped(&in_words(outcome)))
    });
    let damon = damon.iter().map(|outcome| format!("DAMON: {}", damon_in_words(outcome)));
    tiers.chain(knobs).chain(damon).collect::<Vec<_>>().join("\n")
}

fn is_left(Restored { knobs, tiers, damon }: &Restored) -> bool {
    tiers.iter().any(|(_, undone)| !undone.is_settled())
        || knobs.iter().any(|(_, outcome)| matches!(outcome, Outcome::Refused(_)))
        || damon.iter().any(Result::is_err)
}

fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Unchanged => "has its original value already".to_owned(),
        Outcome::Written { from } => format!("put back (it was `{from}`)"),
        Outcome::Missing | Outcome::Gone => "is gone, and its value with it".to_owned(),
        Outcome::Drifted { found, written } => {
            format!("left as it is: lowtide wrote `{written}`, somebody else `{found}` since")
        }
        Outcome::Refused(error) => format!("NOT put back, still in the journal: {error}"),
    }
}

fn options(root: &Path, config: &ConfigFile) -> Options {
    Options { config: config.config.clone(), root: root.to_owned() }
}

/// The configuration, for where the journal and the history are.
pub(super) fn configured(config: &ConfigFile) -> anyhow::Result<Config> {
    let loaded = lowtide_policy::load(&config.config)
        .context("cannot take the path from the configuration; mend it, or give --state-dir")?;
    Ok(loaded.config)
}

/// A wrong configuration has an exit status of its own.
fn finish(outcome: Result<ExitCode, RunError>) -> anyhow::Result<ExitCode> {
    match outcome {
        Err(RunError::Config(problems)) => {
            output::complain(&problems.to_string())?;
            Ok(ExitCode::from(BAD_CONFIG))
        }
        other => Ok(other?),
    }
}

pub(crate) fn status(daemon: &DaemonAddress, json: bool, shown: Shown) -> anyhow::Result<ExitCode> {
    ask(daemon, &Request::Status { json, shown })
}

pub(crate) fn report(daemon: &DaemonAddress, json: bool) -> anyhow::Result<ExitCode> {
    ask(daemon, &Request::Report { json, width: if json { None } else { output::width() } })
}

pub(crate) fn explain(cgroup: &str, daemon: &DaemonAddress, json: bool) -> anyhow::Result<ExitCode> {
    ask(daemon, &Request::Explain { cgroup: path(cgroup).to_owned(), json })
}

/// The cgroup's path, as it is typed with completion on the file system, too.
pub(super) fn path(cgroup: &str) -> &str {
    let path = cgroup.strip_prefix("/sys/fs/cgroup").filter(|rest| rest.starts_with('/')).unwrap_or(cgroup);
    if path.len() > 1 { path.trim_end_matches('/') } else { path }
}

fn ask(daemon: &DaemonAddress, request: &Request) -> anyhow::Result<ExitCode> {
    let Answer { text, warning } = answer(daemon, &Place::of(daemon), request)?;
    if let Some(warning) = warning {
        output::complain(&warning)?;
    }
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What the daemon says, and what is to be said about asking it.
struct Answer {
    text: String,
    warning: Option<String>,
}

fn answer(daemon: &DaemonAddress, place: &Place, request: &Request) -> anyhow::Result<Answer> {
    let Place { socket, wrong } = place;
    match (control::ask(socket, request), wrong) {
        (Ok(text), None) => Ok(Answer { text, warning: None }),
        (Ok(text), Some(_)) => {
            let config = daemon.config.config.display();
            let asked = socket.display();
            let warning =
                format!("{config} cannot be used (`lowtide check` says why): asked the daemon at {asked}");
            Ok(Answer { text, warning: Some(warning) })
        }
        (Err(error), None) => Err(error.into()),
        (Err(error), Some(problems)) => {
            let told = format!(
                "{error}; cannot take another path from the configuration; mend it, or give --socket"
            );
            Err(anyhow::Error::new(problems.clone()).context(told))
        }
    }
}

/// Where the daemon is asked.
pub(super) struct Place {
    pub(super) socket: PathBuf,
    /// What is wrong with the configuration. The daemon runs on with the one before.
    pub(super) wrong: Option<Problems>,
}

impl Place {
    /// The socket that was given, or the configured one; if the configuration is wrong, what it says all the
    /// same of the socket, or the default.
    pub(super) fn of(daemon: &DaemonAddress) -> Self {
        Self::or(daemon, &Config::default().control_socket)
    }

    fn or(daemon: &DaemonAddress, default: &Path) -> Self {
        if let Some(socket) = &daemon.socket {
            return Self { socket: socket.clone(), wrong: None };
        }
        let file = &daemon.config.config;
        match lowtide_policy::load(file) {
            Ok(loaded) => Self { socket: loaded.config.control_socket, wrong: None },
            Err(problems) => {
                let named = lowtide_policy::control_socket(file);
                Self { socket: named.unwrap_or_else(|| default.to_owned()), wrong: Some(problems) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::{
        fs,
        io::{BufRead, BufReader, Write},
        os::unix::net::UnixListener,
        thread,
    };

    use super::*;

    /// The default lies in /run, which is this host's: here it is another one. That the program takes the one
    /// in /run is in tests/asking.rs.
    #[test]
    fn a_broken_file_has_the_daemon_at_the_default_socket_asked_with_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        let (config, socket) = (directory.path().join("lowtide.yaml"), directory.path().join("default.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                BufReader::new(&stream).read_line(&mut String::new()).unwrap();
                writeln!(stream, "{{\"text\":\"all is well\"}}").unwrap();
            }
        });
        let daemon = DaemonAddress { config: ConfigFile { config: config.clone() }, socket: None };
        let requests = || {
            [
                Request::Status { json: false, shown: Shown::default() },
                Request::Explain { cgroup: "/web".into(), json: false },
                Request::Report { json: false, width: None },
            ]
        };
        for broken in ["{ no yaml", "interval: soon\n", "control: { socket: 7 }\n"] {
            fs::write(&config, broken).unwrap();
            for request in requests() {
                let answer = answer(&daemon, &Place::or(&daemon, &socket), &request).unwrap();
                let warning = answer.warning.unwrap();
                assert_eq!(answer.text, "all is well", "{broken}");
                assert!(warning.contains("lowtide.yaml cannot be used"), "{broken}: {warning}");
                assert!(warning.ends_with("default.sock"), "{broken}: {warning}");
            }
        }
        // One that is not there is as broken as one that cannot be read.
        fs::remove_file(&config).unwrap();
        let answer = answer(&daemon, &Place::or(&daemon, &socket), &requests()[0]).unwrap();
        assert!(answer.text == "all is well" && answer.warning.is_some());
    }
}
