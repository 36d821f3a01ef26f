//! Every parser of kernel files, of configuration and of state, and both doors of the daemon, against
//! mutations of captured files.
//!
//! ```text
//! Corpus (tests/fixtures) ──► Mutator (a seed) ──► Driver (one parser) ──► accepted, refused, or a Finding
//! ```
//!
//! An input is the number of a file and its bytes. The same seed gives a parser the same inputs, whichever
//! others run, on each machine with the same captured files. A parser must answer: what panics, or takes
//! longer than a second, is a finding.

mod corpus;
mod door;
mod driver;
mod mutator;
mod panics;
mod parsers;
mod run;
mod state;
mod tree;
mod watchdog;

pub use corpus::Corpus;
pub use driver::{Driver, Parser, Read, Slot};
pub use parsers::all;
pub use run::{Bound, Finding, Outcome, run};
pub use watchdog::watch;
