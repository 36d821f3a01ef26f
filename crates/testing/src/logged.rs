//! What a thread of the tests has logged.

use std::{cell::RefCell, io, sync::Once};

thread_local! {
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Takes what this thread logs, from the first call on. One subscriber for all threads: what another one logs
/// without a subscriber would be taken to interest nobody from then on.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_writer(|| Lines)
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    let _ = take();
}

/// The lines of this thread since the last call, from level `info` on.
#[must_use]
pub fn take() -> Vec<String> {
    let text = TEXT.take();
    String::from_utf8(text).unwrap().lines().map(|line| line.trim().to_owned()).collect()
}

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TEXT.with_borrow_mut(|text| text.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
