use std::{collections::HashSet, fs, path::Path, sync::Arc};

use lowtide_core::{Bytes, Tier, TierKind, treatments::Reason};
use lowtide_testing::SlowDisk;

use super::*;

const DEFRAG: &str = "sys/kernel/mm/transparent_hugepage/defrag";
const ENABLED: &str = "sys/kernel/mm/transparent_hugepage/enabled";
const KSM: &str = "sys/kernel/mm/ksm";
/// Of 100 MiB 8 MiB are in huge pieces.
const FRAGMENTED: &str = "Node 0, zone Normal 23552 0 0 0 0 0 0 0 0 0 2\n";
const TURN: Duration = Duration::from_secs(6);

struct Host {
    tree: tempfile::TempDir,
    state: tempfile::TempDir,
}

/// The daemon's part, with the time of its turns.
struct Running {
    treatments: Treatments,
    journal: Journal,
    settings: Settings,
    tiers: Vec<Tier>,
    now: Duration,
}

impl Host {
    fn new() -> Self {
        let host = Self { tree: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        for (path, text) in [
            ("proc/sys/kernel/random/boot_id", "boot\n"),
            ("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"),
            ("proc/vmstat", "compact_stall 0\n"),
            ("proc/buddyinfo", FRAGMENTED),
            ("proc/sys/vm/compact_memory", ""),
            ("sys/devices/system/node/node0/compact", ""),
            ("sys/fs/cgroup/cgroup.stat", "nr_descendants 2\nnr_dying_descendants 0\n"),
            ("sys/fs/cgroup/cgroup.controllers", "memory\n"),
            (DEFRAG, "always\n"),
            (ENABLED, "[always] madvise never\n"),
        ] {
            host.put(path, text);
        }
        for (file, text) in [
            ("run", "0\n"),
            ("advisor_mode", "none\n"),
            ("pages_to_scan", "1000\n"),
            ("general_profit", "0\n"),
            ("full_scans", "0\n"),
        ] {
            host.put(&format!("{KSM}/{file}"), text);
        }
        host
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn holds(&self, path: &str) -> String {
        fs::read_to_string(self.tree.path().join(path)).unwrap().trim().to_owned()
    }

    /// What KSM holds: run, advisor_mode, pages_to_scan.
    fn ksm(&self) -> [String; 3] {
        ["run", "advisor_mode", "pages_to_scan"].map(|file| self.holds(&format!("{KSM}/{file}")))
    }

    fn cgroup(&self, path: &str, stat: &str) {
        let file = |name: &str| format!("sys/fs/cgroup/{path}/{name}");
        self.put(&file("cgroup.stat"), stat);
        self.put(&file("cgroup.controllers"), "memory\n");
        self.put(&file("cgroup.events"), "populated 1\n");
        self.put(&file("memory.current"), "104857600\n");
        let lists = "inactive_anon 0\nactive_anon 0\ninactive_file 104857600\nactive_file 0\n";
        self.put(&file("memory.stat"), &format!("anon 0\nfile 104857600\n{lists}"));
        self.put(&file("memory.reclaim"), "");
    }

    fn start(&self, settings: Settings) -> Running {
        let root = Root::open(self.tree.path()).unwrap();
        let journal = Journal::open(self.state.path(), &root).unwrap();
        let mount = Mount::find_unchecked(&root).unwrap();
        Running {
            treatments: Treatments::new(&root, &mount),
            journal,
            settings,
            tiers: Vec::new(),
            now: Duration::ZERO,
        }
    }
}

impl Running {
    fn turn(&mut self) -> Option<TreatmentsView> {
        let acting = || HashSet::from([Arc::from("/web/a")]);
        let tiers = &self.tiers;
        let around = Around { own: "/lowtide", acting: &acting, takes_swappiness: true, tiers };
        let view = self.treatments.turn_under(&mut self.journal, self.settings, &around, self.now);
        self.now += TURN;
        view
    }

    /// A minute of turns: pressure is known then.
    fn minute(&mut self) -> TreatmentsView {
        for _ in 0..10 {
            self.turn();
        }
        self.turn().unwrap()
    }

    /// Turns until what is under way has ended.
    async fn settle(&mut self) -> TreatmentsView {
        for _ in 0..1000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.treatments.collect(self.now);
            if !self.treatments.work.is_busy() {
                return self.turn().unwrap();
            }
        }
        panic!("it does not end");
    }

    fn problems(&self) -> Vec<String> {
        self.treatments.problems()
    }
}

fn page_cluster() -> Settings {
    Settings { page_cluster: true, ..Settings::default() }
}

fn compaction() -> Settings {
    Settings { compaction: true, ..Settings::default() }
}

fn dying() -> Settings {
    Settings { dying_cgroups: true, ..Settings::default() }
}

fn ksm() -> Settings {
    Settings { ksm: Some(KsmMode::Advisor), ..Settings::default() }
}

fn thp_defrag() -> Settings {
    Settings { thp_defrag: Some(DefragMode::DeferMadvise), ..Settings::default() }
}

#[test]
fn what_is_off_is_not_even_looked_at() {
    let host = Host::new();
    for file in ["proc/vmstat", "proc/buddyinfo", "proc/pressure/memory"] {
        fs::remove_file(host.tree.path().join(file)).unwrap();
    }
    let mut running = host.start(Settings::default());
    assert!(running.turn().is_none());
    assert_eq!((running.problems(), running.treatments.held().len()), (Vec::new(), 0));
}

#[tokio::test]
async fn a_fragmented_node_is_compacted_in_a_calm_moment_and_that_is_measured() {
    let host = Host::new();
    let mut running = host.start(compaction());
    host.put("proc/vmstat", "compact_stall 0\n");
    assert_eq!(running.turn().unwrap().compaction.unwrap().reason, Reason::FirstLook);
    host.put("proc/vmstat", "compact_stall 50\n");
    assert_eq!(running.turn().unwrap().compaction.unwrap().reason, Reason::FirstLook, "no minute yet");
    let view = running.minute();
    let decided: Vec<_> = view.decisions.iter().collect();
    assert!(decided.contains(&("compaction", "compact", "fragmented", 1)), "{decided:?}");
    let view = running.settle().await.compaction.unwrap();
    let run = view.last_run.unwrap();
    assert_eq!((run.nodes.as_slice(), run.end, view.runs), (&[0][..], End::Done, 1));
    assert_eq!((run.before.huge, view.gained), (Bytes::mib(8), Bytes::ZERO));
    assert_eq!(host.holds("sys/devices/system/node/node0/compact"), "1");
    assert_eq!(host.holds("proc/sys/vm/compact_memory"), "", "the node's own file is enough");
    assert!(running.journal.records().is_empty(), "nothing is to be put back");
}

#[tokio::test]
async fn without_a_file_of_the_node_the_whole_host_is_compacted() {
    let host = Host::new();
    fs::remove_file(host.tree.path().join("sys/devices/system/node/node0/compact")).unwrap();
    let mut running = host.start(compaction());
    running.turn();
    host.put("proc/vmstat", "compact_stall 50\n");
    running.minute();
    assert_eq!(running.settle().await.compaction.unwrap().last_run.unwrap().end, End::Done);
    assert_eq!(host.holds("proc/sys/vm/compact_memory"), "1");
}

#[tokio::test]
async fn a_kernel_that_cannot_compact_says_what_to_do() {
    let host = Host::new();
    host.put("proc/vmstat", "pgfree 1\n");
    let mut running = host.start(compaction());
    assert_eq!(running.turn().unwrap().compaction.unwrap().reason, Reason::Failed);
    assert!(running.problems()[0].contains("CONFIG_COMPACTION"), "{:?}", running.problems());
    host.put("proc/vmstat", "compact_stall 0\n");
    running.turn();
    assert!(running.problems().is_empty());
    host.put("proc/vmstat", "compact_stall 50\n");
    for file in ["sys/devices/system/node/node0/compact", "proc/sys/vm/compact_memory"] {
        fs::remove_file(host.tree.path().join(file)).unwrap();
    }
    running.minute();
    assert_eq!(running.settle().await.compaction.unwrap().last_run.unwrap().end, End::Failed);
    assert!(running.problems()[0].contains("no such file"), "{:?}", running.problems());
}

/// Of two nodes the second one is left: somebody stalls meanwhile, or lowtide is told to stop.
#[test]
fn it_stops_between_two_nodes() {
    let host = Host::new();
    let root = Root::open(host.tree.path()).unwrap();
    let task = || compact::Task {
        root: root.clone(),
        nodes: vec![0, 1],
        before: lowtide_core::treatments::Pieces::default(),
    };
    host.put("sys/devices/system/node/node1/compact", "");
    let stopped = task().perform(&true.into());
    assert_eq!((stopped.run.end, stopped.run.nodes.len()), (End::Stopped, 0));
    let whole = task().perform(&false.into());
    assert_eq!((whole.run.end, whole.run.nodes), (End::Done, vec![0, 1]));
    let mut strain = strain::Strain::begin(&root);
    std::thread::sleep(Duration::from_millis(120));
    host.put("proc/pressure/memory", "some avg10=9.00 avg60=0.00 avg300=0.00 total=60000\n");
    assert!(strain.is_tense());
    std::thread::sleep(Duration::from_millis(120));
    assert!(!strain.is_tense());
}

#[tokio::test]
async fn page_cache_is_reclaimed_where_dying_cgroups_are() {
    let host = Host::new();
    host.cgroup("web", "nr_descendants 1\nnr_dying_descendants 3000\n");
    host.cgroup("web/a", "nr_descendants 0\nnr_dying_descendants 0\n");
    host.cgroup("other", "nr_descendants 0\nnr_dying_descendants 9000\n");
    host.put("sys/fs/cgroup/cgroup.stat", "nr_descendants 3\nnr_dying_descendants 12000\n");
    let mut running = host.start(dying());
    assert_eq!(running.minute().dying_cgroups.unwrap().reason, Reason::Dying);
    let view = running.settle().await.dying_cgroups.unwrap();
    assert_eq!(running.problems(), Vec::<String>::new());
    let step = view.last_step.unwrap();
    assert_eq!((step.subtrees.as_slice(), step.dying), (&[Arc::from("/web")][..], 3000));
    assert_eq!((step.requested, view.dying_before), (Bytes::mib(32), Some(12_000)));
    assert!(host.holds("sys/fs/cgroup/web/memory.reclaim").ends_with(" swappiness=0"));
    assert_eq!(host.holds("sys/fs/cgroup/other/memory.reclaim"), "", "no policy acts there");
}

#[tokio::test]
async fn where_no_policy_acts_nothing_is_reclaimed() {
    let host = Host::new();
    host.cgroup("other", "nr_descendants 0\nnr_dying_descendants 9000\n");
    host.put("sys/fs/cgroup/cgroup.stat", "nr_descendants 1\nnr_dying_descendants 9000\n");
    let mut running = host.start(dying());
    running.minute();
    assert_eq!(running.settle().await.dying_cgroups.unwrap().reason, Reason::NoSubtree);
    assert_eq!(host.holds("sys/fs/cgroup/other/memory.reclaim"), "");
}

#[test]
fn ksm_runs_with_its_advisor_and_gets_its_own_settings_back() {
    let host = Host::new();
    let mut running = host.start(ksm());
    let view = running.turn().unwrap().ksm.unwrap();
    assert_eq!((view.reason, view.held), (Reason::Merging, true));
    assert_eq!(host.ksm(), ["1", "scan-time", "1000"]);
    let held = running.treatments.held();
    assert_eq!(held.len(), 3, "{held:?}");
    for path in &held {
        assert!(lowtide_journal::restorable::is_of_the_host(path), "{}", path.display());
    }
    // As the kernel does when the advisor is switched off: that comes before pages_to_scan is put back.
    host.put(&format!("{KSM}/pages_to_scan"), "100\n");
    running.settings = Settings::default();
    assert!(running.turn().is_none());
    assert_eq!(host.ksm(), ["0", "none", "1000"]);
    assert!(running.journal.records().is_empty() && running.problems().is_empty());
}

#[test]
fn ksm_that_was_unmerged_is_left_alone() {
    let host = Host::new();
    host.put(&format!("{KSM}/run"), "2\n");
    let mut running = host.start(ksm());
    assert_eq!(running.turn().unwrap().ksm.unwrap().reason, Reason::Failed);
    assert!(running.problems()[0].contains("run is 2"), "{:?}", running.problems());
    assert_eq!(host.ksm(), ["2", "none", "1000"].map(str::to_owned));
    host.put(&format!("{KSM}/run"), "0\n");
    assert_eq!(running.turn().unwrap().ksm.unwrap().reason, Reason::Merging);
}

/// A disk that is full when the setting is to go back, and has room when it is wanted again.
#[test]
fn what_lowtide_itself_put_back_is_nobody_elses_doing() {
    let host = Host::new();
    host.put(PAGE_CLUSTER, "3\n");
    let mut running = host.start(page_cluster());
    running.tiers = swap(TierKind::Zram);
    running.turn();
    let in_the_way = host.state.path().join("journal.new");
    fs::create_dir(&in_the_way).unwrap();
    running.tiers = swap(TierKind::Disk);
    assert_eq!(running.turn().unwrap().page_cluster.unwrap().reason, Reason::Failed);
    assert_eq!(host.holds(PAGE_CLUSTER), "3");
    fs::remove_dir(&in_the_way).unwrap();
    running.tiers = swap(TierKind::Zram);
    assert_eq!(running.turn().unwrap().page_cluster.unwrap().reason, Reason::CompressedFirst);
    assert_eq!(host.holds(PAGE_CLUSTER), "0");
}

#[test]
fn ksm_that_costs_more_than_it_gives_is_switched_off_and_stays_so() {
    let host = Host::new();
    let mut running = host.start(ksm());
    running.turn();
    host.put(&format!("{KSM}/general_profit"), "-4096\n");
    host.put(&format!("{KSM}/full_scans"), "5\n");
    running.now += Duration::from_mins(10);
    let view = running.turn().unwrap();
    assert!(view.decisions.iter().any(|one| one == ("ksm", "put_back", "no_profit", 1)));
    assert_eq!(host.ksm()[..2], ["0", "none"]);
    assert_eq!(running.turn().unwrap().ksm.unwrap().reason, Reason::NoProfit);
    // Another configuration has it tried again.
    running.settings.compaction = true;
    assert_eq!(running.turn().unwrap().ksm.unwrap().reason, Reason::Merging);
    assert_eq!(host.ksm()[..2], ["1", "scan-time"]);
}

#[test]
fn a_kernel_without_the_advisor_says_so() {
    let host = Host::new();
    fs::remove_file(host.tree.path().join(KSM).join("advisor_mode")).unwrap();
    let mut running = host.start(ksm());
    assert_eq!(running.turn().unwrap().ksm.unwrap().reason, Reason::Failed);
    assert!(running.problems()[0].contains("since Linux 6.8"), "{:?}", running.problems());
    assert_eq!(host.holds(&format!("{KSM}/run")), "0");
}

#[test]
fn whoever_sets_one_of_ksms_settings_gets_it_and_the_others_are_put_back() {
    let host = Host::new();
    let mut running = host.start(ksm());
    running.turn();
    host.put(&format!("{KSM}/run"), "2\n");
    let view = running.turn().unwrap().ksm.unwrap();
    assert_eq!((view.reason, view.held), (Reason::Foreign, false));
    assert_eq!(host.ksm()[..2], ["2", "none"]);
    host.put(&format!("{KSM}/run"), "0\n");
    assert_eq!(running.turn().unwrap().ksm.unwrap().reason, Reason::Foreign);
    assert_eq!(host.ksm()[..2], ["0", "none"]);
}

/// Memory that is taken out of the machine has the kernel show another number for a while.
#[test]
fn what_the_kernel_shows_for_a_while_is_nobody_elses_doing() {
    let host = Host::new();
    let mut running = host.start(ksm());
    running.turn();
    host.put(&format!("{KSM}/run"), "5\n");
    assert_eq!(running.turn().unwrap().ksm.unwrap().reason, Reason::Merging);
}

#[test]
fn what_was_found_as_asked_for_is_not_recorded() {
    let host = Host::new();
    host.put(&format!("{KSM}/run"), "1\n");
    host.put(&format!("{KSM}/advisor_mode"), "none [scan-time]\n");
    let mut running = host.start(ksm());
    let view = running.turn().unwrap().ksm.unwrap();
    assert_eq!((view.reason, view.held), (Reason::Merging, false));
    assert!(running.journal.records().is_empty());
}

#[test]
fn defrag_is_set_where_faults_stall_and_put_back() {
    let host = Host::new();
    host.put(DEFRAG, "[always] defer defer+madvise madvise never\n");
    let mut running = host.start(thp_defrag());
    let stall = |count: u64| host.put("proc/vmstat", &format!("compact_stall {count}\n"));
    for turn in 0..10 {
        stall(turn * 10);
        assert_eq!(running.turn().unwrap().thp_defrag.unwrap().reason, Reason::FirstLook);
    }
    stall(100);
    let view = running.turn().unwrap().thp_defrag.unwrap();
    assert_eq!(
        (view.reason, view.held, view.defrag.as_deref()),
        (Reason::Stalls, true, Some("defer+madvise"))
    );
    // As the kernel shows it.
    host.put(DEFRAG, "always defer [defer+madvise] madvise never\n");
    assert_eq!(running.turn().unwrap().thp_defrag.unwrap().reason, Reason::Held);
    // What else of the treatments is switched changes nothing.
    running.settings.ksm = Some(KsmMode::Advisor);
    assert_eq!(running.turn().unwrap().thp_defrag.unwrap().reason, Reason::Held);
    running.settings = Settings::default();
    running.turn();
    assert_eq!(host.holds(DEFRAG), "always", "one word, as the kernel takes it");
    assert!(running.journal.records().is_empty());
}

#[test]
fn defrag_is_left_to_whoever_else_sets_it_and_where_faults_do_not_compact() {
    let host = Host::new();
    host.put(ENABLED, "always [madvise] never\n");
    let mut running = host.start(thp_defrag());
    assert_eq!(running.turn().unwrap().thp_defrag.unwrap().reason, Reason::FaultsDoNotCompact);
    host.put(ENABLED, "[always] madvise never\n");
    host.put("proc/vmstat", "compact_stall 100000\n");
    running.minute();
    assert_eq!(host.holds(DEFRAG), "defer+madvise");
    host.put(DEFRAG, "always defer defer+madvise madvise [never]\n");
    let view = running.turn().unwrap().thp_defrag.unwrap();
    assert_eq!((view.reason, view.held), (Reason::Foreign, false));
    running.settings = Settings::default();
    running.turn();
    assert!(host.holds(DEFRAG).ends_with("[never]"));
    assert!(running.journal.records().is_empty());
}

/// A swap device of a kind, alone.
fn swap(kind: TierKind) -> Vec<Tier> {
    vec![Tier {
        kind,
        device: "/dev/swap".into(),
        priority: Some(10),
        capacity: Bytes::mib(100),
        used: Bytes::ZERO,
        stored: Bytes::ZERO,
        resident: Bytes::ZERO,
        resident_limit: None,
        above: None,
    }]
}

const PAGE_CLUSTER: &str = "proc/sys/vm/page-cluster";

#[test]
fn swap_ins_read_one_page_while_the_first_swap_is_compressed_memory() {
    let host = Host::new();
    host.put(PAGE_CLUSTER, "3\n");
    let mut running = host.start(page_cluster());
    let mut turn = |tiers: Vec<Tier>| {
        running.tiers = tiers;
        let view = running.turn().unwrap().page_cluster.unwrap();
        (view.reason, host.holds(PAGE_CLUSTER), view.held)
    };
    let (zero, three) = ("0".to_owned(), "3".to_owned());
    assert_eq!(turn(Vec::new()), (Reason::NoCompressedFirst, three.clone(), false));
    assert_eq!(turn(swap(TierKind::Zram)), (Reason::CompressedFirst, zero.clone(), true));
    assert_eq!(turn(swap(TierKind::Zram)), (Reason::CompressedFirst, zero.clone(), true));
    assert_eq!(turn(swap(TierKind::Disk)), (Reason::NoCompressedFirst, three.clone(), false));
    assert_eq!(turn(swap(TierKind::Zram)), (Reason::CompressedFirst, zero, true));
    running.settings = Settings::default();
    running.turn();
    assert_eq!(host.holds(PAGE_CLUSTER), three);
    assert!(running.journal.record(Path::new(PAGE_CLUSTER)).is_none());
}

#[test]
fn page_cluster_is_left_to_whoever_else_sets_it() {
    let host = Host::new();
    host.put(PAGE_CLUSTER, "3\n");
    let mut running = host.start(page_cluster());
    running.tiers = swap(TierKind::Zram);
    running.turn();
    host.put(PAGE_CLUSTER, "1\n");
    for _ in 0..2 {
        let view = running.turn().unwrap().page_cluster.unwrap();
        assert_eq!((view.reason, view.held), (Reason::Foreign, false));
        assert_eq!(host.holds(PAGE_CLUSTER), "1");
    }
}

/// Kind 8: a disk that is full or read-only.
#[test]
fn what_cannot_be_recorded_is_not_set_and_what_is_set_is_put_back_as_soon_as_that_can_be_recorded() {
    let host = Host::new();
    let mut running = host.start(ksm());
    let in_the_way = host.state.path().join("journal.new");
    fs::create_dir(&in_the_way).unwrap();
    assert_eq!(running.turn().unwrap().ksm.unwrap().reason, Reason::Failed);
    assert_eq!(host.ksm(), ["0", "none", "1000"]);
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(running.turn().unwrap().ksm.unwrap().reason, Reason::Merging);
    assert!(running.problems().is_empty());

    fs::create_dir(&in_the_way).unwrap();
    running.settings = Settings::default();
    running.turn();
    assert!(!running.problems().is_empty() && !running.treatments.held().is_empty());
    fs::remove_dir(&in_the_way).unwrap();
    running.turn();
    assert!(running.problems().is_empty() && running.treatments.held().is_empty());
    assert_eq!(host.ksm()[..2], ["0", "none"]);
}

/// As long as the setting is not made there is nothing to be tried.
#[test]
fn defrag_that_cannot_be_recorded_is_not_given_up() {
    let host = Host::new();
    let mut running = host.start(thp_defrag());
    let in_the_way = host.state.path().join("journal.new");
    fs::create_dir(&in_the_way).unwrap();
    let mut turns = |from: u64, to: u64| {
        let mut reason = Reason::FirstLook;
        for turn in from..to {
            host.put("proc/vmstat", &format!("compact_stall {}\n", turn * 100));
            reason = running.turn().unwrap().thp_defrag.unwrap().reason;
        }
        reason
    };
    assert_eq!(turns(0, 130), Reason::Failed, "thirteen minutes");
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(turns(130, 131), Reason::Stalls);
    assert!(host.holds(DEFRAG).contains("defer+madvise"));
}

/// Kind 8: a disk that is slow.
#[test]
fn what_is_recorded_late_is_set_once_it_is() {
    let host = Host::new();
    let mut running = host.start(ksm());
    let disk = SlowDisk::default();
    running.journal.wait_at_most(Duration::ZERO, Some(disk.hook()));
    assert_eq!(running.turn().unwrap().ksm.unwrap().reason, Reason::Failed);
    assert_eq!(host.ksm(), ["0", "none", "1000"]);
    disk.let_through(8);
    for _ in 0..4 {
        SlowDisk::settle(&mut running.journal);
        running.turn();
    }
    assert_eq!(host.ksm()[..2], ["1", "scan-time"]);
}

/// What a daemon that was killed leaves, `lowtide restore` puts back: the last one first.
#[test]
fn what_is_recorded_is_enough_to_put_it_back() {
    let host = Host::new();
    let mut running = host.start(Settings { thp_defrag: Some(DefragMode::DeferMadvise), ..ksm() });
    running.minute();
    host.put("proc/vmstat", "compact_stall 100000\n");
    running.turn();
    assert_eq!(host.holds(DEFRAG), "defer+madvise");
    drop(running);
    let root = Root::open(host.tree.path()).unwrap();
    let mut journal = Journal::open(host.state.path(), &root).unwrap();
    assert_eq!(journal.records().len(), 4);
    let first = Path::new(KSM).join("pages_to_scan");
    assert_eq!(journal.records()[0].path, first, "it is put back when the advisor is off");
    lowtide_journal::knobs::restore(&root, &mut journal).unwrap();
    assert_eq!(
        (host.ksm(), host.holds(DEFRAG).as_str()),
        (["0", "none", "1000"].map(str::to_owned), "always")
    );
}

#[test]
fn what_a_host_lacks_is_known_before_the_start() {
    let host = Host::new();
    let root = Root::open(host.tree.path()).unwrap();
    host.put(PAGE_CLUSTER, "3\n");
    let all = Settings {
        compaction: true,
        dying_cgroups: true,
        ksm: Some(KsmMode::Advisor),
        thp_defrag: Some(DefragMode::DeferMadvise),
        page_cluster: true,
    };
    assert_eq!(lacking(&root, all), Vec::<String>::new());
    let advisor = "sys/kernel/mm/ksm/advisor_mode";
    for file in ["proc/buddyinfo", "proc/pressure/memory", advisor, DEFRAG, PAGE_CLUSTER] {
        fs::remove_file(host.tree.path().join(file)).unwrap();
    }
    let said = lacking(&root, all);
    for (said, words) in
        said.iter().zip(["CONFIG_COMPACTION", "since Linux 6.8", "transparent huge", "without swap", "psi=1"])
    {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!((said.len(), lacking(&root, Settings::default()).len()), (5, 0));
}
