use std::{
    io,
    sync::mpsc::{self, Sender},
    thread,
    time::{Duration, Instant},
};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{Source, Terminal};
use crate::{
    draw,
    model::{Model, Past},
    sample::Sample,
    screen::{Flow, Key, Screen},
};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Somebody left.
    Left,
    /// This signal came.
    Signal(i32),
}

/// Why it cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The host cannot be looked at.
    #[error(transparent)]
    Look(#[from] lowtide_kernfs::Error),
    /// The terminal fails.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// A thread has ended that should not.
    #[error("{0} has ended")]
    Lost(&'static str),
}

/// All that can happen.
enum Message {
    Looked(Box<Sample>),
    Pressed(Key),
    Resized,
    Signal(i32),
    Failed(LiveError),
}

/// Shows what there is to see until somebody leaves, or a signal comes. The terminal is given back in any
/// case.
pub fn run(
    source: Source,
    mut screen: Screen,
    interval: Duration,
    colours: bool,
) -> Result<Ended, LiveError> {
    let (sender, messages) = mpsc::channel();
    // Before the terminal is taken: whoever ends it now finds it as it was.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    spawn("the thread for signals", &sender, move |to| {
        signals.forever().try_for_each(|signal| to.send(Message::Signal(signal)).ok());
        Ok(())
    });
    let mut terminal = Terminal::open()?;
    spawn("the thread that looks", &sender, move |to| look(source, interval, to));
    spawn("the keyboard", &sender, read_keys);
    // Each of the threads has its own.
    drop(sender);
    let mut past = Past::default();
    let mut shown: Option<Model> = None;
    while let Ok(message) = messages.recv() {
        match message {
            Message::Signal(signal) => return Ok(Ended::Signal(signal)),
            Message::Failed(error) => return Err(error),
            Message::Pressed(key) => match &shown {
                Some(model) if screen.press(key, model) == Flow::Goes => {}
                None if !matches!(key, Key::Interrupt | Key::Char('q')) => {}
                _ => return Ok(Ended::Left),
            },
            Message::Looked(sample) => {
                // What passes while it stands still counts all the same.
                let model = past.take(*sample);
                if !screen.paused {
                    shown = Some(model);
                }
            }
            Message::Resized => {}
        }
        if let Some(model) = &shown {
            let mut most = 0;
            terminal.draw(|frame| {
                most = draw::draw(model, &screen, interval, colours, frame.area(), frame.buffer_mut());
            })?;
            screen.scrolled = screen.scrolled.min(most);
        }
    }
    Err(LiveError::Lost("everything"))
}

/// A thread whose end, by whatever, is a message.
fn spawn(
    what: &'static str,
    to: &Sender<Message>,
    work: impl FnOnce(&Sender<Message>) -> Result<(), LiveError> + Send + 'static,
) {
    struct End(&'static str, Sender<Message>);
    impl Drop for End {
        fn drop(&mut self) {
            // Nobody listens any more: it was to end.
            let _ = self.1.send(Message::Failed(LiveError::Lost(self.0)));
        }
    }
    let to = to.clone();
    thread::spawn(move || {
        let end = End(what, to);
        if let Err(error) = work(&end.1) {
            let _ = end.1.send(Message::Failed(error));
        }
    });
}

/// Looks again and again, `interval` from one look to the next however long each takes.
fn look(mut source: Source, interval: Duration, to: &Sender<Message>) -> Result<(), LiveError> {
    loop {
        let begun = Instant::now();
        let sample = Box::new(source.look_in_turn()?);
        if to.send(Message::Looked(sample)).is_err() {
            return Ok(());
        }
        thread::sleep(interval.saturating_sub(begun.elapsed()));
    }
}

fn read_keys(to: &Sender<Message>) -> Result<(), LiveError> {
    loop {
        let message = match event::read()? {
            Event::Key(event) => key(event).map(Message::Pressed),
            Event::Resize(..) => Some(Message::Resized),
            _ => None,
        };
        if message.is_some_and(|message| to.send(message).is_err()) {
            return Ok(());
        }
    }
}

fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    match event.code {
        KeyCode::Char('c') if control => Some(Key::Interrupt),
        KeyCode::Char(typed) if !control => Some(Key::Char(typed)),
        KeyCode::Enter => Some(Key::Enter),
        KeyCode::Esc => Some(Key::Escape),
        KeyCode::Backspace => Some(Key::Backspace),
        KeyCode::Tab => Some(Key::Tab),
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        KeyCode::PageUp => Some(Key::PageUp),
        KeyCode::PageDown => Some(Key::PageDown),
        KeyCode::Home => Some(Key::Home),
        KeyCode::End => Some(Key::End),
        _ => None,
    }
}
