//! What a file says, before defaults: one type per map of the YAML. The doc comments here are the descriptions in the
//! JSON Schema, so they are written for operators.

use lowtide_core::{Budgets, Limits, Policy as Checked, Slo};
use schemars::JsonSchema;

use crate::{
    Config,
    leaf::{self, ModeName},
    read::{At, Fields, Read, Reader},
    section,
    yaml::{Node, Value},
};

/// A default as an operator writes it.
fn time(time: std::time::Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// The configuration of lowtide: the host's settings in lowtide.yaml, policies there and in policies.d/*.yaml.
#[derive(Debug, Default, JsonSchema)]
#[schemars(title = "lowtide configuration", deny_unknown_fields)]
pub(crate) struct Host {
    /// Time between two looks at the cgroups. Short finds trouble sooner, long costs less CPU.
    #[schemars(extend("default" = time(Config::default().interval)))]
    pub interval: Option<leaf::Interval>,
    /// Prometheus metrics.
    pub metrics: Option<Metrics>,
    /// Where `lowtide status` and `lowtide explain` reach the daemon.
    pub control: Option<Control>,
    /// Directory of the journal of changed knobs, and of the lock that keeps a second daemon away.
    #[schemars(extend("default" = Config::default().state_dir))]
    pub state_dir: Option<leaf::Directory>,
    /// Limits that hold for the host, whatever a policy says.
    pub budgets: Option<HostBudgets>,
    /// Knobs of the host's memory tiers that lowtide sets, and puts back. What is left out is not touched.
    pub tiers: Option<Tiers>,
    /// What the cgroups are held to. The most specific matching pattern decides, then the later one.
    pub policies: Option<Vec<At<Policy>>>,
}

/// Prometheus metrics.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Metrics {
    /// Address and port of the HTTP listener. There is no listener unless this is given.
    pub listen: Option<leaf::Listen>,
}

/// The control socket.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Control {
    /// Path of the Unix socket.
    #[schemars(extend("default" = Config::default().control_socket))]
    pub socket: Option<leaf::Socket>,
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
    /// Free memory above the low watermarks, as a share of the host's memory, below which no anonymous memory is
    /// offloaded.
    #[schemars(extend("default" = Budgets::default().watermark_distance.to_string()))]
    pub watermark_distance: Option<leaf::Reserve>,
    /// Direct reclaim of the whole host above which lowtide only watches.
    #[schemars(extend("default" = Budgets::default().direct_reclaim.to_string()))]
    pub direct_reclaim: Option<leaf::Rate>,
}

/// Tiers.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Tiers {
    /// Compressed RAM in front of the swap devices.
    pub zswap: Option<Zswap>,
    /// Whether reclaim may move pages to a slower NUMA node (CXL) before it swaps: numa/demotion_enabled. Not touched
    /// unless given.
    pub demotion: Option<bool>,
}

/// zswap.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Zswap {
    /// zswap's `enabled` parameter. Not touched unless given.
    pub enabled: Option<bool>,
}

/// One policy.
#[derive(Debug, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Policy {
    /// The name in logs, metrics and reports; no two policies have the same.
    #[schemars(with = "leaf::Name")]
    pub name: Option<At<leaf::Name>>,
    /// Which cgroups: globs over cgroup v2 paths. `*` stays within a name, `**` crosses slashes.
    #[schemars(rename = "match", with = "Vec<leaf::Match>", length(min = 1))]
    pub patterns: Vec<At<leaf::Match>>,
    /// How far lowtide may go.
    #[schemars(with = "Option<ModeName>", extend("default" = Checked::observe("").mode))]
    pub mode: Option<lowtide_core::Mode>,
    /// Harm that is accepted; reclaim slows down on the way there and stops when it is reached.
    pub slo: Option<PolicySlo>,
    /// Memory touched within this time is never a candidate. Without a source of idle ages, a cgroup is left alone
    /// until it has been watched for so long.
    #[schemars(extend("default" = time(Checked::observe("").cold_after)))]
    pub cold_after: Option<leaf::ColdAfter>,
    /// How much may go, and how fast.
    pub limits: Option<PolicyLimits>,
}

