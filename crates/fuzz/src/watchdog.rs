//! An input without an end is a finding too, and nobody is there to catch it.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Nothing that is read takes so long, on the busiest machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Inputs begun by this process.
static BEGUN: AtomicU64 = AtomicU64::new(0);
/// Whose they are.
static WHOSE: Mutex<String> = Mutex::new(String::new());

pub(crate) fn begin_parser(name: &str, seed: u64) {
    if let Ok(mut whose) = WHOSE.lock() {
        *whose = format!("{name} with seed {seed}");
    }
}

pub(crate) fn begin_input() {
    BEGUN.fetch_add(1, Ordering::Relaxed);
}

/// Ends the process with status 1 when an input does not end, on a thread of its own.
pub fn watch() {
    std::thread::spawn(|| {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let begun = BEGUN.load(Ordering::Relaxed);
            if begun != seen {
                (seen, since) = (begun, Instant::now());
            } else if since.elapsed() > PATIENCE {
                let whose = WHOSE.lock().map(|whose| whose.clone()).unwrap_or_default();
                eprintln!("FOUND: an input of {whose} does not end (number {begun} of this process)");
                std::process::exit(1);
            }
        }
    });
}
