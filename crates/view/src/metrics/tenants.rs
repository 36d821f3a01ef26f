//! Under which policy each tenant is, what that allows, and the kernel's counters of harm.

use std::{collections::HashMap, time::Duration};

use lowtide_core::{Bytes, Mode};

use super::{
    page::Page,
    rest::{Exported, OTHER},
};
use crate::view::View;

pub(super) fn tenants(page: &Page, view: &View, rows: &[Exported<'_>]) {
    policies(page, view, rows);
    stalls(page, rows);
    faults(page, rows);
}

fn policies(page: &Page, view: &View, rows: &[Exported<'_>]) {
    let info = page.gauge(
        "lowtide_cgroup_info",
        "1 for the policy and the mode that the cgroup is under; with namespace, pod and container where it is a pod's.",
        &["cgroup", "policy", "mode", "namespace", "pod", "container"],
    );
    let slo = page.gauge(
        "lowtide_policy_slo_ratio",
        "What the policy accepts: share of time stalled.",
        &["policy", "resource"],
    );
    let modes: HashMap<&str, &str> =
        view.policies.iter().map(|policy| (&*policy.name, word(policy.mode))).collect();
    for policy in &view.policies {
        slo.set(&[&*policy.name, "memory"], policy.slo.memory_pressure.get());
        slo.set(&[&*policy.name, "io"], policy.slo.io_pressure.get());
    }
    for row in rows.iter().filter(|row| row.own) {
        let cgroup = row.cgroup;
        let policy = &*cgroup.decision.policy;
        let mode = modes.get(policy).copied().unwrap_or_default();
        let pod = cgroup.pod.as_deref();
        let pod = pod.map_or(["", "", ""], |pod| [&*pod.namespace, &*pod.name, &*pod.container]);
        info.set(&[&*cgroup.path, policy, mode, pod[0], pod[1], pod[2]], 1.0);
    }
    // Without names of anything: a join keeps what the rest has, under none.
    if rows.iter().any(|row| !row.own) {
        info.set(&[OTHER], 1.0);
    }
}

const fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::File => "file",
        Mode::Full => "full",
    }
}

fn stalls(page: &Page, rows: &[Exported<'_>]) {
    let family = page.counter(
        "lowtide_cgroup_stall_seconds_total",
        "Time in which tasks stalled, since the cgroup was made.",
        &["cgroup", "resource", "kind"],
    );
    for row in rows.iter().copied() {
        let cgroup = row.cgroup;
        for (resource, stall) in [("memory", cgroup.memory_stall), ("io", cgroup.io_stall)] {
            let Some(stall) = stall else { continue };
            let add = |kind, time: Duration| {
                family.of(row, &[resource, kind], time.as_secs_f64());
            };
            add("some", stall.some);
            if let Some(full) = stall.full {
                add("full", full);
            }
        }
    }
}

fn faults(page: &Page, rows: &[Exported<'_>]) {
    let refaulted = page.counter(
        "lowtide_cgroup_refaulted_bytes_total",
        "Reclaimed, by whomever, and faulted back: workingset_refault of the kernel.",
        &["cgroup", "type"],
    );
    let swapped_in = page.counter(
        "lowtide_cgroup_swapped_in_bytes_total",
        "Read from swap: pswpin of the kernel, where it counts that for each cgroup.",
        &["cgroup"],
    );
    let promoted = page.counter(
        "lowtide_cgroup_promoted_bytes_total",
        "Came back from swap or by a read of page cache that was in use, since lowtide first saw the cgroup.",
        &["cgroup", "type"],
    );
    let promotions = page.gauge(
        "lowtide_cgroup_promotions_per_minute_ratio",
        "What came back in the last minute, as a share of the working set: what slo.promotion_rate bounds.",
        &["cgroup"],
    );
    for row in rows.iter().copied() {
        promoted.of(row, &["anon"], row.cgroup.came_back.anon.as_f64());
        promoted.of(row, &["file"], row.cgroup.came_back.file.as_f64());
        promotions.alone(row, &[], row.cgroup.decision.figures.promotion_rate.get());
        let stat = &row.cgroup.memory.stat;
        let add = |kind, bytes: Option<Bytes>| {
            if let Some(bytes) = bytes {
                refaulted.of(row, &[kind], bytes.as_f64());
            }
        };
        add("anon", stat.refault_anon);
        add("file", stat.refault_file);
        if let Some(bytes) = stat.swap_in {
            swapped_in.of(row, &[], bytes.as_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use lowtide_core::{
        Action, CgroupId, CgroupObservation, Decision, Figures, HostObservation, Memory, Observation, Policy,
        Reason, Stall, State,
    };

    use crate::{
        ledger::Ledger,
        metrics::{Rest, render},
        samples,
        view::{Remembered, View},
    };
    use lowtide_observe::Stalls;

    use super::*;

    #[test]
    fn policy_mode_slo_and_counters_are_on_the_page() {
        let mut memory = Memory::default();
        memory.stat.refault_file = Some(Bytes::mib(2));
        memory.stat.swap_in = Some(Bytes::mib(3));
        let web = CgroupObservation {
            memory,
            memory_pressure: Some(Stall { some: Duration::from_millis(1500), full: None }),
            ..samples::cgroup(1, "/web", 0, 0)
        };
        let decision = Decision {
            id: CgroupId(1),
            path: "/web".into(),
            policy: "careful".into(),
            action: Action::Hold,
            reason: Reason::NothingCold,
            file_only: None,
            figures: Figures::default(),
        };
        let remembered =
            Remembered { state: &State::default(), ledger: &Ledger::default(), carried: Vec::new() };
        let seen = Observation { host: HostObservation::default(), cgroups: vec![web] };
        let no_stalls = |_| Stalls::default();
        let mut view =
            View::new(seen, vec![decision], remembered, Bytes::ZERO, no_stalls, HashMap::new(), &[false]);
        view.policies = vec![Policy { mode: Mode::File, ..Policy::observe("careful") }];
        let page = render(&view, &mut Rest::default()).concat();
        for line in [
            r#"lowtide_cgroup_info{cgroup="/web",mode="file",policy="careful"} 1"#,
            r#"lowtide_policy_slo_ratio{policy="careful",resource="memory"} 0.001"#,
            r#"lowtide_cgroup_stall_seconds_total{cgroup="/web",kind="some",resource="memory"} 1.5"#,
            r#"lowtide_cgroup_refaulted_bytes_total{cgroup="/web",type="file"} 2097152"#,
            r#"lowtide_cgroup_swapped_in_bytes_total{cgroup="/web"} 3145728"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(page.contains(concat!("lowtide_build_info{version=\"", env!("CARGO_PKG_VERSION"))), "{page}");
        assert!(!page.contains("resource=\"io\",kind"), "what is not known has no series");
    }
}
