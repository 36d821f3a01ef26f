//! What happened then, from the history alone.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::Zoned;
use lowtide_cli::options::{DaemonAddress, HistoryPlace};
use lowtide_core::escape::escaped_json;
use lowtide_history::Minute;
use lowtide_past::{
    Period, html, passed_over, text,
    then::{self, Then},
    time,
};
use lowtide_policy::Price;
use lowtide_view::json;

use super::daemon::{configured, path};
use crate::output;

/// Where the history is, and what DRAM costs.
pub(crate) struct Place {
    directory: PathBuf,
    price: Option<Price>,
}

impl Place {
    /// The directory that was given, else the configured one.
    pub(crate) fn of(daemon: &DaemonAddress, given: &HistoryPlace) -> anyhow::Result<Self> {
        let configured = configured(&daemon.config);
        let (state_dir, price) = match (&given.state_dir, configured) {
            (None, configured) => configured.map(|config| (config.state_dir, config.price))?,
            (Some(given), configured) => (given.clone(), configured.ok().and_then(|config| config.price)),
        };
        Ok(Self { directory: state_dir.join(lowtide_daemon::HISTORY), price })
    }
}

/// How a report is told.
#[derive(Clone, Copy)]
pub(crate) enum Form<'a> {
    Text,
    Json,
    /// To this file; `-` is standard output.
    Html(&'a Path),
}

impl<'a> Form<'a> {
    pub(crate) fn new(html: Option<&'a Path>, json: bool) -> Self {
        match html {
            Some(file) => Self::Html(file),
            None if json => Self::Json,
            None => Self::Text,
        }
    }
}

pub(crate) fn explain(cgroup: &str, at: &str, place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let at = time::moment(at, &Zoned::now())?;
    let then = Then::read(&place.directory, path(cgroup), time::seconds(&at))?;
    let told = if json { as_json(&then)? } else { then::text(&then) };
    output::print(&told)?;
    Ok(ExitCode::SUCCESS)
}

/// The minute that a moment is in, and what of the history could not be read.
pub(crate) fn minute(at: &str, place: &Place) -> anyhow::Result<(Minute, Option<String>)> {
    let at = time::moment(at, &Zoned::now())?;
    let (minute, lost) = then::minute(&place.directory, time::seconds(&at))?;
    Ok((minute, passed_over(lost)))
}

pub(crate) fn report(
    root: &Path,
    since: Option<&str>,
    until: Option<&str>,
    place: &Place,
    form: Form<'_>,
) -> anyhow::Result<ExitCode> {
    let range = time::period(since, until, &Zoned::now())?;
    let period = Period::read(&place.directory, range, place.price.as_ref())?;
    match form {
        Form::Text => output::print(&text(&period, output::width()))?,
        Form::Json => output::print(&as_json(&period)?)?,
        Form::Html(file) if file == Path::new("-") => output::print(&html(&period, &host(root))?)?,
        Form::Html(file) => output::save(file, &html(&period, &host(root))?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Names that tenants chose may go to a terminal.
fn as_json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(escaped_json(&json::render(value)?).into_owned())
}

/// What the host is called.
fn host(root: &Path) -> String {
    let name = std::fs::read_to_string(root.join("proc/sys/kernel/hostname"));
    name.map_or_else(|_| "this host".to_owned(), |name| name.trim().to_owned())
}