/// Harm that is accepted.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct PolicySlo {
    /// Share of time in which some task of the cgroup stalls on memory (PSI memory some).
    #[schemars(extend("default" = Slo::default().memory_pressure.to_string()))]
    pub memory_pressure: Option<leaf::Pressure>,
    /// Share of time in which some task of the cgroup stalls on I/O (PSI io some).
    #[schemars(extend("default" = Slo::default().io_pressure.to_string()))]
    pub io_pressure: Option<leaf::Pressure>,
    /// Share of the cgroup's memory that is faulted back per minute.
    #[schemars(extend("default" = format!("{}/min", Slo::default().promotion_rate)))]
    pub promotion_rate: Option<leaf::PromotionRate>,
}

/// How much may go, and how fast.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct PolicyLimits {
    /// Memory in DRAM at or below which the cgroup is left alone.
    #[schemars(extend("default" = Limits::default().floor.to_string()))]
    pub floor: Option<leaf::Size>,
    /// Share of the cgroup's memory, in DRAM and offloaded, that may leave DRAM in a minute.
    #[schemars(extend("default" = Limits::default().per_minute.to_string()))]
    pub per_minute: Option<leaf::PerMinute>,
}

/// A file in `policies.d`.
#[derive(Debug, Default)]
pub(crate) struct PolicyFile {
    pub policies: Option<Vec<At<Policy>>>,
}

/// `impl Read` where every key is optional and a field has the name of its key.
macro_rules! maps {
    ($($type:ident, $section:ident: $($field:ident)*;)*) => {$(
        impl Read for $type {
            fn allowed() -> String {
                section::$section.map()
            }

            fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
                let fields = reader.fields(node, &section::$section)?;
                Some(Self { $($field: reader.field(&fields, stringify!($field)),)* })
            }
        }
    )*};
}

maps! {
    Host, HOST: interval metrics control state_dir budgets tiers policies;
    Metrics, METRICS: listen;
    Control, CONTROL: socket;
    HostBudgets, BUDGETS: reclaim_cpu swap_out swap_reserve watermark_distance direct_reclaim;
    Tiers, TIERS: zswap demotion;
    Zswap, ZSWAP: enabled;
    PolicySlo, SLO: memory_pressure io_pressure promotion_rate;
    PolicyLimits, LIMITS: floor per_minute;
}

impl Read for PolicyFile {
    fn allowed() -> String {
        section::POLICY_FILE.map()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.fields(node, &section::POLICY_FILE)?;
        Some(Self { policies: reader.required(&fields, "policies", node, &section::POLICY_FILE) })
    }
}

impl Read for Policy {
    fn allowed() -> String {
        section::POLICY.map()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.fields(node, &section::POLICY)?;
        reader.apart(|reader| {
            Some(Self {
                name: reader.required(&fields, "name", node, &section::POLICY),
                patterns: patterns(&fields, node, reader),
                mode: reader.field(&fields, "mode"),
                slo: reader.field(&fields, "slo"),
                cold_after: reader.field(&fields, "cold_after"),
                limits: reader.field(&fields, "limits"),
            })
        })
    }
}

fn patterns(fields: &Fields<'_>, policy: &Node, reader: &mut Reader<'_>) -> Vec<At<leaf::Match>> {
    if let Some(Node { value: Value::List(items), span }) = fields.value("match")
        && items.is_empty()
    {
        let help = "list at least one, as in: match: [\"/web.slice/**\"]";
        reader.problem(span.clone(), "`match` is empty: the policy would be for no cgroup", help);
    }
    reader.required(fields, "match", policy, &section::POLICY).unwrap_or_default()
}
