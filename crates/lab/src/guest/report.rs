//! Results on their way to the host.

use crate::spec::ports;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::Write;

/// Sends one result; it must serialise to an object with a `kind`.
pub fn emit(result: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(result)?;
    line.push('\n');
    let mut port = OpenOptions::new()
        .write(true)
        .open(ports::RESULTS)
        .with_context(|| format!("cannot open {}: is this inside a lab machine?", ports::RESULTS))?;
    port.write_all(line.as_bytes()).with_context(|| format!("cannot write to {}", ports::RESULTS))
}
