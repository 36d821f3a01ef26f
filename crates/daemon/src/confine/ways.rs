//! What of the host the tiers of a policy depend on.

use lowtide_core::{Tier, TierKind, TierRules, confine::Ways};
use lowtide_kernfs::{Error, Root};
use lowtide_policy::Config;
use lowtide_tiers::{Backing, Zswap};

/// What the host has beside its swap devices; nothing is looked at if no policy has tiers.
pub(crate) fn ways(root: &Root, config: &Config, tiers: &[Tier]) -> Result<Ways, Error> {
    if config.policies.policies().iter().all(|policy| policy.tiers == TierRules::Any) {
        return Ok(Ways::default());
    }
    let mut zram_sinks = false;
    for tier in tiers.iter().filter(|tier| tier.kind == TierKind::Zram && config.balancer.is_some()) {
        let name = tier.device.rsplit('/').next().unwrap_or_default();
        zram_sinks |= Backing::read(root, name)?.is_some();
    }
    Ok(Ways { zswap: Zswap::read(root)?.is_some_and(|zswap| zswap.enabled), zram_sinks })
}
