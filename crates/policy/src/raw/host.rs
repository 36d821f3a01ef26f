//! The host's settings, as a file says them.

use lowtide_core::{Budgets, Holdout, balancer::Settings, treatments, watermarks};
use schemars::JsonSchema;

use super::{Policy, Price, Tiers, maps, time};
use crate::{
    Config, History, Hotness,
    leaf::{self, SourceName},
    read::{At, Read, Reader},
    section,
    yaml::Node,
};

/// The configuration of lowtide: the host's settings in lowtide.yaml, policies there and in
/// policies.d/*.yaml.
#[derive(Debug, Default, JsonSchema)]
#[schemars(title = "lowtide configuration", deny_unknown_fields)]
pub(crate) struct Host {
    /// Time between two looks at the cgroups. Short finds trouble sooner, long costs less CPU.
    #[schemars(extend("default" = time(Config::default().interval)))]
    pub interval: Option<leaf::Interval>,
    /// Prometheus metrics.
    pub metrics: Option<Metrics>,
    /// Where `lowtide status`, `lowtide explain` and `lowtide report` reach the daemon.
    pub control: Option<Control>,
    /// Directory of the journal of changed knobs, of the savings so far, and of the history. One daemon at a
    /// time holds it.
    #[schemars(extend("default" = Config::default().state_dir))]
    pub state_dir: Option<leaf::Directory>,
    /// Where the idle ages of memory come from, and what they may cost.
    pub hotness: Option<HostHotness>,
    /// What is kept of what was seen and decided, in `state_dir`, for `lowtide explain --at` and `lowtide
    /// report --since`.
    pub history: Option<HostHistory>,
    /// Limits that hold for the host, whatever a policy says.
    pub budgets: Option<HostBudgets>,
    /// Cgroups that are left alone, so that `lowtide report` can say what the others would have been. None
    /// unless given.
    pub holdout: Option<HostHoldout>,
    /// The swap balancer: moves the coldest pages of zram to its backing device before zram is full. Off
    /// unless given; `{}` takes every default.
    pub balancer: Option<HostBalancer>,
    /// The host's watermarks: how early kswapd begins. Nothing is set unless `adapt` is true.
    pub watermarks: Option<At<HostWatermarks>>,
    /// What the host loses to itself is treated: each by its key, none unless given.
    pub treatments: Option<HostTreatments>,
    /// The host's memory tiers: what `lowtide tiers apply` sets up, and `lowtide restore` undoes. What is
    /// left out is not touched.
    pub tiers: Option<Tiers>,
    /// What memory costs, for the money in the savings report.
    pub price_per_gib_month: Option<Price>,
    /// What the cgroups are held to. The most specific matching pattern decides, then the later one.
    pub policies: Option<Vec<At<Policy>>>,
}

/// Prometheus metrics.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Metrics {
    /// Address and port, or Unix socket, of the HTTP listener. There is no listener unless this is given.
    pub listen: Option<At<leaf::Listen>>,
    /// Group whose members may read the metrics on the Unix socket, besides root.
    pub group: Option<At<leaf::Group>>,
    /// Users of this host that may read the metrics over loopback. Whoever can connect, unless this or
    /// `token_file` is given.
    pub users: Option<At<Vec<leaf::User>>>,
    /// File with a token; who sends it as `Authorization: Bearer TOKEN` may read the metrics over TCP.
    pub token_file: Option<At<leaf::Directory>>,
}

/// The control socket.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Control {
    /// Path of the Unix socket.
    #[schemars(extend("default" = Config::default().control_socket))]
    pub socket: Option<leaf::Socket>,
    /// Group whose members may read what the daemon tells, besides root. Nothing can be changed through the
    /// socket.
    pub group: Option<leaf::Group>,
}

/// Where the idle ages of memory come from, and what they may cost.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct HostHotness {
    /// The source of idle ages.
    #[schemars(with = "Option<SourceName>", extend("default" = Hotness::default().source.name()))]
    pub source: Option<crate::SourceChoice>,
    /// The least time between two walks of a cgroup's memory; it is walked twice within its cut. Cold memory
    /// is found up to one interval late.
    #[schemars(extend("default" = time(Hotness::default().interval)))]
    pub interval: Option<At<leaf::WalkInterval>>,
    /// CPU that all walks together may cost; when they cost more, the interval is lengthened.
    #[schemars(extend("default" = Hotness::default().cpu.to_string()))]
    pub cpu: Option<leaf::WalkCpu>,
    /// Whether cgroups whose mode is `observe` are looked at too. Looking moves no memory; without it nothing
    /// can be said of what would be saved.
    #[schemars(extend("default" = Hotness::default().observe))]
    pub observe: Option<bool>,
}

/// What is kept of what was seen and decided.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct HostHistory {
    /// Whether anything is kept.
    #[schemars(extend("default" = History::default().enabled))]
    pub enabled: Option<bool>,
    /// For how long, at most.
    #[schemars(extend("default" = time(History::default().keep)))]
    pub keep: Option<leaf::HistoryKeep>,
    /// What all of it takes on the disk, at most: the oldest goes first.
    #[schemars(extend("default" = History::default().max_size.to_string()))]
    pub max_size: Option<leaf::HistorySize>,
}

