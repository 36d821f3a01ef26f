//! Where the daemon's log goes: the journal under systemd, standard error elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// The level is taken from `LOWTIDE_LOG` (`error`, `warn`, `info`, `debug`, `trace`, or per module), `info` without.
pub(crate) fn start() {
    let filter =
        EnvFilter::builder().with_env_var("LOWTIDE_LOG").try_from_env().unwrap_or_else(|_| "info".into());
    let registry = tracing_subscriber::registry().with(filter);
    // systemd sets JOURNAL_STREAM for a unit whose output goes to the journal: its own protocol keeps the fields.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    if let Some(journal) = journal {
        registry.with(journal).init();
        return;
    }
    // Colours are for people: not in a file, not in a pipe.
    let colours = std::io::stderr().is_terminal();
    registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours)).init();
}
