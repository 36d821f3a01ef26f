//! Treatments of what a host loses to itself: off unless asked for, each bounded, measured and undone.
//!
//! Each law is a pure function of what it remembers, what the kernel told at one moment, and time. It says
//! what is to be done and why; the acting shell does it and tells the law what came of it.

mod compaction;
mod dying;
mod kind;
mod ksm;
mod moment;
mod page_cluster;
mod reason;
mod rest;
mod settings;
mod thp_defrag;
mod window;

pub use compaction::{Compacting, Compaction, CompactionSeen, Node, Pieces};
pub use dying::{DyingCgroups, DyingSeen, RELEASED_A_MINUTE, Releasing};
pub use kind::Treatment;
pub use ksm::{Ksm, KsmSeen, Merging};
pub use moment::{CALM, Moment, Pressure, TENSE};
pub use page_cluster::Clustering;
pub use reason::Reason;
pub use settings::{DefragMode, KsmMode, Settings};
pub use thp_defrag::{Defragging, ThpDefrag, ThpSeen};
