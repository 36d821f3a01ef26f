use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::{Level, subscriber::DefaultGuard};

/// The warnings of the loop's thread while it lives.
#[derive(Debug)]
pub(super) struct Log {
    text: Lines,
    _guard: DefaultGuard,
}

#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(super) fn listen() -> Self {
        let text = Lines::default();
        let lines = text.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::WARN)
            .with_writer(move || lines.clone())
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// What was said since the last call.
    pub(super) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.text.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
