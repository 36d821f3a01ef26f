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
    let Place { socket, wrong } = Place::of(daemon);
    let answer = match (control::ask(&socket, request), wrong) {
        (Ok(answer), None) => answer,
        (Ok(answer), Some(_)) => {
            let config = daemon.config.config.display();
            output::complain(&format!(
                "{config} cannot be used (`lowtide check` says why): asked the daemon at {}",
                socket.display()
            ))?;
            answer
        }
        (Err(error), None) => return Err(error.into()),
        (Err(error), Some(problems)) => {
            let told = format!(
                "{error}; cannot take another path from the configuration; mend it, or give --socket"
            );
            return Err(anyhow::Error::new(problems).context(told));
        }
    };
    output::print(&answer)?;
    Ok(ExitCode::SUCCESS)
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
        if let Some(socket) = &daemon.socket {
            return Self { socket: socket.clone(), wrong: None };
        }
        let file = &daemon.config.config;
        match lowtide_policy::load(file) {
            Ok(loaded) => Self { socket: loaded.config.control_socket, wrong: None },
            Err(problems) => {
                let named = lowtide_policy::control_socket(file);
                let socket = named.unwrap_or_else(|| Config::default().control_socket);
                Self { socket, wrong: Some(problems) }
            }
        }
    }
}
