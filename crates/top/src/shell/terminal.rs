use std::io;

use ratatui::{Frame, crossterm::terminal::is_raw_mode_enabled, prelude::CrosstermBackend};

/// The terminal, raw and on its alternate screen, until this is dropped.
///
/// A panic in any thread gives it back first, so that its message is seen (`ratatui::try_init` sets the
/// hook).
#[derive(Debug)]
pub struct Terminal {
    terminal: ratatui::Terminal<CrosstermBackend<io::Stdout>>,
}

impl Terminal {
    /// Takes standard output's terminal.
    pub fn open() -> io::Result<Self> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                // It may be raw already.
                let _ = ratatui::try_restore();
                Err(error)
            }
        }
    }

    /// Draws one frame; only what differs from the last one is written.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that is gone needs nothing back.
        let _ = self.terminal.show_cursor();
        // Nor does one that a panic gave back: to leave the alternate screen twice puts the cursor where it
        // was before, over the message.
        if is_raw_mode_enabled().unwrap_or(true) {
            let _ = ratatui::try_restore();
        }
    }
}
