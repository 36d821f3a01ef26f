//! Does a configuration suit this host? For `lowtide check --environment`; writes nothing.

use std::{fmt, path::Path, time::Duration};

use lowtide_cgroup::Cgroup;
use lowtide_core::{
    Bytes, Limit, Mode, Policy, TierRules,
    confine::{Own, confine},
    escape::escaped_lines,
};
use lowtide_kernfs::{Files, Root};
use lowtide_policy::Config;

use crate::{
    confine,
    observer::{Observer, Sight},
    run::RunError,
    setup,
};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Good(String),
    /// Works, but not as the operator may expect.
    Warning(String),
    /// The configuration cannot do its work here.
    Error(String),
}

impl Finding {
    /// Whether the configuration cannot do its work here.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, text) = match self {
            Self::Good(text) => ("ok", text),
            Self::Warning(text) => ("warning", text),
            Self::Error(text) => ("error", text),
        };
        write!(f, "{kind}: {}", escaped_lines(text))
    }
}

/// Looks at the host with the configuration's eyes.
pub fn environment(root: &Path, config: &Config) -> Result<Vec<Finding>, RunError> {
    let root = Root::open(root)?;
    let mut sight = Observer::new(root.clone())?.look(&config.policies, Duration::ZERO)?;
    sight.seen.host.ways = confine::ways(&root, config, &sight.seen.host.tiers);
    let mut findings = vec![swap(&sight.seen.host, config)];
    for (index, policy) in config.policies.policies().iter().enumerate() {
        let targets = sight.seen.cgroups.iter().filter(|cgroup| cgroup.policy == index).count();
        findings.push(match targets {
            0 => Finding::Warning(format!("policy {}: matches no cgroup at the moment", policy.name)),
            _ => Finding::Good(format!("policy {}: {targets} targets at the moment", policy.name)),
        });
        findings.extend(tiers_of(policy, &sight));
    }
    let without_pressure =
        sight.seen.cgroups.iter().filter(|cgroup| cgroup.memory_pressure.is_none()).count();
    if without_pressure > 0 {
        findings.push(Finding::Warning(format!(
            "{without_pressure} targets have no memory.pressure: boot with psi=1, or write 1 to their \
             cgroup.pressure; until then only refaults say when to stop"
        )));
    }
    findings.extend(
        sight.left_out.named().iter().map(|omission| {
            Finding::Warning(format!("left out, {}: {}", omission.kind.name(), omission.why))
        }),
    );
    findings.extend(reclaim(&sight));
    findings.extend(impossible_tiers(root.path(), config));
    Ok(findings)
}

fn swap(host: &lowtide_core::HostObservation, config: &Config) -> Finding {
    let wants_swap = config.policies.policies().iter().any(|policy| policy.mode == Mode::Full);
    match host.swap() {
        Some(room) => Finding::Good(format!("swap: {} free of {}", room.free, room.total)),
        None if wants_swap => Finding::Warning(
            "no swap: policies with `mode: full` can offload page cache only; add zram or a swap device"
                .to_owned(),
        ),
        None => Finding::Good("no swap, and no policy needs it".to_owned()),
    }
}

/// What the tiers of a policy come to here. What targets' knobs hold is left out: a daemon may have set them.
fn tiers_of(policy: &Policy, sight: &Sight) -> Option<Finding> {
    if policy.tiers == TierRules::Any {
        return None;
    }
    let has_writeback = |cgroup: &Cgroup| cgroup.dir().exists("memory.zswap.writeback") != Ok(false);
    let writeback = sight.handles.values().next().is_none_or(has_writeback).then_some(true);
    let own = Own { footprint: Bytes::MAX, zswap_max: Limit::Max, writeback };
    let told = confine(&policy.tiers, &sight.seen.host, &own);
    let name = &policy.name;
    Some(match told.swap {
        None => Finding::Good(format!("policy {name}: its tiers can be kept to as they are")),
        Some(bound) if bound.limit.is_zero() => Finding::Warning(format!(
            "policy {name}: {}; anonymous memory stays in DRAM",
            bound.why.sentence()
        )),
        Some(bound) => Finding::Good(format!("policy {name}: {}", bound.why.sentence())),
    })
}

fn reclaim(sight: &Sight) -> Option<Finding> {
    let lacking = sight.handles.values().find(|cgroup| cgroup.dir().exists("memory.reclaim") == Ok(false))?;
    Some(Finding::Error(format!("{}: no memory.reclaim: lowtide needs Linux 5.19 or later", lacking.path())))
}

/// What `lowtide tiers apply`, or the daemon, cannot do here.
fn impossible_tiers(root: &Path, config: &Config) -> Vec<Finding> {
    match setup::plan(root, config) {
        Ok(plan) => {
            plan.impossible().map(|(action, why)| Finding::Error(format!("{action}: {why}"))).collect()
        }
        Err(error) => vec![Finding::Warning(format!("what `tiers` asks for cannot be looked at: {error}"))],
    }
}
