//! Policies, as a file says them.

use lowtide_core::{Limits, Policy as Checked, Slo};
use schemars::JsonSchema;

use super::{maps, time};
use crate::{
    leaf::{self, ModeName, TierName},
    read::{At, Fields, Read, Reader},
    section,
    yaml::{Node, Value},
};

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
    /// Memory touched within this time is never a candidate. Without a source of idle ages, a cgroup is left
    /// alone until it has been watched for so long.
    #[schemars(extend("default" = time(Checked::observe("").cold_after)))]
    pub cold_after: Option<At<leaf::ColdAfter>>,
    /// Which tiers the memory may go to. A tier that is not in the list is forbidden; without the key all are
    /// allowed.
    #[schemars(length(min = 1))]
    pub tiers: Option<Vec<At<TierRule>>>,
    /// Whether lowtide may swap out a pod's container that has tmpfs or shared memory, where it may get to a
    /// disk. The kernel cannot swap the one and keep the other. Not unless given.
    #[schemars(extend("default" = Checked::observe("").tmpfs_to_disk))]
    pub tmpfs_to_disk: Option<bool>,
    /// How much may go, and how fast.
    pub limits: Option<PolicyLimits>,
    /// Where reports draw the line between hot, warm and cold memory. Nothing is decided from it.
    pub lines: Option<PolicyLines>,
    /// Which Kubernetes namespaces: globs over their names. The policy is for containers of pods in one of
    /// them alone, and goes before every policy without the key. For all cgroups that `match` names unless
    /// given.
    #[schemars(length(min = 1))]
    pub namespaces: Option<Vec<At<leaf::InNamespaces>>>,
    /// What a cgroup that the policy names may choose instead, with the extended attribute
    /// `user.lowtide_policy` of its directory or the annotation `lowtide.io/policy` of its pod: other
    /// policies by their names, and `off`, to be left alone. Nothing unless given.
    pub may_choose: Option<Vec<At<leaf::Name>>>,
}

/// A tier that is allowed.
#[derive(Debug, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct TierRule {
    /// Which tier.
    #[schemars(rename = "use", required, with = "TierName")]
    pub tier: Option<lowtide_core::TierKind>,
    /// Idle age from which on memory may go there. Placement finds it unless given.
    pub after: Option<leaf::After>,
    /// How much of a cgroup it may hold: uncompressed, but for zswap compressed. As much as there is room
    /// unless given.
    pub at_most: Option<leaf::Most>,
}

/// Harm that is accepted.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct PolicySlo {
    /// Share of time in which some task of the cgroup stalls on memory: PSI memory some, or what its swap-ins
    /// cost, if that is more.
    #[schemars(extend("default" = Slo::default().memory_pressure.to_string()))]
    pub memory_pressure: Option<leaf::Pressure>,
    /// Share of time in which some task of the cgroup stalls on I/O: PSI io some beyond what it was before
    /// lowtide acted, or what reading page cache again costs, if that is more.
    #[schemars(extend("default" = Slo::default().io_pressure.to_string()))]
    pub io_pressure: Option<leaf::Pressure>,
    /// By how much the cgroup's own work may take longer for what comes back: the stall of that, over the
    /// processor time of its tasks, of the last ten minutes or so. Fifteen times `memory_pressure` unless
    /// given. The nearer it is, the longer has memory to be idle before it leaves.
    #[schemars(extend("default" = Slo::default().slowdown.to_string()))]
    pub slowdown: Option<leaf::Slowdown>,
    /// A bound on traffic as well: what is faulted back per minute, as a share of the working set (of the
    /// memory younger than `cold_after`, at least `limits.floor`; without idle ages, of the cgroup's memory
    /// in DRAM). Not set, what comes back counts by the stall that it costs.
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

/// Where reports draw the line between hot, warm and cold memory: an age, or the share of the memory in DRAM
/// that is younger than the line. Ages ascend, and so do shares.
#[derive(Debug, Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct PolicyLines {
    /// Memory younger than this is in use. Half of `cold_after` unless given.
    pub hot: Option<At<leaf::LineAt>>,
    /// Memory younger than this may be wanted again soon. `cold_after` unless given.
    pub warm: Option<At<leaf::LineAt>>,
    /// Memory older than this is not expected back. Ten times `cold_after` unless given.
    pub cold: Option<At<leaf::LineAt>>,
}

/// A file in `policies.d`.
#[derive(Debug, Default)]
pub(crate) struct PolicyFile {
    pub policies: Option<Vec<At<Policy>>>,
}

maps! {
    PolicySlo, SLO: memory_pressure io_pressure slowdown promotion_rate;
    PolicyLimits, LIMITS: floor per_minute;
    PolicyLines, LINES: hot warm cold;
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
                tiers: tiers(&fields, reader),
                tmpfs_to_disk: reader.field(&fields, "tmpfs_to_disk"),
                limits: reader.field(&fields, "limits"),
                lines: reader.field(&fields, "lines"),
                namespaces: namespaces(&fields, reader),
                may_choose: reader.field(&fields, "may_choose"),
            })
        })
    }
}

impl Read for TierRule {
    fn allowed() -> String {
        section::TIER_RULE.map()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.fields(node, &section::TIER_RULE)?;
        Some(Self {
            tier: reader.required(&fields, "use", node, &section::TIER_RULE),
            after: reader.field(&fields, "after"),
            at_most: reader.field(&fields, "at_most"),
        })
    }
}

fn tiers(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Vec<At<TierRule>>> {
    if let Some(Node { value: Value::List(items), span }) = fields.value("tiers")
        && items.is_empty()
    {
        let help = "for page cache alone use `mode: file`; remove the key to allow every tier";
        reader.problem(span.clone(), "`tiers` is empty: every tier would be forbidden", help);
    }
    reader.field(fields, "tiers")
}

fn namespaces(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Vec<At<leaf::InNamespaces>>> {
    if let Some(Node { value: Value::List(items), span }) = fields.value("namespaces")
        && items.is_empty()
    {
        let help = "list at least one, as in: namespaces: [shop, \"team-*\"]; remove the key for all of them";
        reader.problem(span.clone(), "`namespaces` is empty: the policy would be for no cgroup", help);
    }
    reader.field(fields, "namespaces")
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
