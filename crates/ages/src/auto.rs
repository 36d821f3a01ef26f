//! What `hotness.source: auto` takes here, for people: nothing is begun.

use lowtide_cgroup::Mount;
use lowtide_core::reading::Source;
use lowtide_kernfs::Root;
use lowtide_policy::{Config, Hotness as HotnessConfig, SourceChoice};

use crate::{
    Stop,
    choice::{Choice, Host, choose},
};

/// The source, as far as that can be told without writing, and why; `notices_first_touch` is what a daemon
/// has tried.
#[must_use]
pub fn auto(root: &Root, mount: &Mount, notices_first_touch: Option<bool>) -> (SourceChoice, String) {
    let Config { hotness, state_dir, .. } = Config::default();
    let wanted = HotnessConfig { source: SourceChoice::Auto, ..hotness };
    let stop = Stop::default();
    let host = Host { root, mount, state_dir: &state_dir, notices_first_touch, stop: &stop };
    let Choice { ager, refused } = choose(host, &wanted);
    let taken = match ager.as_ref().map(|ager| ager.source()) {
        Some(Some(Source::Mglru)) => SourceChoice::Mglru,
        Some(Some(Source::Sampled)) => SourceChoice::Sampled,
        // By which addresses is known only at its first look.
        Some(_) => SourceChoice::Damon,
        None => SourceChoice::None,
    };
    let why = ager.map(|ager| ager.why()).into_iter().chain(refused);
    (taken, why.collect::<Vec<_>>().join("; "))
}
