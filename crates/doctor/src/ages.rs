use lowtide_kernfs::{Errno, Files};
use lowtide_mglru::Support;

use crate::{
    finding::{Evidence, Feature, Finding, Group, Verdict},
    sight::{Sight, answer},
};
use lowtide_ages::sampled::rights::{self, Refusal};

const ENABLED: &str = "sys/kernel/mm/lru_gen/enabled";
const LRU_GEN: &str = "sys/kernel/debug/lru_gen";
const LOCKDOWN: &str = "sys/kernel/security/lockdown";
const DEBUGFS: &str = "/sys/kernel/debug";
const UNLOCK: &str =
    "boot without lockdown= and without Secure Boot: files of debugfs that can be written are closed";

pub(crate) const fn feature(name: &'static str, used_for: &'static str, without: &'static str) -> Feature {
    Feature { group: Group::IdleAges, name, required: false, used_for, without }
}

const MGLRU: Feature = feature(
    "mglru",
    "idle ages of each cgroup's memory: its four generations, and a walk when a newer age is wanted",
    "DAMON where there is one, else cold memory is found by small requests under pressure alone",
);
const FIRST_TOUCH: Feature = feature(
    "mglru_first_touch",
    "ages that can be relied on: a walk has to notice the first touch of a page since its fault",
    "DAMON where there is one, else pressure alone",
);
const OPEN: Feature = feature(
    "debugfs",
    "MGLRU's generations are read, and its walks asked for, in a file of debugfs",
    "no idle ages from MGLRU, even where it is on",
);
const PAGE_IDLE: Feature = feature(
    "idle_page_tracking",
    "watching sampled pages",
    "DAMON watches them, each as a region of its own",
);
const CAPABILITIES: &str =
    "CapabilityBoundingSet=CAP_SYS_PTRACE CAP_SYS_ADMIN in a drop-in of lowtide.service, or run as root";
const SAMPLED: Feature = feature(
    "sampled_pages",
    "drawing pages at random: which frames the pages of others' processes are in",
    "idle ages from DAMON by virtual address where MGLRU has none, and none of virtual machines",
);

pub(crate) fn findings(sight: &Sight) -> Vec<Finding> {
    let support = Support::probe(&sight.root);
    let mut findings = vec![mglru(sight, &support)];
    findings.extend(support.as_ref().is_ok_and(Support::is_available).then(|| first_touch(sight)));
    findings.push(debugfs(sight, &support));
    findings.push(sampled(sight));
    findings.extend(super::damon::findings(sight));
    findings.push(page_idle(sight));
    findings
}

fn mglru(sight: &Sight, support: &lowtide_kernfs::Result<Support>) -> Finding {
    let enabled = sight.look(ENABLED);
    let support = match support {
        Ok(support) => support,
        Err(error) => {
            let file = sight.below_root(error.path()).to_string_lossy();
            let file = Evidence::new(file, answer(error));
            return MGLRU.finding(Verdict::Unknown("run as root".to_owned()), vec![enabled.evidence(), file]);
        }
    };
    let mut evidence = vec![enabled.evidence()];
    evidence.extend(file(support));
    if *support == Support::NotBuilt {
        evidence.extend(sight.build.option("LRU_GEN").evidence());
    }
    MGLRU.finding(verdict(support), evidence)
}

/// Two walks would tell, which are writes: a daemon makes them before it relies on the ages.
fn first_touch(sight: &Sight) -> Finding {
    const KERNELS: &str = "6.1, 6.12 and 7.3 notice it, 6.18 does not";
    let mut evidence = vec![Evidence::new(LRU_GEN, "only a walk would tell, which is a write")];
    let misled = sight.running.as_ref().filter(|running| running.found_mglru_misleading());
    if let Some(running) = misled {
        evidence.push(Evidence::new(&running.socket, "the daemon tried it: it does not"));
        return FIRST_TOUCH.finding(Verdict::No(format!("take another kernel: {KERNELS}")), evidence);
    }
    let tried =
        format!("a daemon tries it before it relies on the ages, and `status` says so if not; {KERNELS}");
    FIRST_TOUCH.finding(Verdict::Unknown(tried), evidence)
}

/// What the file of generations had to say, if it was come to.
fn file(support: &Support) -> Option<Evidence> {
    let said = match support {
        Support::Available { .. } => "can be read and written",
        Support::NotMounted | Support::NoDebugfs => "not there",
        Support::LockedDown => "closed: the kernel is locked down",
        Support::Denied { errno } => errno.desc(),
        Support::NotBuilt | Support::Off { .. } | Support::NoWalks { .. } => return None,
    };
    Some(Evidence::new(LRU_GEN, said))
}

