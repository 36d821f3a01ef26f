//! What the daemon saw and decided, minute by minute: a bounded ring on the disk. The format is described in
//! docs/history.md.
//!
//! [`Writer`] is the daemon's end. [`read`] is everybody else's: it needs no daemon, and may run while one
//! writes.

mod compact;
mod encode;
mod frame;
mod names;
mod reader;
mod record;
#[cfg(test)]
mod samples;
mod segment;
mod writer;

pub use reader::{PassedOver, ReadError, read};
pub use record::{Change, Did, Group, Host, Minute, Part, Tenant, TierFill};
pub use writer::{Bounds, WriteError, Writer};
