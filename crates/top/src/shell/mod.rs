//! The rest: the daemon's answer, time, a terminal, keys and signals.

mod inquiry;
mod live;
mod rhythm;
mod source;
mod terminal;

pub use inquiry::Ask;
pub use live::{Ended, LiveError, run};
pub use source::{Source, twice};
pub use terminal::Terminal;
