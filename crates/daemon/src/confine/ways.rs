//! What of the host the tiers of a policy depend on.

use lowtide_core::{Tier, TierRules, confine::Ways};
use lowtide_kernfs::{Error, Root};
use lowtide_policy::Config;
use lowtide_tiers::Zswap;

/// What the host has beside its swap devices; nothing is looked at if no policy has tiers.
pub(crate) fn ways(root: &Root, config: &Config, tiers: &[Tier]) -> Result<Ways, Error> {
    if config.policies.policies().iter().all(|policy| policy.tiers == TierRules::Any) {
        return Ok(Ways::default());
    }
    let zram_sinks = config.balancer.is_some() && tiers.iter().any(|tier| tier.above.is_some());
    Ok(Ways { zswap: Zswap::read(root)?.is_some_and(|zswap| zswap.enabled), zram_sinks })
}
