use super::*;
use lowtide_core::reading::Source;
use lowtide_kernfs::thread_cpu;
use std::fs;

/// CPU.
const SPUN: Duration = Duration::from_millis(20);

thread_local! {
    /// How often a fake was stopped.
    static STOPPED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// A source that does what a test needs.
#[derive(Debug)]
struct Fake {
    look: fn(&Stop, &[Target]) -> Result<Look, String>,
    stop: Stop,
}

impl Ager for Fake {
    fn source(&self) -> Option<Source> {
        Some(Source::Mglru)
    }

    fn why(&self) -> String {
        "a fake".into()
    }

    fn look(&mut self, _all: &[Target], due: &[Target]) -> Result<Look, String> {
        (self.look)(&self.stop, due)
    }

    fn stop(&mut self) -> Result<(), String> {
        STOPPED.with(|stopped| stopped.set(stopped.get() + 1));
        Ok(())
    }
}

struct Bench {
    tree: tempfile::TempDir,
    sampler: Sampler,
    wanted: HotnessConfig,
    started: Instant,
}

impl Bench {
    /// On a host that has no source, ten minutes after the start.
    fn new() -> Self {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("sys/fs/cgroup")).unwrap();
        let root = Root::open(tree.path()).unwrap();
        let mount = Mount::find_unchecked(&root).unwrap();
        let sampler = Sampler::new(root, mount, tree.path().to_owned());
        let started = Instant::now().checked_sub(Duration::from_mins(10)).unwrap();
        Self { tree, sampler, wanted: HotnessConfig::default(), started }
    }

    fn with(look: fn(&Stop, &[Target]) -> Result<Look, String>) -> Self {
        let mut bench = Self::new();
        bench.turn();
        let stop = bench.sampler.stop.clone();
        bench.sampler.ager = Some(Box::new(Fake { look, stop }));
        bench.sampler.schedule = Schedule::default();
        bench.sampler.sampling.interval = bench.wanted.interval;
        bench.turn();
        assert!(bench.sampler.underway.is_some());
        bench
    }

    fn turn(&mut self) {
        let targets = || {
            vec![Target {
                id: CgroupId(1),
                path: "/a".into(),
                every: Duration::ZERO,
                slow_every: Duration::ZERO,
                cold_after: Duration::ZERO,
            }]
        };
        self.sampler.turn(&self.wanted, targets, self.started);
    }

    /// Turns until the look has ended.
    async fn ended(&mut self) {
        let limit = Instant::now() + Duration::from_secs(20);
        while self.sampler.underway.is_some() {
            assert!(Instant::now() < limit, "the look does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.turn();
        }
    }

    fn is_due(&self) -> bool {
        let target = Target {
            id: CgroupId(1),
            path: "/a".into(),
            every: Duration::from_hours(1),
            slow_every: Duration::ZERO,
            cold_after: Duration::ZERO,
        };
        !self.sampler.schedule.due(&[target], self.started.elapsed()).is_empty()
    }

    fn problem(&self) -> &str {
        self.sampler.sampling.problem.as_deref().unwrap_or_default()
    }

    fn provide_mglru(&self) {
        for (path, text) in [("sys/kernel/mm/lru_gen/enabled", "0x0007\n"), ("sys/kernel/debug/lru_gen", "")]
        {
            let path = self.tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as a source does it")]
fn until_stopped(stop: &Stop, due: &[Target]) -> Result<Look, String> {
    while !stop.is_set() {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(Look { again: due.iter().map(|target| target.id).collect(), ..Look::default() })
}

#[tokio::test]
async fn a_look_that_panics_is_noticed_and_its_source_chosen_anew() {
    let mut bench = Bench::with(|_, _| panic!("a fault in a source"));
    bench.ended().await;
    assert!(bench.problem().contains("panicked"), "{}", bench.problem());
    assert_eq!(bench.sampler.sampling.source, None);
    bench.provide_mglru();
    bench.turn();
    assert!(bench.sampler.ager.is_none(), "not at once: it may well panic again");
    bench.sampler.halt();
    bench.turn();
    assert_eq!(bench.sampler.sampling.source, Some(Source::Mglru));
}

#[tokio::test]
async fn a_reload_to_none_ends_a_look_early() {
    let mut bench = Bench::with(until_stopped);
    bench.wanted.source = SourceChoice::None;
    bench.ended().await;
    assert!(bench.sampler.ager.is_none());
    assert!(bench.sampler.sampling.why.contains("none"), "{}", bench.sampler.sampling.why);
}

#[tokio::test]
async fn a_reload_of_the_policies_ends_a_look_early_and_what_is_left_is_still_due() {
    let mut bench = Bench::with(until_stopped);
    bench.turn();
    assert!(bench.sampler.underway.is_some());
    bench.sampler.halt();
    bench.ended().await;
    assert!(bench.sampler.ager.is_some() && bench.is_due());
}

#[tokio::test]
async fn with_nothing_to_look_at_nothing_runs_in_the_kernel() {
    let mut bench = Bench::with(|_, _| Ok(Look::default()));
    bench.ended().await;
    let stopped = || STOPPED.with(std::cell::Cell::get);
    assert_eq!(stopped(), 0);
    bench.sampler.schedule = Schedule::default();
    bench.sampler.turn(&bench.wanted, Vec::new, bench.started);
    assert_eq!(stopped(), 1);
    assert!(bench.sampler.ager.is_some(), "it begins anew when there is something");
}

#[tokio::test]
async fn the_end_waits_no_longer_than_the_look() {
    for look in [until_stopped, |_: &Stop, _: &[Target]| panic!("a fault in a source")] {
        let mut bench = Bench::with(look);
        tokio::time::timeout(Duration::from_secs(20), bench.sampler.stop()).await.unwrap();
        assert!(bench.sampler.underway.is_none());
    }
}

#[tokio::test]
async fn a_look_that_does_not_end_is_a_problem_and_brings_no_second_one() {
    let mut bench = Bench::with(until_stopped);
    bench.turn();
    assert_eq!(bench.problem(), "");
    bench.sampler.underway.as_mut().unwrap().begun -= Duration::from_secs(100);
    bench.turn();
    assert!(bench.problem().starts_with("a look has been under way for 100 s"), "{}", bench.problem());
    bench.sampler.halt();
    bench.ended().await;
    assert_eq!(bench.problem(), "");
}

#[tokio::test]
async fn a_look_that_fails_costs_too_and_its_targets_are_still_due() {
    let mut bench = Bench::with(|_, _| {
        let begun = thread_cpu().unwrap();
        while thread_cpu().unwrap() < begun + SPUN {}
        Err("out of order".into())
    });
    bench.wanted.cpu = Ratio::percent(0.01);
    bench.sampler.wanted = Some(bench.wanted);
    bench.ended().await;
    let Sampling { cpu, interval, looks, .. } = bench.sampler.sampling;
    assert!(cpu >= SPUN && interval >= SPUN * 10_000 && looks == 1, "{cpu:?} {interval:?}");
    assert!(bench.is_due());
    assert!(bench.problem().contains("out of order"), "{}", bench.problem());
}

#[tokio::test]
async fn without_a_source_one_is_looked_for_now_and_then() {
    let mut bench = Bench::new();
    bench.turn();
    bench.provide_mglru();
    bench.turn();
    assert_eq!(bench.sampler.sampling.source, None, "a moment after the last time");
    bench.sampler.chosen = bench.started.elapsed().checked_sub(RECONSIDER);
    bench.turn();
    assert_eq!(bench.sampler.sampling.source, Some(Source::Mglru));
    bench.sampler.stop().await;
}
