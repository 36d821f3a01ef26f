//! The systemd notify protocol. Without systemd (`NOTIFY_SOCKET` unset) every call does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// The first turn of the loop is done.
pub(crate) fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins. systemd matches it with the `READY=1` that ends it by the monotonic time.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "notify: no monotonic time"),
    }
}

/// The daemon is about to end.
pub(crate) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// The loop is alive.
pub(crate) fn alive(status: &str) {
    send(&[NotifyState::Watchdog, NotifyState::Status(status)]);
}

/// How often the watchdog wants to hear, at most; `None` without a watchdog.
#[must_use]
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn send(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "notify: systemd did not take the message");
    }
}
