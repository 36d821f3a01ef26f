//! What speaks against moving pages now.

use std::time::{Duration, Instant};

use lowtide_core::{Policy, Ratio, Reason, balancer::Strain};
use lowtide_kernfs::Root;
use lowtide_view::View;

/// Share of the time with some task of the host stalled on memory, above which nothing is moved. The tenants
/// have SLOs of their own, which are far stricter; this is for a host without policies, where only the whole
/// can be seen. systemd-oomd kills at 60 % by default.
const HOST_MEMORY: Ratio = Ratio::percent(10.0);

/// Watches the host between two turns.
///
/// The I/O pressure of the host as a whole is of no use: up to 6.12 the thread that has pages written back
/// waits for each of them in `submit_bio_wait`, and so is the pressure (1024 pages, 42 ms of `some` and of
/// `full`, on an idle host). The tenants' own counts theirs alone.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    before: Option<(Instant, Duration)>,
}

impl Watch {
    /// What speaks against it after a turn.
    pub(crate) fn strain(&mut self, root: &Root, view: &View, policies: &[Policy]) -> Strain {
        let host = self.host(root).filter(|share| *share > HOST_MEMORY).map(|_| Strain::Memory);
        view.cgroups
            .iter()
            .filter_map(|cgroup| {
                let policy = policies.iter().find(|policy| policy.name == cgroup.decision.policy)?;
                let over = |share: Option<Ratio>, slo: Ratio| share.is_some_and(|share| share > slo);
                if cgroup.decision.reason == Reason::Trigger {
                    Some(Strain::Trigger)
                } else if over(cgroup.stalls.io_some, policy.slo.io_pressure) {
                    Some(Strain::Io)
                } else {
                    over(cgroup.stalls.memory_some, policy.slo.memory_pressure).then_some(Strain::Memory)
                }
            })
            .chain(host)
            .max()
            .unwrap_or_default()
    }

    /// Share of the time since the last turn with some task stalled on memory; `None` without PSI.
    fn host(&mut self, root: &Root) -> Option<Ratio> {
        let total = lowtide_psi::read(root, "proc/pressure/memory").ok().flatten()?.some;
        let now = Instant::now();
        let (at, before) = self.before.replace((now, total))?;
        let span = now.duration_since(at).as_secs_f64();
        (span > 0.0).then(|| Ratio::new(total.saturating_sub(before).as_secs_f64() / span))
    }
}
