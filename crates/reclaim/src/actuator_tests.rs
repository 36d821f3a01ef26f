use std::{fs, path::Path, time::Instant};

use lowtide_cgroup::Mount;
use lowtide_kernfs::Root;
use lowtide_testing::full_pipe;

use super::*;

/// A hierarchy in which a write to memory.reclaim of `hangs` does not come back: it is a pipe that is full,
/// and nobody reads it.
fn tree(hangs: &'static [&'static str], others: &[&str]) -> (Tree, Mount, Actuator) {
    let directory = tempfile::tempdir().unwrap();
    let mut pipes = Vec::new();
    let top = directory.path().join("sys/fs/cgroup");
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/6.12/sys/fs/cgroup/web/api");
    for path in hangs.iter().chain(others) {
        let place = top.join(path.trim_start_matches('/'));
        fs::create_dir_all(&place).unwrap();
        for entry in fs::read_dir(&fixture).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), place.join(entry.file_name())).unwrap();
            }
        }
        if hangs.contains(path) {
            let reclaim = place.join("memory.reclaim");
            let _ = fs::remove_file(&reclaim);
            pipes.push(full_pipe(&reclaim));
        }
    }
    let root = Root::open(directory.path()).unwrap();
    let mount = Mount::find_unchecked(&root).unwrap();
    let actuator = Actuator { hangs: Duration::from_millis(200), ..Actuator::new(root) };
    (Tree { _directory: directory, _pipes: pipes }, mount, actuator)
}

/// What hangs is let go with the pipes: the runtime waits for its threads, also where a test has failed.
struct Tree {
    _directory: tempfile::TempDir,
    _pipes: Vec<fs::File>,
}

fn job() -> Job {
    Job::Reclaim(Request { amount: Bytes::mib(1), swappiness: Some(0) }, Scope::File)
}

/// Kind 2: they held all four slots, and the others' requests were `in_flight` for ever, without a word.
#[tokio::test]
async fn four_hung_writes_of_one_tenant_hold_up_no_other() {
    let hangs = &["/tenants/bad/0", "/tenants/bad/1", "/tenants/bad/2", "/tenants/bad/3"];
    let (tree, mount, mut actuator) = tree(hangs, &["/tenants/bad/4", "/tenants/good"]);
    let mut ids = Vec::new();
    for path in hangs.iter().chain(&["/tenants/bad/4", "/tenants/good"]) {
        let cgroup = mount.open(path).unwrap().unwrap();
        ids.push(cgroup.id());
        actuator.start(cgroup, job(), false);
    }
    let (same, other) = (ids[4], ids[5]);
    let begun = Instant::now();
    let has_begun = |id: &CgroupId| actuator.pending(*id) == Pending::InFlight;
    while !ids[..4].iter().all(has_begun) {
        assert!(begun.elapsed() < Duration::from_secs(10), "there are four slots");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((actuator.pending(same), actuator.pending(other)), (Pending::Queued, Pending::Queued));
    assert_eq!(actuator.queued(), 2);
    // What only waits ends when it is told to.
    actuator.stop(same);
    let begun = Instant::now();
    while actuator.pending(other) != Pending::Nothing || actuator.pending(same) != Pending::Nothing {
        assert!(begun.elapsed() < Duration::from_secs(10), "another tenant waits for what hangs");
        tokio::time::sleep(Duration::from_millis(20)).await;
        actuator.collect();
    }
    assert_eq!(actuator.pending(ids[0]), Pending::InFlight);
    // All four began at about the same time; each is said to hang by its own.
    let begun = Instant::now();
    while actuator.hanging().len() < 4 && begun.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let found = actuator.hanging();
    assert!(found.len() == 4 && found.iter().all(|one| one.path.starts_with("/tenants/bad/")), "{found:?}");
    drop(tree);
    actuator.drain().await;
    assert!(actuator.hanging().is_empty());
}
