//! What a signal asks of the tenant.

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Flags set by signals.
pub(super) struct Signals {
    /// Touch everything.
    pub(super) touch_all: Arc<AtomicBool>,
    /// Report the truth.
    pub(super) truth: Arc<AtomicBool>,
    /// End.
    pub(super) end: Arc<AtomicBool>,
}

impl Signals {
    pub(super) fn install() -> Result<Self> {
        let signals = Self { touch_all: Arc::default(), truth: Arc::default(), end: Arc::default() };
        for (signal, flag) in [
            (SIGUSR1, &signals.touch_all),
            (SIGUSR2, &signals.truth),
            (SIGTERM, &signals.end),
            (SIGINT, &signals.end),
        ] {
            signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot handle signals")?;
        }
        Ok(signals)
    }
}
