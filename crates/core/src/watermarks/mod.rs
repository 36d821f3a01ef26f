//! The host's own watermarks: how early kswapd begins, so that tasks need not reclaim for themselves.
//!
//! [`Controller::decide`] is a pure function of what it remembers, what the kernel told at one moment, the
//! factor that is set, the one that the host was found with, the settings, and time. It decides
//! `vm.watermark_scale_factor`: up when tasks had to reclaim directly or will have to, back down to what the
//! host was found with once that is over.

mod between;
mod decide;
mod factor;
mod marks;
mod reason;
mod seen;
mod settings;

pub use decide::{Controller, Decision, Figures};
pub use factor::Factor;
pub use marks::{Marks, greatest, loss};
pub use reason::Reason;
pub use seen::{Seen, Zone};
pub use settings::Settings;