fn verdict(support: &Support) -> Verdict {
    let Some(remedy) = support.remedy().map(ToOwned::to_owned) else { return Verdict::Yes };
    match support {
        Support::NotBuilt => Verdict::No(remedy),
        closed if is_closed(closed) => Verdict::Partly(UNLOCK.to_owned()),
        // As another user, or outside a container, it may well be possible.
        Support::Denied { .. } => Verdict::Unknown(remedy),
        _ => Verdict::Partly(remedy),
    }
}

/// Locked down. Without securityfs there is only the answer: EPERM, where a lack of rights is EACCES
/// (`debugfs_locked_down` and its callers, fs/debugfs/file.c).
fn is_closed(support: &Support) -> bool {
    matches!(support, Support::LockedDown | Support::Denied { errno: Errno::EPERM })
}

fn debugfs(sight: &Sight, support: &lowtide_kernfs::Result<Support>) -> Finding {
    let Some(mounted) = sight.mounts.iter().find(|m| m.kind == "debugfs" && m.point == DEBUGFS) else {
        return not_mounted(sight);
    };
    let mut evidence = vec![Sight::mounts_say(format!("debugfs at {}", mounted.point))];
    let lockdown = sight.look(LOCKDOWN);
    let says_so = lockdown.text().is_some_and(|text| !text.contains("[none]"));
    if !says_so && !support.as_ref().is_ok_and(is_closed) {
        return OPEN.finding(Verdict::Yes, evidence);
    }
    evidence.push(lockdown.evidence());
    evidence.extend(sight.boot_word("lockdown=", ""));
    OPEN.finding(Verdict::Partly(UNLOCK.to_owned()), evidence)
}

fn not_mounted(sight: &Sight) -> Finding {
    let filesystems = sight.look("proc/filesystems");
    let known = |text: &str| text.lines().any(|line| line.split_ascii_whitespace().last() == Some("debugfs"));
    let mut evidence = vec![Sight::mounts_say(format!("no debugfs at {DEBUGFS}"))];
    if filesystems.text().is_some_and(known) {
        evidence.push(filesystems.says("nodev debugfs"));
        return OPEN.finding(Verdict::No("mount -t debugfs debugfs /sys/kernel/debug".to_owned()), evidence);
    }
    evidence.push(filesystems.says("no debugfs"));
    let enable = if let Some(word) = sight.boot_word("debugfs=", "") {
        evidence.push(word);
        "boot without debugfs=off"
    } else {
        evidence.extend(sight.build.option("DEBUG_FS").evidence());
        "take a kernel with CONFIG_DEBUG_FS=y"
    };
    OPEN.finding(Verdict::No(enable.to_owned()), evidence)
}

/// Whoever asks may be more than the service is.
fn sampled(sight: &Sight) -> Finding {
    let pagemap = "proc/self/pagemap";
    match rights::refusal(&sight.root) {
        Ok(None) => SAMPLED.finding(Verdict::Yes, vec![Evidence::new(pagemap, "there, and may be seen")]),
        Ok(Some(why)) => {
            let verdict = match why {
                Refusal::NotBuilt => Verdict::No("take a kernel with CONFIG_PROC_PAGE_MONITOR=y".to_owned()),
                Refusal::Lacks(_) => Verdict::Unknown(CAPABILITIES.to_owned()),
            };
            SAMPLED.finding(verdict, vec![Evidence::new(pagemap, why.to_string())])
        }
        Err(error) => {
            let file = sight.below_root(error.path()).to_string_lossy();
            let evidence = Evidence::new(file, answer(&error));
            SAMPLED.finding(Verdict::Unknown("run as root".to_owned()), vec![evidence])
        }
    }
}

fn page_idle(sight: &Sight) -> Finding {
    const BITMAP: &str = "sys/kernel/mm/page_idle/bitmap";
    let there = sight.root.exists(BITMAP).unwrap_or(false);
    let evidence = vec![Evidence::new(BITMAP, if there { "there" } else { "not there" })];
    if there {
        return PAGE_IDLE.finding(Verdict::Yes, evidence);
    }
    PAGE_IDLE.finding(Verdict::No("take a kernel with CONFIG_IDLE_PAGE_TRACKING=y".to_owned()), evidence)
}
