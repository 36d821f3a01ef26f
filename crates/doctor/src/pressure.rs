use lowtide_cgroup::{Descend, Walked};
use lowtide_core::left_out::Kind;
use lowtide_psi::Resource;

use crate::{
    build::Built,
    finding::{Evidence, Feature, Finding, Group, Verdict},
    sight::{Look, Sight},
};

/// So many cgroups are looked at, shared among the subtrees at each level; each costs a few system calls.
const WALKED: usize = 8192;

const HOST: Feature = Feature {
    group: Group::Pressure,
    name: "psi",
    required: false,
    used_for: "telling how long tasks of the host stall on memory and I/O",
    without: "no cgroup has pressure either",
};

const CGROUPS: Feature = Feature {
    group: Group::Pressure,
    name: "psi_cgroup",
    required: false,
    used_for: "each tenant's SLO, and the triggers that stop a request within a second",
    without: "refaults and swap-ins alone say when to stop, between two chunks of a request",
};

pub(crate) fn findings(sight: &Sight) -> Vec<Finding> {
    vec![host(sight), cgroups(sight)]
}

fn host(sight: &Sight) -> Finding {
    let looks = [Resource::Memory, Resource::Io].map(|resource| sight.look(resource.host_file()));
    let mut evidence: Vec<_> = looks.iter().map(Look::evidence).collect();
    if looks.iter().all(|look| look.text().is_some()) {
        return HOST.finding(Verdict::Yes, evidence);
    }
    evidence.extend(switched_off(sight));
    HOST.finding(Verdict::No(enable(sight)), evidence)
}

/// Who switched it off: the command line, or who built the kernel.
fn switched_off(sight: &Sight) -> impl Iterator<Item = Evidence> {
    let built = ["PSI", "PSI_DEFAULT_DISABLED"].map(|option| sight.build.option(option));
    sight.boot_word("psi=", "").into_iter().chain(built.into_iter().filter_map(Built::evidence))
}

fn enable(sight: &Sight) -> String {
    if sight.build.option("PSI").is_out() {
        return "take a kernel with CONFIG_PSI=y".to_owned();
    }
    "boot with psi=1 (if that changes nothing, the kernel is built without CONFIG_PSI)".to_owned()
}

fn cgroups(sight: &Sight) -> Finding {
    let found = Found::walk(sight);
    let total = found.with + found.without;
    let place = sight.cgroup_file("");
    let mut evidence =
        vec![Evidence::new(place.clone(), format!("memory.pressure in {} of {total} cgroups", found.with))];
    evidence.extend(found.missed.as_ref().map(|missed| Evidence::new(place, missed.clone())));
    let Some(first) = found.first_without else { return CGROUPS.finding(verdict_of_all(total), evidence) };
    let switch = sight.look(sight.cgroup_file(&format!("{first}/cgroup.pressure")));
    evidence.push(switch.evidence());
    if found.with > 0 {
        let file = switch.evidence().file;
        let more =
            if found.without > 1 { format!(", and {} more", found.without - 1) } else { String::new() };
        return CGROUPS.finding(Verdict::Partly(format!("echo 1 > {file}{more}")), evidence);
    }
    match sight.boot_word("cgroup_disable=", "pressure") {
        Some(word) => {
            evidence.push(word);
            let enable = "take `pressure` off cgroup_disable= on the kernel's command line";
            CGROUPS.finding(Verdict::No(enable.to_owned()), evidence)
        }
        None => CGROUPS.finding(Verdict::No(enable(sight)), evidence),
    }
}

/// No cgroup is without; it may be that there is none at all.
fn verdict_of_all(total: usize) -> Verdict {
    match total {
        0 => Verdict::No("mount the cgroup v2 hierarchy first".to_owned()),
        _ => Verdict::Yes,
    }
}

/// What of a walk was not looked at, in words; nothing if all was.
fn missed(walked: &Walked) -> Option<String> {
    let beyond =
        (walked.beyond > 0).then(|| format!("{} beyond the {WALKED} that are looked at", walked.beyond));
    let odd = walked.left_out.count(Kind::Cgroup);
    let first = walked.left_out.named().first().map_or("", |first| &first.why);
    let odd = (odd > 0).then(|| format!("{odd} that cannot be read ({first})"));
    let missed: Vec<_> = beyond.into_iter().chain(odd).collect();
    (!missed.is_empty()).then(|| format!("not looked at: {}", missed.join("; ")))
}

/// How many cgroups have pressure, and the first that has not.
#[derive(Debug, Default)]
struct Found {
    with: usize,
    without: usize,
    first_without: Option<String>,
    /// What was not looked at.
    missed: Option<String>,
}

impl Found {
    fn walk(sight: &Sight) -> Self {
        let mut found = Self::default();
        let Some(mount) = &sight.mount else { return found };
        // What fails half-way has counted what it saw.
        let walked = mount.walk_within(WALKED, |cgroup| {
            if let Ok(Some(_)) = cgroup.pressure(Resource::Memory) {
                found.with += 1;
            } else if cgroup.exists() != Ok(false) {
                found.without += 1;
                found.first_without.get_or_insert_with(|| cgroup.path().to_string());
            }
            Descend::Yes
        });
        found.missed = match walked {
            Ok(walked) => missed(&walked),
            Err(error) => Some(format!("not all cgroups were looked at: {error}")),
        };
        found
    }
}
