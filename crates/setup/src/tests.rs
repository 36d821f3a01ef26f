use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
};

use lowtide_core::{Bytes, Ratio};
use lowtide_policy::{Amount, HostTiers, SwapSetup, ZramSetup, ZswapSetup};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::{
    Deed, Plan, State, Undone,
    apply::{Applied, apply},
    deeds::Deeds,
    facts::Facts,
    model::{DEMOTION, Killed, Model, ZSWAP},
    plan::plan,
    undo::undo,
};

fn zram() -> ZramSetup {
    ZramSetup {
        size: Amount::OfMemory(Ratio::percent(200.0)),
        memory: Some(Amount::OfMemory(Ratio::percent(25.0))),
        algorithm: Some("lz4".into()),
        backing: Some("/dev/vda".into()),
        priority: 100,
    }
}

fn everything() -> HostTiers {
    HostTiers {
        apply: false,
        zram: Some(zram()),
        swap: vec![SwapSetup { device: "/dev/vdb".into(), priority: Some(5) }],
        zswap: ZswapSetup { enabled: Some(true), ..ZswapSetup::default() },
        demotion: Some(true),
        promotion: None,
    }
}

fn only(zram: ZramSetup) -> HostTiers {
    HostTiers { zram: Some(zram), ..HostTiers::default() }
}

struct Host {
    model: Model,
    state: TempDir,
}

impl Host {
    fn new() -> Self {
        Self { model: Model::new(), state: tempfile::tempdir().unwrap() }
    }

    fn deeds(&self) -> Deeds {
        Deeds::open(self.state.path(), super::kernel::Kernel::root(&self.model)).unwrap()
    }

    fn plan(&self, wanted: &HostTiers) -> Plan {
        plan(wanted, &Facts::read(&self.model, wanted, self.deeds().all()).unwrap())
    }

    fn apply(&mut self, wanted: &HostTiers) -> Applied {
        let mut deeds = self.deeds();
        apply(&mut self.model, &mut deeds, wanted).unwrap()
    }

    fn restore(&mut self) -> Vec<(Deed, Undone)> {
        let mut deeds = self.deeds();
        undo(&mut self.model, &mut deeds).unwrap()
    }

    /// Runs `act`, in which the process is killed after so many halves of calls. Returns whether it was.
    fn killed(&mut self, after: usize, act: impl FnOnce(&mut Self)) -> bool {
        self.model.fuse.set(Some(after));
        let ended = catch_unwind(AssertUnwindSafe(|| act(self)));
        self.model.fuse.set(None);
        match ended {
            Ok(()) => false,
            Err(cause) if cause.is::<Killed>() => true,
            Err(cause) => resume_unwind(cause),
        }
    }

    fn why(&self, wanted: &HostTiers) -> String {
        let plan = self.plan(wanted);
        let impossible = plan.steps.iter().filter(|step| step.state == State::Impossible);
        impossible.filter_map(|step| step.why.clone()).collect::<Vec<_>>().join("; ")
    }
}

#[test]
fn once_twice_and_back() {
    let mut host = Host::new();
    let before = host.model.seen();
    let planned = host.plan(&everything());
    assert!(planned.is_possible() && planned.steps.iter().all(|step| step.state == State::ToDo), "{planned}");
    assert_eq!(host.model.seen(), before, "a plan writes nothing");
    let applied = host.apply(&everything());
    assert!(applied.failed.is_none() && applied.plan.is_done(), "{applied}");
    let order: Vec<_> = applied.done.iter().map(|step| step.action.to_string()).collect();
    let expected = [
        "/dev/zram1",
        "zram1 comp_algorithm",
        "/dev/vda mark",
        "zram1 backing_dev",
        "zram1 disksize",
        "zram1 mem_limit",
        "/dev/zram1 content",
        "/dev/zram1 swap",
        "/dev/vdb swap",
        &format!("/{ZSWAP}"),
        &format!("/{DEMOTION}"),
    ];
    assert_eq!(order, expected);
    assert_eq!(host.model.get("sys/block/zram1/disksize"), (2_u64 << 30).to_string());
    let (set_up, calls) = (host.model.seen(), host.model.calls);
    let again = host.apply(&everything());
    assert!(again.done.is_empty() && again.plan.is_done(), "{again}");
    assert_eq!((host.model.seen(), host.model.calls), (set_up, calls), "twice is once");
    assert!(host.restore().iter().all(|(_, undone)| *undone == Undone::Undone));
    assert_eq!(host.model.seen(), before);
    assert!(host.restore().is_empty(), "safe to run twice");
}

