//! A program whose hot, warm and cold memory is known.

use clap::Parser;
use lowtide_lab::tenant::{options::Options, work};

fn main() -> anyhow::Result<()> {
    work::run(&Options::parse())
}
