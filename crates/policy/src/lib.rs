//! Per-cgroup policy: YAML to checked policy, cgroups matched to policies, JSON Schema.
//!
//! ```text
//! file ──source──► text ──yaml──► nodes ──read──► raw ──check──► Config
//!        size,            place of       keys, types,    duplicates,
//!        UTF-8            every node     ranges          defaults, matcher
//! ```
//!
//! Every step adds what it finds to one list of [`Problem`]s, so that a file with five mistakes is told about
//! five mistakes. What comes out at the end needs no further check: every value is in its range, every
//! pattern compiled.

mod balancer;
mod check;
mod choice;
mod config;
mod found;
mod hints;
mod history;
mod hotness;
mod leaf;
mod lines;
mod load;
mod matcher;
mod metrics;
mod namespaces;
mod pattern;
mod problem;
mod protected;
mod raw;
mod read;
mod schema;
mod section;
mod source;
mod tier_rules;
mod tiers;
mod treatments;
mod units;
mod watermarks;
mod whole_host;
mod yaml;

pub use choice::Choice;
pub use config::{Config, Hotness, Price, SourceChoice};
pub use history::History;
pub use load::{Loaded, control_socket, files, load, parse};
pub use matcher::{Found, PolicySet};
pub use metrics::{Access, Metrics};
pub use namespaces::Namespace;
pub use problem::{Place, Problem, Problems, Related, Severity};
pub use protected::{is_protected, may_hold_protected};
pub use schema::schema;
pub use source::MAX_FILE_BYTES;
pub use tiers::{Amount, HostTiers, SwapSetup, ZramSetup, ZswapSetup};
