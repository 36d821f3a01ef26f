//! Does a configuration suit this host? For `lowtide check --environment`; writes nothing.

use std::{fmt, path::Path, time::Duration};

use lowtide_cgroup::Cgroup;
use lowtide_controllers::Reach;
use lowtide_core::{
    Bytes, CgroupObservation, LeftOut, Limit, Mode, Policy, TierRules,
    confine::{Own, confine},
    escape::escaped_lines,
    left_out::Kind,
    watermarks,
};
use lowtide_kernfs::{Files, Root};
use lowtide_observe::{Observer, Sight};
use lowtide_policy::{Config, PolicySet};
use lowtide_psi::Resource;

use crate::{turn::patience, whole_host};

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

/// Why the host could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The directory that holds the kernel's files.
    #[error(transparent)]
    Root(#[from] lowtide_kernfs::Error),
    /// The cgroup hierarchy.
    #[error(transparent)]
    Cgroups(#[from] lowtide_cgroup::Error),
}

/// Looks at the host with the configuration's eyes.
pub fn environment(root: &Path, config: &Config) -> Result<Vec<Finding>, EnvironmentError> {
    let root = Root::open(root)?;
    let lacking = lowtide_doctor::lacking(&root);
    if !lacking.is_empty() {
        return Ok(lacking.into_iter().map(Finding::Error).collect());
    }
    let mut observer = Observer::new(root.clone())?;
    let mut sight = observer.look(&config.policies, Duration::ZERO, Duration::MAX)?;
    sight.seen.host.ways = lowtide_controllers::ways(&root, config, &sight.seen.host.tiers);
    let mut findings = vec![swap(&sight.seen.host, config)];
    for (index, policy) in config.policies.policies().iter().enumerate() {
        let targets = sight.seen.cgroups.iter().filter(|cgroup| cgroup.policy == index).count();
        findings.push(match targets {
            0 => Finding::Warning(format!("policy {}: matches no cgroup at the moment", policy.name)),
            _ => Finding::Good(format!("policy {}: {targets} targets at the moment", policy.name)),
        });
        findings.extend(tiers_of(policy, &sight));
    }
    if config.policies.of_whole_host().is_some() {
        findings.extend(whole_host::not_left_out(&root, observer.mount())?.into_iter().map(Finding::Warning));
    }
    findings.extend(left_out(&sight.left_out));
    findings.extend(pressure(&root, &sight, &config.policies));
    findings.extend(page_cache_alone(&root, &sight, &config.policies));
    findings.extend(impossible_tiers(root.path(), config));
    findings.extend(config.watermarks.as_ref().map(|settings| watermarks(&root, settings)));
    findings.extend(lowtide_controllers::lacking(&root, config.treatments).into_iter().map(Finding::Error));
    Ok(findings)
}

/// Those that are named, and how many more there are.
fn left_out(left_out: &LeftOut) -> Vec<Finding> {
    let named = left_out.named().iter();
    let named = named.map(|omission| format!("left out, {}: {}", omission.kind.name(), omission.why));
    let more = Kind::ALL.into_iter().filter_map(|kind| {
        let (count, named) = (left_out.count(kind), left_out.in_turns(kind).len() as u64);
        let more = count.checked_sub(named).filter(|more| *more > 0)?;
        Some(format!("left out, {}: {more} more, {count} in all", kind.name()))
    });
    named.chain(more).map(Finding::Warning).collect()
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

/// What the bounds of the watermarks come to here.
fn watermarks(root: &Root, settings: &watermarks::Settings) -> Finding {
    match Reach::of(root, settings) {
        Err(problem) => Finding::Error(format!("watermarks: they cannot be adapted here: {problem}")),
        Ok(Reach { factor, limit, .. }) if limit <= factor => Finding::Warning(format!(
            "watermarks: vm.watermark_scale_factor is {factor}, and `max_scale_factor` and `available_loss` allow no more"
        )),
        Ok(Reach { factor, limit, loss }) => Finding::Good(format!(
            "watermarks: vm.watermark_scale_factor is {factor} and may be raised to {limit}, which costs MemAvailable {loss} at most"
        )),
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

/// What a policy promises that this host cannot keep, for the log of a daemon that starts all the same.
pub(crate) fn broken_promises(root: &Root, config: &Config) -> Vec<String> {
    // The loop waits for it.
    let look = |mut observer: Observer| observer.look(&config.policies, Duration::ZERO, patience(config));
    let sight = match Observer::new(root.clone()).and_then(look) {
        Ok(sight) => sight,
        Err(error) => {
            return vec![format!(
                "whether this host can keep what policies promise could not be told: {error}"
            )];
        }
    };
    let found = [pressure(root, &sight, &config.policies), page_cache_alone(root, &sight, &config.policies)];
    let told = |finding| match finding {
        Finding::Error(text) => Some(text),
        Finding::Good(_) | Finding::Warning(_) => None,
    };
    found.into_iter().flatten().filter_map(told).collect()
}

/// An SLO is a bound on pressure: where nothing is measured it is no bound.
fn pressure(root: &Root, sight: &Sight, policies: &PolicySet) -> Option<Finding> {
    let acts =
        |index: usize| policies.policies().get(index).is_some_and(|policy| policy.mode != Mode::Observe);
    let without = || sight.seen.cgroups.iter().filter(|cgroup| cgroup.memory_pressure.is_none());
    let acting = without().filter(|cgroup| acts(cgroup.policy)).count();
    let host = root.exists(Resource::Memory.host_file()) == Ok(true);
    let any_acts = policies.policies().iter().any(|policy| policy.mode != Mode::Observe);
    if !host && any_acts {
        return Some(Finding::Error(
            "no /proc/pressure/memory: no `slo` on pressure can be kept; boot with psi=1".to_owned(),
        ));
    }
    let told = |count: usize| {
        format!(
            "{count} targets have no memory.pressure, so their `slo` on pressure cannot be kept: boot with psi=1, or write 1 to \
             their cgroup.pressure; until then only refaults say when to stop"
        )
    };
    match (acting, without().count()) {
        (0, 0) => None,
        (0, observed) => Some(Finding::Warning(told(observed))),
        (acting, _) => Some(Finding::Error(told(acting))),
    }
}

/// `memory.reclaim` takes `swappiness=` from 6.12 on. Before, page cache alone can be asked for only where
/// nothing could be swapped.
fn page_cache_alone(root: &Root, sight: &Sight, policies: &PolicySet) -> Option<Finding> {
    sight.seen.host.swap()?;
    let told = root.read("proc/sys/kernel/osrelease");
    let release = told.as_ref().map_or("", |release| release.trim());
    let Some(version) = version(release) else {
        let why = told.as_ref().err().map_or_else(|| format!("it says `{release}`"), ToString::to_string);
        let is_file = policies.policies().iter().any(|policy| policy.mode == Mode::File);
        return is_file.then(|| {
            Finding::Warning(format!(
                "whether this kernel can be asked for page cache alone, as `mode: file` wants it, cannot be told by \
                 /proc/sys/kernel/osrelease: {why}"
            ))
        });
    };
    if version >= (6, 12) {
        return None;
    }
    let can_swap = |index: usize| {
        let of_policy = || sight.seen.cgroups.iter().filter(move |cgroup| cgroup.policy == index);
        of_policy().next().is_none() || of_policy().any(|cgroup| !swaps_nothing(cgroup))
    };
    let mut named = policies.policies().iter().enumerate();
    let (_, policy) = named.find(|(index, policy)| policy.mode == Mode::File && can_swap(*index))?;
    Some(Finding::Error(format!(
        "policy {}: `mode: file` does nothing here (file_only_unsupported): {release} cannot be asked for page cache alone, and there \
         is swap; take Linux 6.12 or later, or `mode: full`",
        policy.name
    )))
}

fn swaps_nothing(cgroup: &CgroupObservation) -> bool {
    cgroup.memory.swap_max.is_some_and(|limit| limit.bytes().is_zero())
}

/// The first two numbers of `uname -r`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// What `lowtide tiers apply`, or the daemon, cannot do here.
fn impossible_tiers(root: &Path, config: &Config) -> Vec<Finding> {
    match lowtide_setup::plan(root, config) {
        Ok(plan) => {
            plan.impossible().map(|(action, why)| Finding::Error(format!("{action}: {why}"))).collect()
        }
        Err(error) => vec![Finding::Warning(format!("what `tiers` asks for cannot be looked at: {error}"))],
    }
}

#[cfg(test)]
#[path = "environment_tests.rs"]
mod tests;
