//! observe → decide → act → verify: the loop around [`lowtide_core`], with its journal, metrics and control socket.

mod actuator;
pub mod control;
mod descriptor;
mod environment;
mod hotness;
mod http;
pub mod journal;
pub mod knobs;
mod ledger;
mod limits;
mod metrics;
mod notify;
mod observer;
mod present;
mod run;
mod state_dir;
mod targets;
mod triggers;
mod turn;
mod view;
mod watched;

pub use environment::{Finding, environment};
pub use run::{Options, RunError, restore, run};
pub use state_dir::StateDirError;
