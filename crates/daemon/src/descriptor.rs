//! The one place with unsafe code: a pressure trigger's descriptor is given to the event loop.

#![expect(unsafe_code, reason = "tokio has no safe way to register a descriptor that is not a socket")]

use std::io;

use lowtide_psi::Trigger;
use tokio::io::{Interest, unix::AsyncFd};

/// Registers a trigger with the running event loop.
pub(crate) fn register(trigger: Trigger, interest: Interest) -> io::Result<AsyncFd<Trigger>> {
    // SAFETY: the trigger owns its descriptor, gives it to nobody, closes it only when it is dropped, and
    // always answers with the same one; the AsyncFd owns the trigger.
    unsafe { AsyncFd::register_with_interest(trigger, interest) }.map_err(Into::into)
}
