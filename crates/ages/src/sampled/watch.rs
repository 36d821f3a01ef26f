//! Ways to watch single page frames.

use std::{
    collections::HashMap,
    fmt::Debug,
    time::{Duration, Instant},
};

/// Watches page frames, each by itself. Its calls block.
pub(super) trait Watch: Debug + Send {
    /// What it is, for people.
    fn why(&self) -> &'static str;

    /// Whether it still watches what it was given.
    fn runs(&self) -> bool;

    /// Each frame is checked so often.
    fn every(&self) -> Duration;

    /// Watches these from now on; those that it watches already keep their ages. In order, without
    /// neighbours.
    fn set(&mut self, frames: &[u64]) -> Result<(), String>;

    /// What is known of them.
    fn look(&mut self) -> Result<Sight, String>;

    /// Leaves the kernel as it was found.
    fn stop(&mut self) -> Result<(), String>;
}

/// What a watch has seen.
#[derive(Debug)]
pub(super) struct Sight {
    /// Frames that were not touched lately, and since when; all others were touched within [`Sight::within`].
    pub(super) idle: HashMap<u64, Idle>,
    pub(super) within: Duration,
    /// When it was true.
    pub(super) at: Instant,
    /// Processor time of the kernel's for the look.
    pub(super) cpu: Duration,
    /// And since the last one, with the time that has passed.
    pub(super) rest: (Duration, Duration),
}

/// For how long a frame was not touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Idle {
    /// At least so long.
    pub(super) youngest: Duration,
    /// And at most so long, if it was touched at all since it is watched.
    pub(super) oldest: Duration,
}
