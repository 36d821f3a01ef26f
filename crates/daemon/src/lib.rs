//! observe → decide → act → verify: the loop around [`lowtide_core`], with its journal, metrics and control socket.

#[cfg(test)]
mod cases;
pub mod control;
mod descriptor;
mod devices;
mod environment;
mod http;
mod json;
mod ledger;
mod limits;
mod metrics;
mod notify;
mod past;
mod present;
mod promise;
mod report;
mod run;
mod running;
#[cfg(test)]
mod samples;
mod shown;
mod strain;
mod stuck;
mod triggers;
mod turn;
mod view;
mod watched;
mod whole_host;

pub use environment::{EnvironmentError, Finding, environment};
pub use http::user_in;
pub use json::render as render_json;
pub use lowtide_core::escape::{escaped, escaped_lines};
pub use past::DIRECTORY as HISTORY;
pub use run::{Options, Restored, RunError, restore, run};
pub use running::running;
pub use shown::{Shown, Sort};
