use lowtide_kernfs::{Files, parse::keyed};

use crate::{
    finding::{Evidence, Feature, Finding, Group, Verdict},
    sight::Sight,
};

const fn feature(name: &'static str, used_for: &'static str, without: &'static str) -> Feature {
    Feature { group: Group::Cgroups, name, required: false, used_for, without }
}

const fn required(name: &'static str, used_for: &'static str) -> Feature {
    Feature { group: Group::Cgroups, name, required: true, used_for, without: "nothing works" }
}

const CGROUP2: Feature = required("cgroup2", "everything: tenants are its cgroups");
const CONTROLLER: Feature = required("memory_controller", "each cgroup's memory, its counters and limits");
const RECLAIM: Feature = required("memory_reclaim", "every request for a cgroup's cold memory");
const SWAPPINESS: Feature = feature(
    "reclaim_swappiness",
    "asking for page cache alone (`mode: file`, full swap, budgets), or for the type with more idle bytes",
    "`mode: file` acts only without swap; in `mode: full` the kernel chooses by vm.swappiness",
);
const SWAP_ACCOUNTING: Feature = feature(
    "swap_accounting",
    "what each cgroup has in swap: savings, and what a request brought",
    "offloaded bytes read 0",
);
const WORKINGSET: Feature = feature(
    "workingset_counters",
    "refaults: the promotion rate, and whether what was taken was really cold",
    "the part without a counter counts as never faulted back",
);
const ZSWPWB: Feature = feature(
    "zswap_writeback_counter",
    "taking zswap's own writeback off the anonymous refaults, which count it",
    "where zswap writes back, the promotion rate reads too high: too careful, not too bold",
);
const PSWPIN: Feature = feature(
    "swap_in_counter",
    "shown in `status --json`",
    "swap-ins from disk are in the anonymous refaults with those from zswap",
);

pub(crate) fn findings(sight: &Sight) -> Vec<Finding> {
    vec![
        cgroup2(sight),
        controller(sight),
        reclaim(sight),
        swappiness(sight),
        swap_accounting(sight),
        counters(
            sight,
            WORKINGSET,
            &["workingset_refault_anon", "workingset_activate_file"],
            "take a kernel with CONFIG_MEMCG=y",
        ),
        counters(sight, ZSWPWB, &["zswpwb"], "take Linux 6.8 or later with CONFIG_ZSWAP=y"),
        counters(sight, PSWPIN, &["pswpin"], "take Linux 6.14 or later with CONFIG_SWAP=y"),
    ]
}

fn cgroup2(sight: &Sight) -> Finding {
    let Some(mount) = &sight.mount else {
        let (said, enable) = match sight.mounted("cgroup") {
            Some(v1) => (
                format!("no cgroup2; cgroup v1 at {}", v1.point),
                "boot with systemd.unified_cgroup_hierarchy=1 (only cgroup v1 is mounted)",
            ),
            None => ("no cgroup2".to_owned(), "mount -t cgroup2 none /sys/fs/cgroup"),
        };
        return CGROUP2.finding(Verdict::No(enable.to_owned()), vec![Sight::mounts_say(said)]);
    };
    let place = sight.below_root(mount.path());
    CGROUP2.finding(Verdict::Yes, vec![Sight::mounts_say(format!("cgroup2 at /{}", place.display()))])
}

fn has_memory(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.split_ascii_whitespace().any(|word| word == "memory"))
}

fn controller(sight: &Sight) -> Finding {
    let there = sight.look(sight.cgroup_file("cgroup.controllers"));
    let given = sight.look(sight.cgroup_file("cgroup.subtree_control"));
    let mut evidence = vec![there.evidence()];
    if has_memory(there.text()) {
        evidence.push(given.evidence());
        let enable = || Verdict::Partly(format!("echo +memory > {}", given.evidence().file));
        let verdict = if has_memory(given.text()) { Verdict::Yes } else { enable() };
        return CONTROLLER.finding(verdict, evidence);
    }
    let v1 = |mounted: &&super::sight::Mounted| {
        mounted.kind == "cgroup" && mounted.options.split(',').any(|option| option == "memory")
    };
    let enable = if let Some(v1) = sight.mounts.iter().find(v1) {
        evidence.push(Sight::mounts_say(format!("memory is a controller of cgroup v1 at {}", v1.point)));
        "boot with systemd.unified_cgroup_hierarchy=1 (cgroup v1 has the memory controller)"
    } else if let Some(word) = sight.boot_word("cgroup_disable=", "memory") {
        evidence.push(word);
        "take `memory` off cgroup_disable= on the kernel's command line"
    } else {
        evidence.extend(sight.build.option("MEMCG").evidence());
        "boot with cgroup_enable=memory, or take a kernel with CONFIG_MEMCG=y"
    };
    CONTROLLER.finding(Verdict::No(enable.to_owned()), evidence)
}

