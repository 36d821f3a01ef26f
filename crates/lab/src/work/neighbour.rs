//! A process that runs for an instant on one processor, again and again, as something does on every host.
//!
//! The kernel clears accessed bits without flushing TLBs (`ptep_test_and_clear_young`,
//! arch/x86/mm/pgtable.c): as long as a processor still has the translation it sets none anew. A real TLB
//! holds a few thousand and forgets them by itself. QEMU's holds all of them until the address space changes,
//! and it never changes on a processor that a tenant has to itself: then DAMON sees nothing touched, and hot
//! pages look idle to MGLRU and are reclaimed.

use anyhow::{Result, ensure};
use clap::Args;
use lowtide_kernfs::bind_thread;
use std::process::{Command, Stdio};
use std::thread::{available_parallelism, sleep};
use std::time::Duration;

/// No page that is in use looks idle for longer than this.
const EVERY: Duration = Duration::from_millis(10);

/// What it is told.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where it runs.
    processor: u32,
}

/// Wakes until it is killed.
pub fn run(settings: &Settings) -> Result<()> {
    let bound = bind_thread(&[settings.processor])?;
    ensure!(bound.is_some(), "may not run on processor {}", settings.processor);
    loop {
        sleep(EVERY);
    }
}

/// Starts one on each processor. They live as long as the machine.
pub fn on_each_processor() -> Result<()> {
    for processor in 0..available_parallelism()?.get() {
        let mut command = Command::new("/proc/self/exe");
        command.arg("neighbour").arg(processor.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    }
    Ok(())
}
