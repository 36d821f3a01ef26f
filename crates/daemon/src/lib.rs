//! observe → decide → act → verify: the loop around [`lowtide_core`], with its journal, metrics and control
//! socket.

mod blind;
#[cfg(test)]
mod cases;
pub mod control;
mod descriptor;
mod devices;
mod environment;
mod http;
mod limits;
mod notify;
mod past;
mod report;
mod run;
mod running;
mod strain;
mod stuck;
mod triggers;
mod turn;
mod watched;
mod whole_host;

pub use environment::{EnvironmentError, Finding, environment};
pub use http::user_in;
pub use past::DIRECTORY as HISTORY;
pub use run::{Options, Restored, RunError, restore, run};
pub use running::running;
