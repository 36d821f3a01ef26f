//! `lowtide top`.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::ensure;
use lowtide_cli::options::TopOptions;
use lowtide_core::escape::escaped_json;
use lowtide_daemon::control::{self, AskError, Request};
use lowtide_kernfs::Root;
use lowtide_top::{
    draw,
    model::Model,
    screen::{Screen, View},
    shell::{self, Ask, Ended, Source},
};
use lowtide_view::Shown;

use super::{daemon::Place, past};
use crate::output;

/// Where nobody says how wide the terminal is.
const USUAL_WIDTH: usize = 100;
/// What a shell adds to the number of the signal that ended a command.
const BY_SIGNAL: i32 = 128;

pub(crate) fn run(root: &Path, options: &TopOptions) -> anyhow::Result<ExitCode> {
    let screen = screen(options);
    if let Some(at) = &options.at {
        let (minute, lost) = past::minute(at, &past::Place::of(&options.daemon, &options.history)?)?;
        let mut model = Model::recorded(&minute);
        model.problems.extend(lost);
        return print(model, &screen, options);
    }
    let source = source(root, options)?;
    if options.once || options.json {
        return once(source, &screen, options);
    }
    ensure!(
        io::stdin().is_terminal() && io::stdout().is_terminal(),
        "standard input and output are no terminal: --once prints one screen, --json the same for scripts"
    );
    Ok(match shell::run(source, screen, options.interval, wants_colours())? {
        Ended::Left => ExitCode::SUCCESS,
        Ended::Signal(signal) => ExitCode::from(u8::try_from(BY_SIGNAL + signal).unwrap_or(u8::MAX)),
    })
}

fn once(mut source: Source, screen: &Screen, options: &TopOptions) -> anyhow::Result<ExitCode> {
    let model = shell::twice(&mut source, options.interval)?;
    print(model, screen, options)
}

fn print(model: Model, screen: &Screen, options: &TopOptions) -> anyhow::Result<ExitCode> {
    if options.json {
        let text = lowtide_view::json::render(&screen.choose(model))?;
        output::print(&escaped_json(&text))?;
        return Ok(ExitCode::SUCCESS);
    }
    let views = screen.view.map_or_else(|| View::ALL.to_vec(), |view| vec![view]);
    let width = output::width().unwrap_or(USUAL_WIDTH);
    output::print(&draw::text(&model, screen, &views, options.interval, width))?;
    Ok(ExitCode::SUCCESS)
}

/// A configuration that is wrong keeps nobody from looking at the host: it is one of the problems.
fn source(root: &Path, options: &TopOptions) -> anyhow::Result<Source> {
    let Place { socket, wrong } = Place::of(&options.daemon);
    let config = options.daemon.config.config.display();
    let note = wrong.map(|_| format!("{config} cannot be used: `lowtide check` says why"));
    Ok(Source::new(Root::open(root)?, socket.clone(), ask(socket), note))
}

fn ask(socket: PathBuf) -> Ask {
    let request = Request::Status { json: true, shown: Shown::default() };
    Arc::new(move || control::ask(&socket, &request).map_err(|error| why(&error)))
}

/// Without the socket, which is named anyway.
fn why(error: &AskError) -> String {
    let told = error.to_string();
    match error {
        AskError::Unreachable { path, .. } | AskError::Garbled { path, .. } => {
            let path = format!("{}: ", path.display());
            told.strip_prefix(&path).unwrap_or(&told).to_owned()
        }
        AskError::Refused(_) => told,
    }
}

/// As <https://no-color.org> has it: set and not empty.
fn wants_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn screen(options: &TopOptions) -> Screen {
    Screen {
        view: options.view,
        sort: options.sort.unwrap_or_default(),
        filter: options.cgroups.clone().unwrap_or_default(),
        ..Screen::default()
    }
}