/// Limits for the host.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct HostBudgets {
    /// Kernel CPU spent on reclaim for one cgroup, over the last minute.
    #[schemars(extend("default" = Budgets::default().reclaim_cpu.to_string()))]
    pub reclaim_cpu: Option<leaf::Cpu>,
    /// Swapped out by lowtide's requests, all cgroups together.
    #[schemars(extend("default" = Budgets::default().swap_out.to_string()))]
    pub swap_out: Option<leaf::SomeRate>,
    /// Share of all swap that lowtide leaves free.
    #[schemars(extend("default" = Budgets::default().swap_reserve.to_string()))]
    pub swap_reserve: Option<leaf::Reserve>,
    /// Free memory above the low watermarks, as a share of the host's memory, below which no anonymous memory
    /// is offloaded.
    #[schemars(extend("default" = Budgets::default().watermark_distance.to_string()))]
    pub watermark_distance: Option<leaf::Reserve>,
    /// Direct reclaim of the whole host above which lowtide only watches.
    #[schemars(extend("default" = Budgets::default().direct_reclaim.to_string()))]
    pub direct_reclaim: Option<leaf::Rate>,
}

/// Cgroups that are left alone.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct HostHoldout {
    /// The share of them, of those whose policy acts.
    #[schemars(extend("default" = Holdout::default().share.to_string()))]
    pub share: Option<leaf::HeldOut>,
    /// Another number chooses other cgroups.
    #[schemars(extend("default" = Holdout::default().seed))]
    pub seed: Option<leaf::Seed>,
}

/// The swap balancer. Given, it writes writeback_limit, writeback_limit_enable, idle and writeback of every
/// zram device that is swapped on and has a backing device.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct HostBalancer {
    /// Fill from which on the coldest pages move: DRAM taken, as a share of zram's mem_limit; without a
    /// mem_limit the uncompressed bytes in DRAM, as a share of its size.
    #[schemars(extend("default" = Settings::default().watermark.to_string()))]
    pub watermark: Option<At<leaf::FillMark>>,
    /// Fill at which that ends; below `watermark`.
    #[schemars(extend("default" = Settings::default().low.to_string()))]
    pub low: Option<At<leaf::FillMark>>,
    /// Time between two looks at the fill.
    #[schemars(extend("default" = time(Settings::default().scan_interval)))]
    pub scan_interval: Option<leaf::ScanInterval>,
    /// No page moves that was stored less than this ago.
    #[schemars(extend("default" = time(Settings::default().min_age)))]
    pub min_age: Option<leaf::MinAge>,
    /// Uncompressed bytes that move per time, at most.
    #[schemars(extend("default" = Settings::default().rate.to_string()))]
    pub rate: Option<leaf::SomeRate>,
    /// Bytes written to one backing device in any 24 hours, at most. By default 30% of its size.
    pub write_budget: Option<leaf::DailyBytes>,
}

/// The host's watermarks. With `adapt: true` lowtide writes vm.watermark_scale_factor: up when tasks have to
/// reclaim memory themselves, back down to what the host was found with when that is over.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct HostWatermarks {
    /// Whether lowtide sets vm.watermark_scale_factor.
    #[schemars(extend("default" = false))]
    pub adapt: Option<bool>,
    /// The greatest factor that is ever set, in ten-thousandths of a zone.
    #[schemars(extend("default" = watermarks::Settings::MAX_SCALE_FACTOR))]
    pub max_scale_factor: Option<leaf::ScaleFactor>,
    /// What MemAvailable may lose by it, as a share of MemTotal.
    #[schemars(extend("default" = watermarks::Settings::default().available_loss.to_string()))]
    pub available_loss: Option<leaf::AvailableLoss>,
    /// So long no task has to reclaim memory itself before the factor is lowered by a step.
    #[schemars(extend("default" = time(watermarks::Settings::default().protection)))]
    pub protection: Option<leaf::Protection>,
}

/// Treatments of what the host loses to itself. Each is bounded, measured, and undone when lowtide stops.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct HostTreatments {
    /// Whether memory is compacted in a calm moment, where tasks had to compact it themselves and what is
    /// free is in small pieces.
    #[schemars(extend("default" = false))]
    pub compaction: Option<bool>,
    /// Whether page cache is reclaimed in small steps where removed cgroups own pages.
    #[schemars(extend("default" = false))]
    pub dying_cgroups: Option<bool>,
    /// Whether KSM runs. It is switched off again where its records take more than it merges.
    #[schemars(with = "Option<leaf::KsmModeName>")]
    pub ksm: Option<treatments::KsmMode>,
    /// What page faults do for huge pages, once tasks stall for them.
    #[schemars(with = "Option<leaf::DefragModeName>")]
    pub thp_defrag: Option<treatments::DefragMode>,
    /// Whether a swap-in reads one page alone, where the swap that is used first is zram or zswap
    /// (`vm.page-cluster`).
    #[schemars(extend("default" = false))]
    pub page_cluster: Option<bool>,
}

maps! {
    Host, HOST: interval metrics control state_dir hotness history budgets holdout balancer watermarks treatments tiers price_per_gib_month policies;
    Metrics, METRICS: listen group users token_file;
    Control, CONTROL: socket group;
    HostHotness, HOTNESS: source interval cpu observe;
    HostHistory, HISTORY: enabled keep max_size;
    HostBudgets, BUDGETS: reclaim_cpu swap_out swap_reserve watermark_distance direct_reclaim;
    HostHoldout, HOLDOUT: share seed;
    HostBalancer, BALANCER: watermark low scan_interval min_age rate write_budget;
    HostWatermarks, WATERMARKS: adapt max_scale_factor available_loss protection;
    HostTreatments, TREATMENTS: compaction dying_cgroups ksm thp_defrag page_cluster;
}
