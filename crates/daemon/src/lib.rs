//! observe → decide → act → verify: the loop around [`lowtide_core`], with its journal, metrics and control socket.

mod actuator;
mod balancer;
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
pub mod knobs;
mod ledger;
mod limits;
mod metrics;
mod near;
mod notify;
mod observer;
mod present;
mod report;
mod run;
mod sealed;
pub mod setup;
mod state_dir;
mod stuck;
mod targets;
mod triggers;
mod turn;
mod view;
mod watched;

pub use environment::{Finding, environment};
pub use hotness::damon::records::{RecordsError, in_words as damon_in_words};
pub use run::{Options, Restored, RunError, restore, run};
pub use state_dir::StateDirError;
