//! The terminal after a panic, in a real one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and one is about panics"
)]

#[path = "support/tmux.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod tmux;

use std::thread;

use lowtide_top::shell::Terminal;
use tmux::Tmux;

/// What is started in the terminal.
const PROGRAM: &str = "LOWTIDE_TEST_PANICS";

/// This test program again, which does something else where the variable says so.
fn again(where_it_panics: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let name = "the_terminal_is_given_back";
    format!(
        "RUST_BACKTRACE=0 {PROGRAM}={where_it_panics} {} --exact {name} --nocapture --test-threads 1",
        program.display()
    )
}

fn panics(place: &str) {
    let mut terminal = Terminal::open().unwrap();
    terminal.draw(|frame| frame.render_widget("drawn", frame.area())).unwrap();
    if place == "thread" {
        let _ = thread::spawn(|| panic!("in a thread")).join();
        return;
    }
    panic!("in the middle");
}

#[test]
fn the_terminal_is_given_back() {
    if let Some(place) = std::env::var_os(PROGRAM) {
        panics(&place.to_string_lossy());
        return;
    }
    for (place, message) in [("main", "in the middle"), ("thread", "in a thread")] {
        let tmux = Tmux::new(100, 30);
        let line = tmux.line();
        tmux.command(&again(place));
        tmux.sees("test result");
        let screen = tmux.screen();
        assert!(screen.contains(message), "the message is seen:\n{screen}");
        tmux.is_clean(&line);
    }
}
