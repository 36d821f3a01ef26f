//! Kernel modules.

use crate::process::output;
use anyhow::{Context, Result};

/// Loads a module with `parameters` such as `nr_devices=0`. One that is built in or loaded already is fine.
pub fn load(module: &str, parameters: &[&str]) -> Result<()> {
    output("modprobe", &[&[module], parameters].concat())
        .map(drop)
        .with_context(|| format!("cannot load the kernel module {module}; the kernel under test may lack it"))
}