fn reclaim(sight: &Sight) -> Finding {
    let file = sight.cgroup_file("memory.reclaim");
    let there = sight.mount.is_some() && sight.root.exists(&file).unwrap_or(false);
    let verdict = if there {
        Verdict::Yes
    } else {
        Verdict::No("take Linux 5.19 or later, with the memory controller in cgroup v2".to_owned())
    };
    RECLAIM.finding(verdict, vec![Evidence::new(file, if there { "there" } else { "not there" })])
}

/// There is no file that says it, and `0 swappiness=60` would be a write.
fn swappiness(sight: &Sight) -> Finding {
    const TRIED: &str = "a daemon tries it when a policy in `mode: file` or `full` has its first target; Linux 6.12 \
                         and later have it";
    let mut evidence = vec![Evidence::new(sight.cgroup_file("memory.reclaim"), "only a write would tell")];
    if let Some(running) = &sight.running {
        let said =
            if running.takes_swappiness { "taken, says the daemon" } else { "not taken, or not tried yet" };
        evidence.push(Evidence::new(&running.socket, said));
    }
    let taken = sight.running.as_ref().is_some_and(|running| running.takes_swappiness);
    let verdict = if taken { Verdict::Yes } else { Verdict::Unknown(TRIED.to_owned()) };
    SWAPPINESS.finding(verdict, evidence)
}

fn swap_accounting(sight: &Sight) -> Finding {
    let Some(below) = any_with_memory(sight) else {
        let enable = "ask again when there is a cgroup with the memory controller";
        let evidence = Evidence::new(sight.cgroup_file(""), "no cgroup below it has memory.current");
        return SWAP_ACCOUNTING.finding(Verdict::Unknown(enable.to_owned()), vec![evidence]);
    };
    let look = sight.look(sight.cgroup_file(&format!("{below}/memory.swap.current")));
    let mut evidence = vec![look.evidence()];
    if look.text().is_some() {
        return SWAP_ACCOUNTING.finding(Verdict::Yes, evidence);
    }
    evidence.extend(sight.boot_word("swapaccount=", ""));
    evidence.extend(sight.build.option("SWAP").evidence());
    let enable = "boot without swapaccount=0, or take a kernel with CONFIG_SWAP=y";
    SWAP_ACCOUNTING.finding(Verdict::No(enable.to_owned()), evidence)
}

/// So many of the first level are asked.
const ASKED: usize = 1024;

/// A cgroup below the root that has memory files: the root itself has no usage.
fn any_with_memory(sight: &Sight) -> Option<String> {
    let children = sight.mount.as_ref()?.root().ok()?.dir().entries_within(ASKED).ok()?.directories;
    let has = |name: &String| {
        sight.root.exists(sight.cgroup_file(&format!("{name}/memory.current"))).unwrap_or(false)
    };
    children.into_iter().find(has)
}

/// Lines of the root's memory.stat, which has the same ones as every cgroup's.
fn counters(sight: &Sight, feature: Feature, keys: &[&str], enable: &str) -> Finding {
    let look = sight.look(sight.cgroup_file("memory.stat"));
    let text = look.text().unwrap_or_default();
    let said: Vec<_> = keys.iter().map(|key| keyed(text).find(|line| line.key == *key)).collect();
    let shown = keys.iter().zip(&said).map(|(key, line)| match line {
        Some(line) => format!("{key} {}", line.value),
        None => format!("no {key}"),
    });
    let evidence = match look.text() {
        Some(_) => look.says(shown.collect::<Vec<_>>().join(", ")),
        None => look.evidence(),
    };
    let verdict = match said.iter().flatten().count() {
        count if count == keys.len() => Verdict::Yes,
        0 => Verdict::No(enable.to_owned()),
        _ => Verdict::Partly(enable.to_owned()),
    };
    feature.finding(verdict, vec![evidence])
}