#[test]
fn what_holds_pages_is_kept_and_said() {
    let mut host = Host::new();
    let before = host.model.seen();
    host.apply(&everything());
    host.model.swap_out("/dev/zram1", Bytes::mib(40));
    let results = host.restore();
    assert!(results.iter().any(|(_, undone)| *undone == Undone::Kept(Bytes::mib(40))), "{results:?}");
    assert!(!host.model.get("proc/swaps").contains("vdb"), "the empty one is off");
    assert_eq!(host.model.get(ZSWAP), "N");
    assert_eq!(host.restore().len(), 1, "it stays recorded");
    host.model.swap_out("/dev/zram1", Bytes::ZERO);
    assert!(host.restore().iter().all(|(_, undone)| undone.is_settled()));
    assert_eq!(host.model.seen(), before);
}

#[test]
fn slots_in_the_caches_of_processors_are_no_pages() {
    let mut host = Host::new();
    let before = host.model.seen();
    host.apply(&everything());
    host.model.cached = Bytes::kib(256);
    host.model.swap_out("/dev/zram1", Bytes::ZERO);
    assert!(host.restore().iter().all(|(_, undone)| undone.is_settled()));
    assert_eq!(host.model.seen(), before);

    host.apply(&everything());
    host.model.cached = Bytes::kib(256);
    host.model.swap_out("/dev/zram1", Bytes::kib(4));
    assert!(
        host.restore().iter().any(|(_, undone)| *undone == Undone::Kept(Bytes::kib(4))),
        "one page is one"
    );
}

