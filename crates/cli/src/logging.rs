//! Where the daemon's log goes: the journal under systemd, standard error elsewhere.

use std::{
    fmt::{Debug, Write},
    io::IsTerminal,
};

use lowtide_core::escape::escaped_lines;
use tracing_subscriber::{
    EnvFilter, field::MakeExt, fmt::format::debug_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::output;

/// The level is taken from `LOWTIDE_LOG` (`error`, `warn`, `info`, `debug`, `trace`, or per module), `info`
/// without.
pub(crate) fn start() {
    let filter = filter();
    let registry = tracing_subscriber::registry().with(filter);
    // systemd sets JOURNAL_STREAM for a unit whose output goes to the journal: its own protocol keeps the
    // fields. A shell below such a unit inherits it, too: what is started at a terminal answers there.
    let terminal = std::io::stderr().is_terminal();
    let journal = std::env::var_os("JOURNAL_STREAM").filter(|_| !terminal);
    let journal = journal.and_then(|_| tracing_journald::layer().ok());
    if let Some(journal) = journal {
        registry.with(journal).init();
        return;
    }
    // Colours are for people: not in a file, not in a pipe. Where standard error is lost (a full disk),
    // nothing can be said about it there, and tracing-subscriber would panic over that.
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let fields = debug_fn(|writer, field, value| write_field(writer, field.name(), value)).delimited(" ");
    registry.with(layer.with_ansi(terminal && !no_color()).fmt_fields(fields)).init();
}

/// A field of a line of the log, in which a name may stand that a tenant chose.
fn write_field(writer: &mut impl Write, name: &str, value: &dyn Debug) -> std::fmt::Result {
    let value = format!("{value:?}");
    let value = escaped_lines(&value);
    if name == "message" { writer.write_str(&value) } else { write!(writer, "{name}={value}") }
}

/// <https://no-color.org>: set, and not empty.
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

fn filter() -> EnvFilter {
    let wanted = std::env::var("LOWTIDE_LOG").unwrap_or_default();
    if wanted.is_empty() {
        return "info".into();
    }
    EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
        // Lost with the log, if that is lost.
        let _ = output::complain(&format!(
            "LOWTIDE_LOG={wanted}: {error}; use error, warn, info, debug or trace: logging at info"
        ));
        "info".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind 5.
    #[test]
    fn no_name_reaches_the_terminal_raw() {
        let mut line = String::new();
        let hostile = "/a\u{1b}[2J\r\u{202e}";
        write_field(&mut line, "message", &format_args!("{hostile}: two\nlines")).unwrap();
        write_field(&mut line, " cgroup", &hostile).unwrap();
        assert_eq!(line, "/a\\u{1b}[2J\\u{d}\\u{202e}: two\nlines cgroup=\"/a\\u{1b}[2J\\r\\u{202e}\"");
    }
}
