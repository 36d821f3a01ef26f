//! Kernel settings that the configuration asks for.

use std::{path::Path, time::Duration};

use lowtide_core::{ByteRate, Bytes};
use lowtide_journal::knobs::Knob;
use lowtide_policy::HostTiers;

const ZSWAP: &str = "sys/module/zswap/parameters";
const DEMOTION_ENABLED: &str = "sys/kernel/mm/numa/demotion_enabled";
const NUMA_BALANCING: &str = "proc/sys/kernel/numa_balancing";
const PROMOTION_RATE: &str = "proc/sys/kernel/numa_balancing_promote_rate_limit_MBps";
/// NUMA_BALANCING_MEMORY_TIERING (include/linux/sched/sysctl.h, 5.18).
const MEMORY_TIERING: &str = "2";

/// The knobs that the configuration asks for, in the order in which they are written: zswap is told how to
/// work before it begins. None by default: a key that is left out is a file left alone.
#[must_use]
pub fn wanted(tiers: &HostTiers) -> Vec<Knob> {
    let zswap = &tiers.zswap;
    let parameter = |name: &str| Path::new(ZSWAP).join(name);
    let switch = |on: bool| if on { "Y" } else { "N" }.to_owned();
    let knobs = [
        (parameter("compressor"), zswap.compressor.as_deref().map(str::to_owned), "tiers.zswap.compressor"),
        (
            parameter("max_pool_percent"),
            zswap.max_pool_percent.map(|percent| percent.to_string()),
            "tiers.zswap.max_pool_percent",
        ),
        (parameter("shrinker_enabled"), zswap.shrinker.map(switch), "tiers.zswap.shrinker"),
        (parameter("enabled"), zswap.enabled.map(switch), "tiers.zswap.enabled"),
        (DEMOTION_ENABLED.into(), tiers.demotion.map(|on| u8::from(on).to_string()), "tiers.demotion"),
        (PROMOTION_RATE.into(), tiers.promotion.map(mib_per_second), "tiers.promotion.rate"),
        (NUMA_BALANCING.into(), tiers.promotion.map(|_| MEMORY_TIERING.to_owned()), "tiers.promotion"),
    ];
    knobs.into_iter().filter_map(|(path, value, key)| Some(Knob { path, value: value?, key })).collect()
}

/// The kernel's MBps are MiB (`rate_limit << (20 - PAGE_SHIFT)`, kernel/sched/fair.c), and none at all would
/// end promotion.
fn mib_per_second(rate: ByteRate) -> String {
    (rate.over(Duration::from_secs(1)).get() / Bytes::mib(1).get()).max(1).to_string()
}

#[cfg(test)]
mod tests {
    use lowtide_journal::restorable;
    use lowtide_policy::ZswapSetup;

    use super::*;

    /// `lowtide restore` puts nothing else back.
    #[test]
    fn all_of_it_can_be_restored() {
        let zswap = ZswapSetup {
            enabled: Some(true),
            compressor: Some("zstd".into()),
            max_pool_percent: Some(20),
            shrinker: Some(true),
        };
        let promotion = Some(ByteRate::per_second(Bytes::mib(1)));
        let all = wanted(&HostTiers { zswap, demotion: Some(true), promotion, ..HostTiers::default() });
        assert_eq!(all.len(), 7);
        for knob in all {
            assert!(restorable::is_of_the_host(&knob.path), "{}", knob.path.display());
        }
    }

    #[test]
    fn nothing_is_written_that_was_not_asked_for() {
        assert_eq!(wanted(&HostTiers::default()), []);
    }

    #[test]
    fn promotion_has_its_limit_before_it_is_switched_on() {
        let promotion = |rate| {
            let tiers = HostTiers { promotion: Some(ByteRate::per_second(rate)), ..HostTiers::default() };
            wanted(&tiers).into_iter().map(|knob| (knob.path, knob.value)).collect::<Vec<_>>()
        };
        let knobs =
            |rate: &str| [(PROMOTION_RATE.into(), rate.to_owned()), (NUMA_BALANCING.into(), "2".to_owned())];
        assert_eq!(promotion(Bytes::mib(64)), knobs("64"));
        assert_eq!(promotion(Bytes::kib(1)), knobs("1"));
    }
}