#[test]
fn impossible_things_are_named_before_anything_is_written() {
    let mut host = Host::new();
    host.model.claim("/dev/vda");
    host.model.fill("/dev/vdb", vec![0; 8192]);
    let mut wanted = everything();
    wanted.zram = Some(ZramSetup { algorithm: Some("zzz".into()), ..zram() });
    let before = host.model.seen();
    let applied = host.apply(&wanted);
    assert!(applied.done.is_empty() && !applied.plan.is_possible());
    assert_eq!(host.model.seen(), before);
    let why = host.why(&wanted);
    for part in ["this kernel offers lzo, lzo-rle, lz4, zstd", "it is in use", "not formatted as swap space"]
    {
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn a_backing_device_that_holds_something() {
    let mut host = Host::new();
    let mut xfs = vec![0; 8192];
    xfs[..4].copy_from_slice(b"XFSB");
    host.model.fill("/dev/vda", xfs);
    assert!(host.why(&everything()).contains("it holds xfs"));
    let mut wanted = everything();
    wanted.zram = Some(ZramSetup { backing: Some("/dev/vdb".into()), ..zram() });
    wanted.swap.clear();
    assert!(host.why(&wanted).contains("it holds swap space"));
    wanted.zram = Some(ZramSetup { backing: Some("/dev/vdz".into()), ..zram() });
    assert!(host.why(&wanted).contains("no such device"));
}

#[test]
fn another_setup_needs_a_restore() {
    let mut host = Host::new();
    host.apply(&everything());
    for other in [
        ZramSetup { size: Amount::Bytes(Bytes::mib(64)), ..zram() },
        ZramSetup { algorithm: Some("zstd".into()), ..zram() },
        ZramSetup { backing: None, ..zram() },
        ZramSetup { priority: 7, ..zram() },
    ] {
        assert!(host.why(&only(other)).contains("`lowtide restore` first"));
    }
    let limit = only(ZramSetup { memory: None, ..zram() });
    assert_eq!(host.apply(&limit).done.len(), 1, "the limit can be changed at any time");
}

#[test]
fn a_foreign_device_is_used_if_it_is_exactly_what_is_asked_for_and_never_touched() {
    let mut host = Host::new();
    let wanted = ZramSetup { memory: None, backing: None, algorithm: None, ..zram() };
    host.model.foreign_swap("zram0", Bytes::mib(2048), 100);
    let before = host.model.seen();
    assert!(host.plan(&only(wanted.clone())).is_done());
    let other = only(ZramSetup { priority: 50, ..wanted });
    assert_eq!(
        host.apply(&other).done.first().map(|step| step.action.to_string()).as_deref(),
        Some("/dev/zram1")
    );
    host.restore();
    assert_eq!(host.model.seen(), before);
}

#[test]
fn a_share_of_memory_that_changes_leaves_the_device_as_it_is() {
    let mut host = Host::new();
    let wanted = only(ZramSetup { memory: None, ..zram() });
    host.apply(&wanted);
    host.model.put("proc/meminfo", "MemTotal: 2097152 kB\n");
    assert!(host.plan(&wanted).is_done(), "{}", host.plan(&wanted));
}

#[test]
fn an_algorithm_that_only_the_new_device_tells_of_leaves_no_device_behind() {
    let mut host = Host::new();
    super::kernel::Kernel::remove_zram(&mut host.model, "zram0").unwrap();
    let before = host.model.seen();
    let wanted = only(ZramSetup { algorithm: Some("zzz".into()), ..zram() });
    assert!(host.plan(&wanted).is_possible(), "nobody can tell yet");
    let applied = host.apply(&wanted);
    assert!(applied.done.is_empty() && !applied.plan.is_possible(), "{applied}");
    assert_eq!(host.model.seen(), before);
    assert!(host.deeds().all().is_empty());
}

#[test]
fn what_somebody_else_did_since_is_left_alone() {
    let mut host = Host::new();
    host.apply(&everything());
    super::kernel::Kernel::swap_off(&mut host.model, Path::new("/dev/vdb")).unwrap();
    super::kernel::Kernel::swap_on(&mut host.model, Path::new("/dev/vdb"), Some(77)).unwrap();
    host.model.put(ZSWAP, "something else");
    let results = host.restore();
    assert_eq!(
        results.iter().filter(|(_, undone)| matches!(undone, Undone::NotOurs(_))).count(),
        2,
        "{results:?}"
    );
    assert!(host.model.get("proc/swaps").contains("vdb"));
    assert_eq!(host.model.get(ZSWAP), "something else");
}

#[test]
fn a_device_that_took_the_name_is_not_ours() {
    let mut host = Host::new();
    host.apply(&only(zram()));
    super::kernel::Kernel::swap_off(&mut host.model, Path::new("/dev/zram1")).unwrap();
    super::kernel::Kernel::remove_zram(&mut host.model, "zram1").unwrap();
    super::kernel::Kernel::add_zram(&mut host.model).unwrap();
    let before = host.model.seen();
    assert!(host.restore().iter().all(|(_, undone)| *undone == Undone::Nothing));
    assert_eq!(host.model.seen(), before);
}

#[test]
fn after_a_reboot_there_is_nothing_to_undo_and_apply_begins_anew() {
    let mut host = Host::new();
    host.apply(&everything());
    host.model.reboot();
    let before = host.model.seen();
    assert!(host.restore().is_empty());
    let applied = host.apply(&everything());
    assert_eq!(applied.done.len(), 10, "the backing device is known by its mark: {applied}");
    host.restore();
    assert_eq!(host.model.seen(), before);
}

#[test]
fn a_backing_device_is_blank_or_marked_and_nothing_else_is_overwritten() {
    let mut host = Host::new();
    let mut start = vec![0; lowtide_tiers::START];
    start[300 << 10] = 1;
    host.model.fill("/dev/vda", start.clone());
    assert!(
        host.why(&everything()).contains("its first MiB or its last page holds something"),
        "{}",
        host.why(&everything())
    );
    assert!(!host.apply(&everything()).plan.is_possible());
    start[..lowtide_tiers::MARK.len()].copy_from_slice(lowtide_tiers::MARK);
    host.model.fill("/dev/vda", start);
    assert!(host.apply(&everything()).plan.is_done());
}

#[test]
fn what_could_not_be_switched_on_is_not_switched_off_either() {
    let mut host = Host::new();
    host.model.refuses_swap = true;
    let wanted = HostTiers { swap: everything().swap, ..HostTiers::default() };
    assert!(host.apply(&wanted).failed.is_some());
    assert!(host.restore().is_empty(), "whoever switches it on later");
}

#[test]
fn a_limit_below_what_is_in_use_is_refused() {
    let mut host = Host::new();
    host.apply(&everything());
    host.model.put("sys/block/zram1/mm_stat", "0 0 536870912 268435456 0 0 0 0 0");
    let mut less = everything();
    less.zram = Some(ZramSetup { memory: Some(Amount::OfMemory(Ratio::percent(10.0))), ..zram() });
    assert!(host.why(&less).contains("takes 512MiB already"), "{}", host.why(&less));
    assert!(host.apply(&everything()).plan.is_done(), "one that is set already is left alone");
}

#[test]
fn a_setting_that_does_not_stick_ends_it_and_is_said() {
    let mut host = Host::new();
    let before = host.model.seen();
    host.model.stubborn = Some(ZSWAP);
    let applied = host.apply(&everything());
    let failed = applied.failed.unwrap();
    assert_eq!(failed.error, "the kernel took it, and it is N again");
    assert!(!applied.plan.is_done());
    assert!(host.restore().iter().all(|(_, undone)| undone.is_settled()));
    assert_eq!(host.model.seen(), before);
}

#[test]
fn a_record_that_was_being_written_is_not_left_behind() {
    let mut host = Host::new();
    std::fs::write(host.state.path().join("tiers.new"), "half").unwrap();
    assert!(host.restore().is_empty());
    assert_eq!(std::fs::read_dir(host.state.path()).unwrap().count(), 0);
}

#[test]
fn no_zram_and_no_such_setting() {
    let host = Host::new();
    std::fs::remove_file(
        super::kernel::Kernel::root(&host.model).path().join("sys/class/zram-control/hot_add"),
    )
    .unwrap();
    let mut wanted = everything();
    wanted.zswap.shrinker = Some(true);
    let why = host.why(&wanted);
    assert!(why.contains("modprobe zram") && why.contains("`tiers.zswap.shrinker`"), "{why}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Killed at any point of apply, applied again or not, killed in restore: what comes out is what was
    /// there before.
    #[test]
    fn any_interruption_leads_back(
        in_apply in 0_usize..28, again in any::<bool>(), in_restore in 0_usize..40, cached in any::<bool>(),
    ) {
        let mut host = Host::new();
        let before = host.model.seen();
        let killed = host.killed(in_apply, |host| drop(host.apply(&everything())));
        prop_assert_eq!(killed, in_apply < 22, "eleven calls");
        if again {
            let applied = host.apply(&everything());
            prop_assert!(applied.plan.is_done(), "{}", applied);
        }
        if cached && host.model.get("proc/swaps").contains("zram1") {
            host.model.cached = Bytes::kib(64);
            host.model.swap_out("/dev/zram1", Bytes::ZERO);
        }
        host.killed(in_restore, |host| drop(host.restore()));
        prop_assert!(host.restore().iter().all(|(_, undone)| undone.is_settled()));
        prop_assert_eq!(host.model.seen(), before);
        prop_assert!(host.deeds().all().is_empty());
        prop_assert!(host.restore().is_empty());
    }
}
