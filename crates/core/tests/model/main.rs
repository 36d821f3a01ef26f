//! The loop on a small model of a host: what it does to tenants over minutes, in simulated time.
//!
//! `cargo test -p lowtide-core --test model -- --nocapture` prints the curves.

#[cfg(test)]
mod long_tail;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tenant;
