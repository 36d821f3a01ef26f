//! observe → decide → act → verify: the loop around [`lowtide_core`], with its journal, metrics and control socket.

mod actuator;
mod balancer;
#[cfg(test)]
mod cases;
mod complaints;
mod confine;
pub mod control;
mod descriptor;
mod devices;
pub mod doctor;
mod durable;
mod environment;
mod eviction;
mod hotness;
mod http;
pub mod journal;
mod json;
pub mod knobs;
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
mod present;
mod promise;
mod pulse;
mod report;
mod run;
#[cfg(test)]
mod samples;
mod sealed;
pub mod setup;
mod share;
mod shown;
mod slots;
mod state_dir;
mod stuck;
mod targets;
mod triggers;
mod turn;
mod view;
mod watched;

pub use environment::{Finding, environment};
pub use hotness::damon::records::{RecordsError, in_words as damon_in_words};
pub use json::render as render_json;
pub use lowtide_core::escape::{escaped, escaped_lines};
pub use past::DIRECTORY as HISTORY;
pub use run::{Options, Restored, RunError, restore, run};
pub use shown::{Shown, Sort};
pub use state_dir::StateDirError;
