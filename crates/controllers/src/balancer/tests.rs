use super::*;
use lowtide_core::{Ratio, balancer::Pages};
use lowtide_testing::full_pipe;
use std::{fs, io::Read};

struct Host {
    tree: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Host {
    /// Two zram devices, 9 of 10 MiB taken in each.
    fn new() -> Self {
        let host = Self { tree: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        host.put("proc/sys/kernel/random/boot_id", "boot\n");
        let swaps = "Filename Type Size Used Priority\n\
             /dev/zram0 partition 10240 9216 100\n/dev/zram1 partition 10240 9216 100\n";
        host.put("proc/swaps", swaps);
        for device in ["zram0", "zram1"] {
            for (file, text) in [
                ("initstate", "1\n"),
                ("disksize", "10485760\n"),
                ("mm_stat", "9437184 4096 8192 0 8192 0 0 0 0\n"),
                ("bd_stat", "0 0 0\n"),
                ("idle", ""),
                ("writeback", ""),
                ("writeback_limit", "0\n"),
                ("writeback_limit_enable", "1\n"),
            ] {
                host.put(&format!("sys/block/{device}/{file}"), text);
            }
        }
        host
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn balance(&self) -> (Balance, Journal) {
        let root = Root::open(self.tree.path()).unwrap();
        let journal = Journal::open(self.state.path(), &root).unwrap();
        (Balance::new(root, self.state.path().to_owned()), journal)
    }
}

fn shown(balance: &Balance) -> Vec<&str> {
    balance.shown().iter().map(|view| view.store.device.as_ref()).collect()
}

#[test]
fn a_store_that_cannot_be_read_keeps_no_other_waiting() {
    let host = Host::new();
    host.put("sys/block/zram0/mm_stat", "no numbers\n");
    let (mut balance, mut journal) = host.balance();
    balance.scan(&mut journal, &Settings::default(), Strain::None, &|_| None);
    assert_eq!(shown(&balance), ["zram1"]);
    let problems: Vec<_> = balance.problems().collect();
    assert!(problems.len() == 1 && problems[0].contains("zram0/mm_stat"), "{problems:?}");

    host.put("sys/block/zram0/mm_stat", "9437184 4096 8192 0 8192 0 0 0 0\n");
    balance.scan(&mut journal, &Settings::default(), Strain::None, &|_| None);
    assert_eq!(shown(&balance), ["zram0", "zram1"]);
    assert_eq!(balance.problems().count(), 0);
}

/// The kernel's `writeback` that takes its time is a pipe that nobody reads yet.
#[tokio::test]
async fn strain_stops_a_run_under_way_unless_its_store_is_urgent() {
    for (strain, watermark, expected) in [
        (Strain::None, 95.0, End::Done),
        (Strain::Io, 95.0, End::Stopped),
        (Strain::Memory, 95.0, End::Stopped),
        (Strain::Memory, 75.0, End::Done),
        (Strain::Trigger, 75.0, End::Stopped),
    ] {
        let host = Host::new();
        let pipe = host.tree.path().join("sys/block/zram1/writeback");
        fs::remove_file(&pipe).unwrap();
        let mut reader = full_pipe(&pipe);
        let (mut balance, mut journal) = host.balance();
        let settings = Settings { watermark: Ratio::percent(watermark), ..Settings::default() };
        balance.scan(&mut journal, &settings, Strain::None, &|_| None);
        let view = balance.shown().iter().find(|view| view.store.device.as_ref() == "zram1").unwrap();
        let job = job(&balance.root, &settings);
        let promise = Books::open(host.state.path()).unwrap().reserve("/dev/b", Bytes::mib(1));
        balance.flights.start(view.store.clone(), Task::Sink(job, promise));
        balance.strained(strain, &settings);
        // Now it takes what waits, and more.
        while reader.read(&mut [0; 4096]).is_ok() {}
        let ended = balance.ended().await.unwrap();
        let Outcome::Ran(run) = ended.outcome else { unreachable!() };
        assert_eq!(run.end, expected, "{strain:?}, watermark {watermark}");
        drop(reader);
    }
}

/// Kind 8: the account's disk hangs. The loop goes on, and nothing is written before the account is there.
#[test]
fn a_disk_that_hangs_keeps_a_run_and_not_the_loop() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let host = Host::new();
    let (mut balance, mut journal) = host.balance();
    balance.scan(&mut journal, &Settings::default(), Strain::None, &|_| None);
    let store = balance.shown()[1].store.clone();
    let mut books = Books::open(host.state.path()).unwrap();
    books.count("/dev/b", &moment::now(&balance.root), Bytes::ZERO, false);
    let file = books.file();
    let hangs = file.lock().unwrap();
    let promise = books.reserve("/dev/b", Bytes::mib(1));
    let written = || fs::read(host.tree.path().join("sys/block/zram1/writeback")).unwrap();
    runtime.block_on(async {
        balance.flights.start(store, Task::Sink(job(&balance.root, &Settings::default()), promise));
        books.count("/dev/b", &moment::now(&balance.root), Bytes::ZERO, true);
        let soon = tokio::time::Instant::now() + Duration::from_millis(20);
        assert!(!balance.drain(soon).await, "it waits for its disk");
    });
    assert!(written().is_empty());
    drop(hangs);
    runtime.block_on(balance.ended()).unwrap();
    assert!(!written().is_empty() && host.state.path().join("endurance").exists());
}

fn job(root: &Root, settings: &Settings) -> Job {
    Job {
        root: root.clone(),
        device: "zram1".into(),
        slots: Bytes::mib(10),
        amount: Bytes::mib(1),
        page: Bytes::pages(1),
        from: Some(settings.min_age * 2),
        min_age: settings.min_age,
        pages: Pages::All,
        rate: settings.rate,
        time: Duration::from_hours(1),
    }
}
