//! What of the host the tiers of a policy, and memory that does not compress, depend on.

use lowtide_core::{Tier, TierRules, confinement::Ways};
use lowtide_kernfs::Root;
use lowtide_policy::Config;
use lowtide_tiers::Zswap;

/// What the host has beside its swap devices; zswap's switch is not looked at if no policy has tiers.
///
/// A switch that cannot be read, which [`lowtide_tiers::read`] tells, counts as off: what may be in zswap
/// alone is not swapped out then.
#[must_use]
pub fn ways(root: &Root, config: &Config, tiers: &[Tier]) -> Ways {
    let zram_sinks = config.balancer.is_some() && tiers.iter().any(|tier| tier.above.is_some());
    let any = config.policies.policies().iter().all(|policy| policy.tiers == TierRules::Any);
    let is_on = || matches!(Zswap::read(root), Ok(Some(zswap)) if zswap.enabled);
    Ways { zswap: !any && is_on(), zram_sinks }
}
