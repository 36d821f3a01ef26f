//! The settings that treatments make.

use crate::guest::knobs;
use anyhow::Result;
use serde::{Deserialize, Serialize};

const KSM: &str = "/sys/kernel/mm/ksm";
const DEFRAG: &str = "/sys/kernel/mm/transparent_hugepage/defrag";

/// As the kernel shows them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) run: String,
    pub(super) advisor_mode: String,
    pub(super) pages_to_scan: String,
    pub(super) defrag: String,
}

impl Settings {
    pub(super) fn read() -> Result<Self> {
        let ksm = |file: &str| knobs::read(format!("{KSM}/{file}"));
        Ok(Self {
            run: ksm("run")?,
            advisor_mode: ksm("advisor_mode")?,
            pages_to_scan: ksm("pages_to_scan")?,
            defrag: knobs::read(DEFRAG)?,
        })
    }
}

/// Others than the kernel's own, so that it shows whether they are put back.
pub(super) fn make_odd() -> Result<()> {
    knobs::write(format!("{KSM}/pages_to_scan"), "200")?;
    knobs::write(DEFRAG, "always")
}
