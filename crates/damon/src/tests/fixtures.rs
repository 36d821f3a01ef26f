//! Trees of real kernels, captured by tests/fixtures/capture.sh with one of everything.

use std::collections::BTreeSet;

use lowtide_kernfs::Root;
use rstest::rstest;

use super::*;
use crate::{
    Action, Capabilities, Error, ExclusiveUser, FilterKind, Goal, GoalTuner, KdamondState, ProbeKind,
    Snapshot, Stats, Thread, Watermarks,
    capabilities::{AVAIL_OPERATIONS, template},
    plan::Plan,
    probe, regions, stats, system_ram,
};

fn root(kernel: &str) -> Root {
    Root::open(format!("{}/../../tests/fixtures/{kernel}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The files of a tree. Plain files take any word, so all words are put in.
fn capabilities(kernel: &str) -> Capabilities {
    let mut found = Capabilities::default();
    probe::list(&*slot(kernel).directory, "", &mut found).unwrap();
    let files: Vec<String> = found.files.iter().cloned().collect();
    for file in files {
        let words: &[&str] = match file.rsplit('/').next().unwrap() {
            "action" => &Action::KEYWORDS,
            "target_metric" => &Goal::KEYWORDS,
            "goal_tuner" => &GoalTuner::KEYWORDS,
            "metric" => &Watermarks::KEYWORDS,
            "type" if file.contains("probes") => &ProbeKind::KEYWORDS,
            "type" => &FilterKind::KEYWORDS,
            _ => continue,
        };
        found.keywords.insert(file, words.iter().map(|word| (*word).to_owned()).collect());
    }
    found.keywords.insert(AVAIL_OPERATIONS.into(), ["vaddr", "fvaddr", "paddr"].map(str::to_owned).into());
    found
}

fn slot(kernel: &str) -> crate::slot::Slot {
    Admin::open(&root(kernel)).unwrap().slot(0).unwrap()
}

fn read(kernel: &str) -> (Snapshot, Stats) {
    let context = slot(kernel).context().unwrap();
    let stats = stats::read(&*context, 1).unwrap();
    (regions::read(&*context, 1, None).unwrap(), stats[0])
}

#[test]
fn a_kernel_without_damon_says_so() {
    let error = Admin::open(&root("6.1")).unwrap_err();
    assert!(
        matches!(&error, Error::NotThere { path } if path.ends_with("sys/kernel/mm/damon/admin/kdamonds")),
        "{error}"
    );
    assert_eq!(ExclusiveUser::enabled(&root("6.1")), Ok(vec![]));
}

#[rstest]
fn kdamonds_are_seen_as_they_are(#[values("6.12", "6.18", "7.3")] kernel: &str) {
    let root = root(kernel);
    let admin = Admin::open(&root).unwrap();
    let kdamonds = admin.kdamonds().unwrap();
    let [first, second] = kdamonds[..] else { panic!("{kdamonds:?}") };
    let KdamondState::Running { pid } = first.state else { panic!("{first:?}") };
    assert_eq!(second.state, KdamondState::Vacant);
    assert!(admin.reserve(NonZeroU32::MIN).unwrap().record().is_none());
    let two = admin.reserve(NonZeroU32::new(2).unwrap()).unwrap_err();
    assert!(matches!(&two, Error::NoVacancy { running, vacant: 1, .. } if running == &[0]), "{two}");
    let thread = Thread::find(&root, pid).unwrap().unwrap();
    assert!(thread.lives(&root).unwrap());
    assert!(thread.cpu_time(&root).unwrap().unwrap() > Duration::ZERO);
    assert_eq!(ExclusiveUser::enabled(&root), Ok(vec![]));
}

#[rstest]
fn regions_add_up(#[values("6.12", "6.18", "7.3")] kernel: &str) {
    let (snapshot, stats) = read(kernel);
    assert_eq!((snapshot.aggregation, snapshot.samples), (Duration::from_millis(250), 5));
    let tried = &snapshot.schemes[0];
    let sizes: Bytes = tried.regions.iter().map(crate::Region::size).sum();
    assert!(tried.regions.len() >= 5);
    assert_eq!(sizes, tried.total);
    let ram = system_ram(&root(kernel)).unwrap();
    let largest = ram.iter().map(|range| range.end() - range.start()).max().unwrap();
    assert_eq!(tried.total, Bytes::new(largest.next_multiple_of(4096)));
    assert!(tried.regions.windows(2).all(|pair| pair[0].range.end() <= pair[1].range.start()));
    let counted = capabilities(kernel).counts_passed_bytes();
    assert!(tried.regions.iter().all(|region| region.passed.is_some() == counted));
    assert!(stats.tried_bytes >= tried.total);
    assert_eq!(stats.passed_bytes.is_some(), counted);
}

#[test]
fn probes_hit_on_the_kernel_that_has_them() {
    let hits = |kernel| read(kernel).0.schemes[0].regions[0].probe_hits.len();
    assert_eq!([hits("6.12"), hits("6.18"), hits("7.3")], [0, 0, 1]);
}

/// Files that are read, not written.
fn is_result(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap();
    let stats = file.contains("/stats/") && name != "max_nr_snapshots";
    let results = ["avail_operations", "pid", "state", "effective_bytes", "", "nr_contexts"];
    stats || file.contains("/tried_regions/") || results.contains(&name)
}

/// Which directory a filter stands in makes no difference.
fn one_layer(file: &str) -> String {
    file.replace("core_filters", "filters").replace("ops_filters", "filters")
}

#[rstest]
fn every_file_that_can_be_written_is(#[values("6.12", "6.18", "7.3")] kernel: &str) {
    let capabilities = capabilities(kernel);
    let plan = Plan::new(&everything(), capabilities.layered());
    let written: BTreeSet<_> = plan.steps.iter().map(|step| one_layer(&template(&step.path))).collect();
    let there = capabilities.files().filter(|file| !is_result(file)).map(one_layer);
    let left_out: Vec<_> = there.filter(|file| !written.contains(file)).collect();
    assert!(left_out.is_empty(), "{left_out:#?}");
}

#[test]
fn what_each_kernel_lacks() {
    let missing = |kernel: &str| -> Vec<String> {
        capabilities(kernel).missing(&everything()).into_iter().map(|part| part.file).collect()
    };
    assert!(missing("7.3").is_empty());
    let since_6_18 = [
        "contexts/N/pause",
        "contexts/N/monitoring_attrs/probes/nr_probes",
        "contexts/N/targets/N/obsolete_target",
        "contexts/N/schemes/N/quotas/fail_charge_num",
        "contexts/N/schemes/N/quotas/fail_charge_denom",
        "contexts/N/schemes/N/quotas/goals/N/path",
        "contexts/N/schemes/N/stats/max_nr_snapshots",
    ];
    assert_eq!(missing("6.18"), since_6_18);
    let old = missing("6.12");
    for file in since_6_18.into_iter().chain([
        "refresh_ms",
        "contexts/N/monitoring_attrs/intervals/intervals_goal/aggrs",
        "contexts/N/schemes/N/dests/nr_dests",
        "contexts/N/schemes/N/filters/N/allow",
        "contexts/N/schemes/N/filters/N/min",
        "contexts/N/schemes/N/quotas/goals/N/nid",
    ]) {
        assert!(old.iter().any(|missing| missing == file), "{file} in {old:#?}");
    }
    assert_eq!(capabilities("6.12").missing(&plain()), []);
}
