//! A process that touches a mapped file from its beginning to its end, again and again, and writes to some of
//! its pages.

use crate::size::{self, PAGE};
use crate::tenant::file_map::map_device;
use anyhow::Result;
use clap::Args;
use std::hint::black_box;
use std::path::PathBuf;

/// What it is told.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// The device that it maps.
    pub device: PathBuf,
    /// How much of it.
    #[arg(long, value_parser = size::parse)]
    pub size: u64,
    /// Writes to one of so many pages.
    #[arg(long)]
    pub dirty_every: usize,
}

/// Touches until it is killed.
pub fn run(settings: &Settings) -> Result<()> {
    let mut map = map_device(&settings.device, settings.size)?;
    loop {
        for (page, at) in (0..map.len()).step_by(PAGE).enumerate() {
            if page.is_multiple_of(settings.dirty_every) {
                map[at] = map[at].wrapping_add(1);
            } else {
                black_box(map[at]);
            }
        }
    }
}
