//! observe → decide → act → verify: the loop around [`lowtide_core`], with its journal, metrics and control socket.

mod actuator;
mod balancer;
#[cfg(test)]
mod cases;
mod choices;
mod complaints;
mod confine;
pub mod control;
mod descriptor;
mod devices;
mod environment;
mod eviction;
mod http;
mod json;
mod late;
mod ledger;
mod limits;
mod lineage;
#[cfg(test)]
mod logged;
mod measure;
mod metrics;
mod near;
mod notify;
mod observer;
mod past;
mod pods;
mod present;
mod process;
mod promise;
mod pulse;
mod report;
mod run;
mod running;
#[cfg(test)]
mod samples;
mod settings;
mod share;
mod short;
mod shown;
mod slots;
mod stuck;
mod targets;
mod triggers;
mod turn;
mod unchanged;
mod view;
mod watched;
mod watermarks;
mod whole_host;

pub use environment::{Finding, environment};
pub use http::user_in;
pub use json::render as render_json;
pub use lowtide_core::escape::{escaped, escaped_lines};
pub use past::DIRECTORY as HISTORY;
pub use run::{Options, Restored, RunError, restore, run};
pub use running::running;
pub use shown::{Shown, Sort};
