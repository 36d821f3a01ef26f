use rstest::rstest;

use super::*;
use crate::{
    Error, ExclusiveUser, Verdict,
    tests::fake::{Kernel, Version},
};

const BOTH: [Version; 2] = [Version::Old, Version::New];

fn started(kernel: &Kernel, context: &Context) -> Owned {
    let mut owned = claim(&kernel.admin());
    owned.start(context).unwrap();
    owned
}

fn watching(pids: &[u32]) -> Context {
    Context::new(Space::Processes(pids.iter().map(|pid| Process::new(*pid)).collect()))
}

#[test]
fn a_busy_tree_is_waited_for_but_not_for_ever() {
    let kernel = Kernel::new(Version::New);
    let mut owned = claim(&kernel.admin());
    kernel.state().busy = 5;
    owned.start(&plain()).unwrap();
    let longest = Duration::from_millis(50);
    let crate::Record::Claim(record) = owned.record() else { unreachable!() };
    let mut hasty = Owned::adopt(&kernel.admin().with_patience(longest), &record).unwrap().unwrap();
    kernel.state().busy = usize::MAX;
    let error = hasty.commit(&plain()).unwrap_err();
    assert!(matches!(&error, Error::Busy { waited, .. } if *waited >= longest), "{error}");
    kernel.state().busy = 0;
    hasty.commit(&plain()).unwrap();
}

#[test]
fn an_exclusive_user_is_named_with_its_switch() {
    let kernel = Kernel::new(Version::New);
    let mut owned = claim(&kernel.admin());
    kernel.put("sys/module/damon_stat/parameters/enabled", "Y\n");
    kernel.put("sys/module/damon_reclaim/parameters/enabled", "N\n");
    let error = owned.start(&plain()).unwrap_err();
    assert_eq!(error, Error::Exclusive { users: vec![ExclusiveUser::Stat] });
    assert!(error.to_string().contains("/sys/module/damon_stat/parameters/enabled"), "{error}");
    assert_eq!(kernel.running(), []);
    kernel.put("sys/module/damon_stat/parameters/enabled", "N\n");
    owned.start(&plain()).unwrap();
}

#[test]
fn what_the_kernel_lacks_is_refused_before_anything_is_written() {
    let kernel = Kernel::new(Version::Old);
    let mut owned = claim(&kernel.admin());
    kernel.state().writes.clear();
    let error = owned.start(&everything()).unwrap_err();
    assert!(matches!(&error, Error::Missing { parts } if !parts.is_empty()), "{error}");
    assert!(error.to_string().contains("`hugepage_size` in contexts/N/schemes/N/filters/N/type"), "{error}");
    assert!(kernel.state().writes.is_empty());
    owned.start(&plain()).unwrap();
    assert!(matches!(owned.commit(&everything()), Err(Error::Missing { .. })));
    assert!(matches!(owned.tuned_intervals(), Err(Error::Missing { .. })));
}

#[test]
fn a_cgroup_or_process_that_is_gone_is_named() {
    for version in BOTH {
        let kernel = Kernel::new(version);
        let mut owned = claim(&kernel.admin());
        let mut context = plain();
        context.schemes.push(Scheme::new(Action::PageOut));
        context.schemes[1].filters = vec![Filter::only(FilterKind::Memcg("/gone".into()))];
        assert_eq!(owned.start(&context), Err(Error::MemcgGone { paths: vec!["/gone".into()] }));
        assert_eq!(owned.start(&watching(&[1, 777])), Err(Error::ProcessGone { pids: vec![777] }));
    }
}

/// It vanishes between the check and the command, so that the kernel finds out.
#[test]
fn a_cgroup_that_vanishes_during_a_commit() {
    for version in BOTH {
        let kernel = Kernel::new(version);
        let mut context = plain();
        context.schemes[0].action = Action::PageOut;
        context.schemes[0].filters = vec![Filter::only(FilterKind::Memcg("/a".into()))];
        let owned = started(&kernel, &context);
        kernel.remove("sys/fs/cgroup/a");
        let error = owned.run(crate::slot::Command::Commit, Some(&context)).unwrap_err();
        match version {
            Version::Old => {
                assert_eq!(error, Error::Ended { index: 0, gone: vec![] }, "and the kernel said nothing");
            }
            Version::New => assert_eq!(error, Error::MemcgGone { paths: vec!["/a".into()] }),
        }
    }
}

#[test]
fn no_memory_is_not_taken_for_a_missing_cgroup() {
    let kernel = Kernel::new(Version::New);
    let mut context = plain();
    context.schemes[0].filters = vec![Filter::only(FilterKind::Memcg("/a".into()))];
    let owned = started(&kernel, &context);
    kernel.write("0/contexts/0/schemes/0/ops_filters/0/memcg_path", "/elsewhere");
    let error = owned.run(crate::slot::Command::Commit, Some(&context)).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
}

#[test]
fn one_that_ended_by_itself_says_which_processes_are_gone() {
    for version in BOTH {
        let kernel = Kernel::new(version);
        kernel.put("proc/50/stat", "");
        let mut owned = started(&kernel, &watching(&[50]));
        kernel.end(0);
        kernel.remove("proc/50");
        let ended = Error::Ended { index: 0, gone: vec![50] };
        assert_eq!(owned.snapshot().unwrap_err(), ended);
        assert_eq!(owned.stats().unwrap_err(), ended);
        assert_eq!(owned.cpu_time().unwrap_err(), ended);
        assert_eq!(owned.commit(&watching(&[1])), Err(ended));
        owned.stop().unwrap();
        assert_eq!(owned.stats().unwrap_err(), Error::NotRunning { index: 0 });
        owned.start(&watching(&[1])).unwrap();
    }
}

