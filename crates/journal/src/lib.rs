//! What outlives the daemon: the state directory, and the journal of kernel settings (knobs) in it.
//!
//! ```text
//! knob ──journalled first──► written ──read back──► held ... restored: by the daemon's end, its next start, or `lowtide restore`
//! ```

mod aside;
pub mod durable;
mod host;
mod journal;
pub mod knobs;
mod lock;
pub mod restorable;
pub mod sealed;
mod spelling;
mod staged;
mod state_dir;

pub use aside::BeforeWrite;
pub use host::{HostError, HostLock};
pub use journal::{CgroupKnob, FILE_NAME, Journal, JournalError, Record, boot_id};
pub use lock::Lock;
pub use state_dir::{StateDir, StateDirError};
