use std::time::Duration;

use lowtide_core::reading::Source;
use lowtide_damon::{Admin, Error, ExclusiveUser, Kdamond, KdamondState};
use lowtide_kernfs::{Files, parse::switch};

use crate::{
    ages::feature,
    build::Built,
    finding::{Evidence, Feature, Finding, Verdict},
    sight::{Sight, answer},
};

const KDAMONDS: &str = "sys/kernel/mm/damon/admin/kdamonds";
const NR_KDAMONDS: &str = "sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds";

const WITHOUT: &str = "MGLRU's ages, else pressure alone";
const DAMON: Feature = feature("damon", "idle ages of each cgroup's memory where MGLRU has none", WITHOUT);
const PADDR: Feature =
    feature("damon_paddr", "idle ages by physical address, of all cgroups at once", WITHOUT);
const VADDR: Feature = feature("damon_vaddr", "idle ages by virtual address, process by process", WITHOUT);
const PASSED: Feature = feature(
    "damon_passed_bytes",
    "how many bytes of a region belong to a cgroup: without that ages by physical address are everybody's",
    "DAMON by virtual address",
);
const FREE: Feature =
    feature("damon_free", "starting DAMON: these users inside the kernel tolerate no other", WITHOUT);

/// Others may keep the tree busy so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The doctor makes no kdamond, and only a kdamond's directory shows what DAMON can do.
const ASK_LATER: &str = "only a kdamond shows it, and making one is a write";

pub(crate) fn findings(sight: &Sight) -> Vec<Finding> {
    let kdamonds = Admin::open(&sight.root).and_then(|admin| admin.with_patience(PATIENCE).kdamonds());
    match kdamonds {
        Ok(kdamonds) => there(sight, &kdamonds),
        Err(Error::NotThere { .. }) => vec![absent(sight)],
        Err(error) => vec![DAMON.finding(
            Verdict::Unknown("run as root".to_owned()),
            vec![Evidence::new(NR_KDAMONDS, refusal(&error))],
        )],
    }
}

/// An error without its path, which is the evidence's own.
fn refusal(error: &Error) -> String {
    match error {
        Error::NotPermitted { .. } => "not permitted".to_owned(),
        Error::File(error) => answer(error),
        other => other.to_string(),
    }
}

fn absent(sight: &Sight) -> Finding {
    let mut evidence = vec![Evidence::new(KDAMONDS, "not there")];
    evidence.extend(sight.build.option("DAMON_SYSFS").evidence());
    let enable = "take a kernel with CONFIG_DAMON_SYSFS=y, CONFIG_DAMON_PADDR=y and CONFIG_DAMON_VADDR=y";
    DAMON.finding(Verdict::No(enable.to_owned()), evidence)
}

fn there(sight: &Sight, kdamonds: &[Kdamond]) -> Vec<Finding> {
    let running = kdamonds.iter().filter(|kdamond| matches!(kdamond.state, KdamondState::Running { .. }));
    let said = match kdamonds.len() {
        0 => "0".to_owned(),
        count => format!("{count}, of which {} running", running.count()),
    };
    vec![
        DAMON.finding(Verdict::Yes, vec![Evidence::new(NR_KDAMONDS, said)]),
        operations(sight, kdamonds, PADDR, "paddr", "DAMON_PADDR"),
        operations(sight, kdamonds, VADDR, "vaddr", "DAMON_VADDR"),
        passed(sight, kdamonds),
        free(sight),
    ]
}

/// From a kdamond that somebody made, else from how the kernel was built.
fn operations(sight: &Sight, kdamonds: &[Kdamond], feature: Feature, word: &str, option: &str) -> Finding {
    let enable = format!("take a kernel with CONFIG_{option}=y");
    for kdamond in kdamonds {
        let file = format!("{KDAMONDS}/{}/contexts/0/avail_operations", kdamond.index);
        if let Ok(text) = sight.root.read(&file) {
            let has = text.lines().any(|line| line.trim() == word);
            let words: Vec<_> = text.split_ascii_whitespace().collect();
            let verdict = if has { Verdict::Yes } else { Verdict::No(enable) };
            return feature.finding(verdict, vec![Evidence::new(file, words.join(" "))]);
        }
    }
    match sight.build.option(option) {
        Built::In(evidence) => feature.finding(Verdict::Yes, vec![evidence]),
        Built::Out(evidence) => feature.finding(Verdict::No(enable), vec![evidence]),
        Built::Unsaid => from_user(sight, word, feature, enable),
    }
}

/// The users inside the kernel watch physical addresses: none is built without them (mm/damon/Kconfig, 5.16
/// to 7.3).
fn from_user(sight: &Sight, word: &str, feature: Feature, enable: String) -> Finding {
    let users = ExclusiveUser::ALL.iter().map(|user| user.parameter());
    let mut users = users.filter(|file| sight.root.exists(file).unwrap_or(false));
    match (word, users.next()) {
        ("paddr", Some(file)) => {
            let evidence = Evidence::new(file.to_string_lossy(), "there, and it is built on this");
            feature.finding(Verdict::Yes, vec![evidence])
        }
        _ => feature.finding(Verdict::Unknown(enable), vec![Evidence::new(KDAMONDS, ASK_LATER)]),
    }
}

fn passed(sight: &Sight, kdamonds: &[Kdamond]) -> Finding {
    let enable = "take Linux 6.14 or later".to_owned();
    for kdamond in kdamonds {
        let stats = format!("{KDAMONDS}/{}/contexts/0/schemes/0/stats", kdamond.index);
        if !sight.root.exists(&stats).unwrap_or(false) {
            continue;
        }
        let file = format!("{stats}/sz_ops_filter_passed");
        let there = sight.root.exists(&file).unwrap_or(false);
        let (verdict, said) =
            if there { (Verdict::Yes, "there") } else { (Verdict::No(enable), "not there") };
        return PASSED.finding(verdict, vec![Evidence::new(file, said)]);
    }
    // The daemon watches by physical address only where it has seen that file.
    let running = sight.running.as_ref();
    if let Some(running) =
        running.filter(|running| running.source.as_deref() == Some(Source::DamonPaddr.name()))
    {
        let evidence = Evidence::new(&running.socket, "the daemon relies on it");
        return PASSED.finding(Verdict::Yes, vec![evidence]);
    }
    PASSED.finding(Verdict::Unknown(enable), vec![Evidence::new(KDAMONDS, ASK_LATER)])
}

fn free(sight: &Sight) -> Finding {
    let mut evidence = Vec::new();
    let mut off = Vec::new();
    for user in ExclusiveUser::ALL {
        let look = sight.look(user.parameter().to_string_lossy());
        if look.is_missing() {
            continue;
        }
        evidence.push(look.evidence());
        if look.text().and_then(|text| switch(text).ok()) == Some(true) {
            off.push(format!("echo N > /{}", user.parameter().display()));
        }
    }
    if evidence.is_empty() {
        evidence.push(Evidence::new("sys/module", "no damon_stat, damon_reclaim, damon_lru_sort"));
    }
    let verdict = if off.is_empty() { Verdict::Yes } else { Verdict::No(off.join("; ")) };
    FREE.finding(verdict, evidence)
}