#[test]
fn commands_before_the_start() {
    for version in BOTH {
        let kernel = Kernel::new(version);
        let mut owned = claim(&kernel.admin());
        let off = Error::NotRunning { index: 0 };
        assert_eq!(owned.commit(&plain()), Err(off.clone()));
        assert_eq!(owned.snapshot().unwrap_err(), off);
        assert_eq!(owned.commit_quota_goals(&plain()), Err(off));
    }
}

#[test]
fn started_twice_and_seen_while_paused() {
    let kernel = Kernel::new(Version::New);
    let mut owned = started(&kernel, &Context { paused: true, ..plain() });
    let pid = owned.thread().unwrap().pid;
    assert_eq!(owned.start(&plain()), Err(Error::AlreadyRunning { index: 0, pid }));
    assert_eq!(owned.snapshot().unwrap_err(), Error::NothingTried { index: 0 });
}

#[test]
fn an_obsolete_process_may_be_gone() {
    let kernel = Kernel::new(Version::New);
    let mut owned = started(&kernel, &watching(&[1]));
    let mut context = watching(&[777, 1]);
    let Space::Processes(processes) = &mut context.space else { unreachable!() };
    processes[0].obsolete = true;
    owned.commit(&context).unwrap();
}

fn set(change: impl Fn(&mut Context)) -> Context {
    let mut context = plain();
    change(&mut context);
    context
}

#[rstest]
#[case::no_sample("sample_us", set(|context| context.monitoring.intervals.sample = Duration::ZERO))]
#[case::aggregation("aggr_us", set(|context| context.monitoring.intervals.aggregation = Duration::from_millis(1)))]
#[case::few_regions("nr_regions/min", set(|context| context.monitoring.regions.min = 2))]
#[case::less_than_min("nr_regions/max", set(|context| context.monitoring.regions.max = 9))]
#[case::goal("intervals_goal", set(|context| {
    let (access, aggregations, min_sample) = (Ratio::percent(4.0), 3, Duration::from_secs(1));
    context.monitoring.intervals.goal = Some(IntervalsGoal { access, aggregations, min_sample, max_sample: min_sample });
}))]
#[case::unit("addr_unit", set(|context| context.address_unit = std::num::NonZeroU64::new(3)))]
#[case::no_ranges("targets/0/regions", set(|context| context.space = Space::Physical(vec![])))]
#[case::overlap("targets/0/regions", set(|context| context.space = Space::Physical(vec![
    AddressRange::new(0, 5000).unwrap(), AddressRange::new(6000, 9000).unwrap(),
])))]
#[case::no_process("targets", watching(&[]))]
#[case::no_pid("targets/0/pid_target", watching(&[0]))]
#[case::fixed("targets/0/regions", set(|context| context.space = Space::FixedRanges(vec![Process::new(1)])))]
#[case::nothing_to_do("schemes/0/action", set(|context| context.schemes[0].action = Action::Cold))]
#[case::nothing_to_do_either("schemes/0/action", Context {
    schemes: vec![Scheme::new(Action::LruPrio)], ..watching(&[1])
})]
#[case::destinations("schemes/0/dests", set(|context| {
    context.schemes[0].action = Action::MigrateCold(Destination::Interleaved(vec![(1, 1)]));
}))]
#[case::sizes("access_pattern/sz", set(|context| context.schemes[0].pattern.size = Span::new(Bytes::MAX, Bytes::ZERO)))]
#[case::ages("access_pattern/age", set(|context| context.schemes[0].pattern.age = Span::new(2, 1)))]
#[case::watermarks("watermarks", set(|context| context.schemes[0].watermarks = Some(Watermarks {
    interval: Duration::from_secs(1), high: Ratio::percent(10.0), mid: Ratio::percent(20.0), low: Ratio::ZERO,
})))]
#[case::no_goal("quotas/goals", set(|context| {
    context.schemes[0].quota.goals = vec![Goal::Active { target: Ratio::ZERO }];
}))]
#[case::no_target("filters", set(|context| {
    context.schemes[0].filters = vec![Filter::except(FilterKind::Target(1))];
}))]
#[case::folio_sizes("filters", set(|context| {
    let sizes = Span::new(Bytes::mib(2), Bytes::mib(1));
    context.schemes[0].filters = vec![Filter::except(FilterKind::HugepageSize(sizes))];
}))]
#[case::memcg("memcg_path", set(|context| {
    context.schemes[0].filters = vec![Filter::except(FilterKind::Memcg("a".into()))];
}))]
#[case::probes("probes", set(|context| {
    context.monitoring.probes = vec![Probe { weight: 0, filters: vec![] }; 5];
}))]
#[case::weights("probes", set(|context| {
    let filters = vec![ProbeFilter { kind: ProbeKind::Anonymous, matching: true, verdict: Verdict::Allow }];
    context.monitoring.probes = vec![Probe { weight: 1, filters }];
    context.monitoring.intervals.aggregation = 256 * context.monitoring.intervals.sample;
}))]
fn what_cannot_be_is_refused_before_anything_is_written(#[case] place: &str, #[case] context: Context) {
    let kernel = Kernel::new(Version::New);
    let mut owned = claim(&kernel.admin());
    kernel.state().writes.clear();
    let error = owned.start(&context).unwrap_err();
    assert!(matches!(&error, Error::Invalid { field, .. } if field.contains(place)), "{error}");
    assert!(kernel.state().writes.is_empty());
}
