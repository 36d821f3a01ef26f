//! The kernel files that a record may name. Whatever is written into a record, `lowtide restore` writes
//! nothing else as root.

use std::path::{Component, Path};

/// Files of the host that lowtide writes, from the root directory; `*` stands for one name.
pub const OF_THE_HOST: &[&str] = &[
    "sys/module/zswap/parameters/compressor",
    "sys/module/zswap/parameters/max_pool_percent",
    "sys/module/zswap/parameters/shrinker_enabled",
    "sys/module/zswap/parameters/enabled",
    "sys/kernel/mm/numa/demotion_enabled",
    "proc/sys/kernel/numa_balancing",
    "proc/sys/kernel/numa_balancing_promote_rate_limit_MBps",
    "proc/sys/vm/watermark_scale_factor",
    "proc/sys/vm/page-cluster",
    "sys/kernel/mm/ksm/pages_to_scan",
    "sys/kernel/mm/ksm/advisor_mode",
    "sys/kernel/mm/ksm/run",
    "sys/kernel/mm/transparent_hugepage/defrag",
    "sys/block/*/writeback_limit",
    "sys/block/*/writeback_limit_enable",
];

/// Files of a cgroup that lowtide writes and puts back.
const OF_A_CGROUP: &[&str] = &["memory.swap.max", "memory.zswap.max", "memory.zswap.writeback"];

/// Whether lowtide writes such a file of the host.
#[must_use]
pub fn is_of_the_host(path: &Path) -> bool {
    OF_THE_HOST.iter().any(|pattern| matches(Path::new(pattern), path))
}

/// Whether lowtide writes such a file of a cgroup.
#[must_use]
pub fn is_of_a_cgroup(path: &Path) -> bool {
    let is_plain = |part: Component| matches!(part, Component::Normal(_) | Component::RootDir);
    path.components().all(is_plain) && OF_A_CGROUP.iter().any(|name| path.file_name() == Some(name.as_ref()))
}

fn matches(pattern: &Path, path: &Path) -> bool {
    let names = |path: &Path| path.components().filter(|part| *part != Component::RootDir).count();
    let parts = path.components().filter(|part| *part != Component::RootDir);
    let mut pairs = pattern.components().zip(parts);
    names(pattern) == names(path)
        && pairs.all(|(pattern, part)| match (pattern, part) {
            (Component::Normal(pattern), Component::Normal(part)) => pattern == "*" || pattern == part,
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_else_is_written() {
        for path in ["sys/block/zram0/writeback_limit", "/sys/module/zswap/parameters/enabled"] {
            assert!(is_of_the_host(Path::new(path)), "{path}");
        }
        let others = [
            "etc/passwd",
            "proc/sys/kernel/core_pattern",
            "proc/sys/vm/overcommit_memory",
            "sys/block/../writeback_limit",
            "sys/block/a/b/writeback_limit",
            "sys/block/zram0/reset",
            "sys/module/zswap/parameters",
            "sys/module/zswap/parameters/../../../etc/passwd",
            "",
        ];
        for path in others {
            assert!(!is_of_the_host(Path::new(path)), "{path}");
            assert!(!is_of_a_cgroup(Path::new(path)), "{path}");
        }
        assert!(is_of_a_cgroup(Path::new("sys/fs/cgroup/a/memory.swap.max")));
        for path in ["sys/fs/cgroup/a/../../etc/memory.swap.max", "sys/fs/cgroup/a/cgroup.procs"] {
            assert!(!is_of_a_cgroup(Path::new(path)), "{path}");
        }
    }
}
