//! Where the daemon's log goes: the journal under systemd, standard error elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// The level is taken from `LOWTIDE_LOG` (`error`, `warn`, `info`, `debug`, `trace`, or per module), `info` without.
pub(crate) fn start() {
    let filter = filter();
    let registry = tracing_subscriber::registry().with(filter);
    // systemd sets JOURNAL_STREAM for a unit whose output goes to the journal: its own protocol keeps the fields.
    // A shell below such a unit inherits it, too: what is started at a terminal answers there.
    let terminal = std::io::stderr().is_terminal();
    let journal = std::env::var_os("JOURNAL_STREAM").filter(|_| !terminal);
    let journal = journal.and_then(|_| tracing_journald::layer().ok());
    if let Some(journal) = journal {
        registry.with(journal).init();
        return;
    }
    // Colours are for people: not in a file, not in a pipe.
    registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(terminal)).init();
}

fn filter() -> EnvFilter {
    let wanted = std::env::var("LOWTIDE_LOG").unwrap_or_default();
    if wanted.is_empty() {
        return "info".into();
    }
    EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
        eprintln!("LOWTIDE_LOG={wanted}: {error}; use error, warn, info, debug or trace: logging at info");
        "info".into()
    })
}
