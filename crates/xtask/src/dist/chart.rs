//! The Helm chart, packed as `helm package` would, and what it gives to people without Helm.

use super::{Dist, archive};
use anyhow::{Context, Result};
use std::fs;

/// Copies and packs it. It has the workspace's version, whatever else is packed: a test asks for that.
pub(super) fn make(dist: &Dist) -> Result<()> {
    let place = dist.top.join("packaging/helm");
    let name = concat!("lowtide-chart-", env!("CARGO_PKG_VERSION"), ".tgz");
    archive::pack(dist, name, &place, "lowtide", &["--use-compress-program=gzip -9 --no-name"])?;
    let objects = "lowtide-kubernetes.yaml";
    fs::copy(place.join("lowtide.yaml"), dist.into.join(objects))
        .map(drop)
        .with_context(|| format!("cannot copy the chart's objects to {objects}"))
}
