use std::{net::SocketAddr, path::PathBuf, time::Duration};

use lowtide_core::Budgets;

use crate::PolicySet;

/// Everything that was configured, with every default filled in and every range enforced.
#[derive(Debug, Clone)]
pub struct Config {
    /// Time between two ticks; 1 s to 10 min, 6 s unless said otherwise.
    pub interval: Duration,
    /// Where the metrics are served, if anywhere. Port 0 takes a free one.
    pub metrics: Option<SocketAddr>,
    /// The socket on which `status` and `explain` ask the daemon. Absolute, short enough for `sun_path`.
    pub control_socket: PathBuf,
    /// Where the journal of knobs lives. Absolute.
    pub state_dir: PathBuf,
    /// What holds for the host, whatever a cgroup's policy says.
    pub budgets: Budgets,
    /// What lowtide is asked to set up on the host.
    pub tiers: HostTiers,
    /// The policies, and which cgroup each one is for.
    pub policies: PolicySet,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(6),
            metrics: None,
            control_socket: "/run/lowtide/lowtide.sock".into(),
            state_dir: "/var/lib/lowtide".into(),
            budgets: Budgets::default(),
            tiers: HostTiers::default(),
            policies: PolicySet::default(),
        }
    }
}

/// Knobs of the host that lowtide writes only if asked to. `None` leaves a knob as it is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostTiers {
    /// `/sys/module/zswap/parameters/enabled`.
    pub zswap_enabled: Option<bool>,
    /// `/sys/kernel/mm/numa/demotion_enabled`: whether reclaim may move pages to a slower NUMA node.
    pub demotion: Option<bool>,
}
