//! What panicked, wherever it did: in a task of the daemon's runtime too, which keeps it to itself.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex, Once,
        atomic::{AtomicBool, Ordering},
    },
};

static HOOK: Once = Once::new();
/// An input is being read.
static READING: AtomicBool = AtomicBool::new(false);
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// From now on a panic while an input is read is kept instead of printed.
pub(crate) fn keep() {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match LAST.lock() {
            Ok(mut last) if READING.load(Ordering::SeqCst) => {
                last.get_or_insert_with(|| info.to_string());
            }
            _ => before(info),
        }));
    });
}

/// What `act` returns; or what panicked meanwhile, on any thread.
pub(crate) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    READING.store(true, Ordering::SeqCst);
    let result = panic::catch_unwind(AssertUnwindSafe(act));
    READING.store(false, Ordering::SeqCst);
    let last = LAST.lock().ok().and_then(|mut last| last.take());
    match (result, last) {
        (_, Some(message)) => Err(message),
        (Ok(value), None) => Ok(value),
        (Err(_), None) => Err("a panic without a message".to_owned()),
    }
}
