use std::time::Duration;

use lowtide_core::{Bytes, Ratio};

use super::Keyword;

/// `quotas`: how much a scheme may do. All zeros and no goals, the default, is no limit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quota {
    /// `ms`: time to spend in each reset interval.
    pub time: Duration,
    /// `bytes`: memory to apply the action to in each reset interval.
    pub bytes: Bytes,
    /// `reset_interval_ms`.
    pub reset_interval: Duration,
    /// Which regions go first.
    pub weights: Weights,
    /// What the kernel tunes the quota for (6.8 and later).
    pub goals: Vec<Goal>,
    /// How it does (by 7.3).
    pub tuner: GoalTuner,
    /// `fail_charge_num`/`fail_charge_denom` (by 7.3): what is charged for a byte that the action failed on.
    /// With a denominator of zero, the default, as much as for one that it succeeded on.
    pub fail_charge: (u32, u32),
}

/// `weights`: what makes a region go first, relative to each other.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Weights {
    /// `sz_permil`.
    pub size: Ratio,
    /// `nr_accesses_permil`.
    pub accesses: Ratio,
    /// `age_permil`.
    pub age: Ratio,
}

/// A goal of a quota: more is allowed while the value is below its target.
#[derive(Debug, Clone, PartialEq)]
pub enum Goal {
    /// `user_input` (6.8 and later): a value that the caller reports, with
    /// [`Owned::commit_quota_goals`](crate::Owned::commit_quota_goals).
    UserInput {
        /// What it should be.
        target: u64,
        /// What it is.
        current: u64,
    },
    /// `some_mem_psi_us` (6.9 and later): stall time of the host's memory in a reset interval of the quota.
    MemoryPressure {
        /// What it should be.
        target: Duration,
    },
    /// `node_mem_used_bp` (6.16 and later): the used share of a node.
    NodeUsed {
        /// The node.
        node: u32,
        /// What it should be.
        target: Ratio,
    },
    /// `node_mem_free_bp` (6.16 and later): the free share of a node.
    NodeFree {
        /// The node.
        node: u32,
        /// What it should be.
        target: Ratio,
    },
    /// `node_memcg_used_bp` (6.19 and later): the share of a node that a memory cgroup uses.
    NodeMemcgUsed {
        /// The node.
        node: u32,
        /// The cgroup, as in [`FilterKind::Memcg`](super::FilterKind::Memcg).
        memcg: String,
        /// What it should be.
        target: Ratio,
    },
    /// `node_memcg_free_bp` (6.19 and later): the share of a node that a memory cgroup does not use.
    NodeMemcgFree {
        /// The node.
        node: u32,
        /// The cgroup.
        memcg: String,
        /// What it should be.
        target: Ratio,
    },
    /// `active_mem_bp` (7.0 and later): active pages, of active and inactive ones.
    Active {
        /// What it should be.
        target: Ratio,
    },
    /// `inactive_mem_bp` (7.0 and later): inactive pages, of active and inactive ones.
    Inactive {
        /// What it should be.
        target: Ratio,
    },
    /// `node_eligible_mem_bp` (by 7.3; physical addresses only): the share of the memory with the scheme's
    /// access pattern that is on a node.
    NodeEligible {
        /// The node.
        node: u32,
        /// What it should be.
        target: Ratio,
    },
}

impl Goal {
    pub(crate) const KEYWORDS: [&'static str; 9] = [
        "user_input",
        "some_mem_psi_us",
        "node_mem_used_bp",
        "node_mem_free_bp",
        "node_memcg_used_bp",
        "node_memcg_free_bp",
        "active_mem_bp",
        "inactive_mem_bp",
        "node_eligible_mem_bp",
    ];

    pub(crate) fn memcg(&self) -> Option<&str> {
        match self {
            Self::NodeMemcgUsed { memcg, .. } | Self::NodeMemcgFree { memcg, .. } => Some(memcg),
            _ => None,
        }
    }

    pub(crate) const fn node(&self) -> Option<u32> {
        match self {
            Self::NodeUsed { node, .. }
            | Self::NodeFree { node, .. }
            | Self::NodeMemcgUsed { node, .. }
            | Self::NodeMemcgFree { node, .. }
            | Self::NodeEligible { node, .. } => Some(*node),
            _ => None,
        }
    }
}

impl Keyword for Goal {
    fn keyword(&self) -> &'static str {
        match self {
            Self::UserInput { .. } => "user_input",
            Self::MemoryPressure { .. } => "some_mem_psi_us",
            Self::NodeUsed { .. } => "node_mem_used_bp",
            Self::NodeFree { .. } => "node_mem_free_bp",
            Self::NodeMemcgUsed { .. } => "node_memcg_used_bp",
            Self::NodeMemcgFree { .. } => "node_memcg_free_bp",
            Self::Active { .. } => "active_mem_bp",
            Self::Inactive { .. } => "inactive_mem_bp",
            Self::NodeEligible { .. } => "node_eligible_mem_bp",
        }
    }
}

/// `goal_tuner`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GoalTuner {
    /// `consist`: keeps the quota that reaches the goal.
    #[default]
    Consistent,
    /// `temporal`: nothing once the goal is reached, all that is possible until then.
    Temporal,
}

impl GoalTuner {
    pub(crate) const KEYWORDS: [&'static str; 2] = ["consist", "temporal"];
}

impl Keyword for GoalTuner {
    fn keyword(&self) -> &'static str {
        match self {
            Self::Consistent => "consist",
            Self::Temporal => "temporal",
        }
    }
}
