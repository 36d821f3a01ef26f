use std::{fmt, path::PathBuf, time::Duration};

use lowtide_core::{Budgets, Ratio, balancer::Settings, treatments, watermarks};

use crate::{History, HostTiers, Metrics, PolicySet};

/// Everything that was configured, with every default filled in and every range enforced.
#[derive(Debug, Clone)]
pub struct Config {
    /// Time between two ticks; 1 s to 10 min, 6 s unless said otherwise.
    pub interval: Duration,
    /// Where the metrics are served, if anywhere, and to whom.
    pub metrics: Option<Metrics>,
    /// The socket on which `status` and `explain` ask the daemon. Absolute, short enough for `sun_path`.
    pub control_socket: PathBuf,
    /// The group whose members may connect to it, besides root.
    pub control_group: Option<String>,
    /// Where the journal of knobs lives. Absolute.
    pub state_dir: PathBuf,
    /// How the idle ages of memory are had.
    pub hotness: Hotness,
    /// What is kept of what was seen and decided.
    pub history: History,
    /// What holds for the host, whatever a cgroup's policy says.
    pub budgets: Budgets,
    /// The swap balancer; `None` leaves every page where it is.
    pub balancer: Option<Settings>,
    /// How the host's watermarks are adapted; `None` leaves them as they are.
    pub watermarks: Option<watermarks::Settings>,
    /// What is treated of that which the host loses to itself.
    pub treatments: treatments::Settings,
    /// What lowtide is asked to set up on the host.
    pub tiers: HostTiers,
    /// What DRAM costs, for the savings report; no money is shown without.
    pub price: Option<Price>,
    /// The policies, and which cgroup each one is for.
    pub policies: PolicySet,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(6),
            metrics: None,
            control_socket: "/run/lowtide/lowtide.sock".into(),
            control_group: None,
            state_dir: "/var/lib/lowtide".into(),
            hotness: Hotness::default(),
            history: History::default(),
            budgets: Budgets::default(),
            balancer: None,
            watermarks: None,
            treatments: treatments::Settings::default(),
            tiers: HostTiers::default(),
            price: None,
            policies: PolicySet::default(),
        }
    }
}

/// How the idle ages of memory are had, and what that may cost.
///
/// A walk ages pages: it is a write to debugfs or sysfs that leaves no setting behind and moves no memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hotness {
    /// Who is asked.
    pub source: SourceChoice,
    /// Time between two walks of one cgroup, when they cost less than `cpu` allows; 1 s to 1 h.
    pub interval: Duration,
    /// What all walks together may cost, as a share of one core: above 0, at most 100 %.
    pub cpu: Ratio,
    /// Whether cgroups whose mode is [`Observe`](lowtide_core::Mode::Observe) are looked at too, so that it
    /// can be said what would be saved of them.
    pub observe: bool,
}

impl Default for Hotness {
    fn default() -> Self {
        let (interval, cpu) = (Duration::from_secs(30), Ratio::percent(1.0));
        Self { source: SourceChoice::Auto, interval, cpu, observe: true }
    }
}

impl Hotness {
    /// Whether a cgroup of this mode is looked at.
    #[must_use]
    pub fn looks_at(&self, mode: lowtide_core::Mode) -> bool {
        self.observe || mode != lowtide_core::Mode::Observe
    }
}

/// Where idle ages shall come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceChoice {
    /// The best that the kernel has: MGLRU, else sampled pages, else DAMON by virtual address, else none.
    Auto,
    /// Generations of the multi-generational LRU.
    Mglru,
    /// Pages drawn at random from what the cgroup's processes map, each watched by itself.
    Sampled,
    /// DAMON, by physical address where the kernel can, else by virtual address.
    Damon,
    /// None: the loop works from pressure alone.
    None,
}

impl SourceChoice {
    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mglru => "mglru",
            Self::Sampled => "sampled",
            Self::Damon => "damon",
            Self::None => "none",
        }
    }
}

impl fmt::Display for SourceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What memory costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// A GiB of DRAM for a month; finite, at least 0.
    pub dram: f64,
    /// In which currency.
    pub currency: String,
}
