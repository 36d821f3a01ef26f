//! What of the host the tiers of a policy, and memory that does not compress, depend on.

use lowtide_core::{Tier, TierRules, confine::Ways};
use lowtide_kernfs::{Error, Root};
use lowtide_policy::Config;
use lowtide_tiers::Zswap;

/// What the host has beside its swap devices; zswap's switch is not looked at if no policy has tiers.
pub(crate) fn ways(root: &Root, config: &Config, tiers: &[Tier]) -> Result<Ways, Error> {
    let zram_sinks = config.balancer.is_some() && tiers.iter().any(|tier| tier.above.is_some());
    let any = config.policies.policies().iter().all(|policy| policy.tiers == TierRules::Any);
    let zswap = !any && Zswap::read(root)?.is_some_and(|zswap| zswap.enabled);
    Ok(Ways { zswap, zram_sinks })
}
