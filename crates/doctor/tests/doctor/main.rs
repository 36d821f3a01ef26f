//! What the doctor finds on real kernels' files, and what it makes of each departure from them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ages;
mod cgroups;
mod docs;
mod golden;
mod hygiene;
mod silent;
mod tiers;
mod tree;
