//! All of a host at once.

use std::path::Path;

use lowtide_policy::Config;

use crate::{Corpus, Driver, Parser, tree::tree};

pub(super) const PARSERS: &[Parser] = &[
    Parser { name: "doctor/host", start: |corpus| doctor(corpus) },
    Parser {
        name: "setup/plan",
        start: |corpus| {
            tree(corpus, HOST, |root| {
                let config =
                    Config { state_dir: Path::new("/nowhere/at/all").to_owned(), ..Config::default() };
                lowtide_setup::plan(root.path(), &config).is_ok()
            })
        },
    },
];

const HOST: &[(&str, &[&str])] = &[
    ("proc/self/mountinfo", &[]),
    ("proc/cmdline", &["BOOT_IMAGE=/vmlinuz cgroup_disable=memory psi=1\n"]),
    ("proc/meminfo", &[]),
    ("proc/swaps", &[]),
    ("proc/sys/kernel/osrelease", &["6.12.57+deb13-amd64\n"]),
    ("boot/config-6.12.57+deb13-amd64", &["CONFIG_PSI=y\n# CONFIG_DAMON is not set\nCONFIG_ZRAM=m\n"]),
    ("sys/fs/cgroup/cgroup.controllers", &[]),
    ("sys/fs/cgroup/cgroup.subtree_control", &["memory io\n"]),
    ("sys/fs/cgroup/web/cgroup.controllers", &[]),
    ("sys/fs/cgroup/web/memory.stat", &[]),
    ("sys/kernel/mm/lru_gen/enabled", &[]),
    ("sys/block/zram0/initstate", &["1\n"]),
    ("sys/block/zram0/mm_stat", &["16384 5000 8192 0 8192 0 0 1 1\n"]),
    ("sys/module/zswap/parameters/enabled", &["Y\n"]),
];

fn doctor(corpus: &Corpus) -> anyhow::Result<Driver> {
    tree(corpus, HOST, |root| {
        let report = lowtide_doctor::examine(root.path(), None);
        report.is_ok_and(|report| !report.to_string().is_empty())
    })
}
