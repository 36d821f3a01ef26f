//! How many pages a swap-in reads: one where the first swap is compressed memory.

use std::time::Duration;

use lowtide_core::{
    Tier,
    treatments::{Clustering, Reason, Treatment},
};
use lowtide_kernfs::Root;

use super::{
    held::Law,
    problem::Problem,
    setting::{Setting, Wanted},
};

const WANTED: &[Wanted] = &[Wanted {
    path: "proc/sys/vm/page-cluster",
    value: "0",
    passing: None,
    remedy: "it is built without swap; take `page_cluster` out of `treatments`",
}];

/// What is known of it, for metrics and `status`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PageClusterView {
    /// Why it is, or is not, set.
    pub reason: Reason,
    /// vm.page-cluster: a swap-in reads two to the power of it; `None` where it cannot be read.
    pub page_cluster: Option<String>,
    /// lowtide has set it, and puts it back.
    pub held: bool,
}

/// By the tiers of the moment alone: there is nothing to be remembered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PageCluster;

impl Law for PageCluster {
    const TREATMENT: Treatment = Treatment::PageCluster;
    const KEY: &'static str = "treatments.page_cluster";
    const WANTED: &'static [Wanted] = WANTED;
    type Seen = Clustering;
    type Decision = Clustering;
    type View = PageClusterView;

    fn look(_: &Root, setting: &Setting, tiers: &[Tier]) -> Result<Clustering, Problem> {
        setting.read(&WANTED[0])?;
        Ok(Clustering::of(tiers))
    }

    fn decide(&mut self, seen: Clustering, _: &Setting, _: Duration) -> Result<Clustering, Problem> {
        Ok(seen)
    }

    fn verdict(decision: &Clustering) -> (Reason, bool) {
        (decision.reason, decision.on)
    }

    fn view(reason: Reason, _: Option<Clustering>, setting: &Setting) -> PageClusterView {
        PageClusterView { reason, page_cluster: setting.read(&WANTED[0]).ok(), held: setting.is_held() }
    }
}
