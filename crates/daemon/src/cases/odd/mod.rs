//! The whole loop while one tenant's files, or the host's, are anything at all: it goes on, and nobody else
//! is decided on otherwise.

mod change;
mod host;

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    time::Duration,
};

use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestCaseError, TestRunner},
};

use lowtide_core::Action;

use change::{Change, change};
use host::{Decided, Host};

use super::Tree;

/// A turn takes some milliseconds, on a tree that a tenant has made deep some hundred.
const PATIENCE: Duration = Duration::from_mins(1);
const TURNS: usize = 40;

/// The odd tenant's cgroups, and the files of each that the loop reads.
const TENANT: &[&str] = &["sys/fs/cgroup/odd/a", "sys/fs/cgroup/odd/b", "sys/fs/cgroup/odd"];
const OF_A_CGROUP: &[&str] = &[
    "memory.stat",
    "memory.current",
    "memory.swap.current",
    "memory.swap.max",
    "memory.swap.high",
    "memory.min",
    "memory.low",
    "memory.zswap.max",
    "memory.zswap.writeback",
    "memory.pressure",
    "io.pressure",
    "io.stat",
    "cpu.stat",
    "memory.numa_stat",
    "cgroup.events",
    "cgroup.controllers",
    "cgroup.procs",
    "memory.reclaim",
];
/// The host's own.
const OF_THE_HOST: &[&str] = &[
    "proc/swaps",
    "proc/meminfo",
    "proc/vmstat",
    "proc/zoneinfo",
    "proc/self/mountinfo",
    "proc/self/cgroup",
    "proc/pressure/memory",
    "sys/block/zram0/mm_stat",
    "sys/block/zram0/bd_stat",
    "sys/block/zram0/initstate",
    "sys/block/zram0/disksize",
    "sys/module/zswap/parameters/enabled",
    "sys/module/zswap/parameters/max_pool_percent",
    "sys/devices/system/node/has_cpu",
    "sys/devices/system/node/has_memory",
    "sys/devices/virtual/memory_tiering/memory_tier4/nodelist",
    "sys/kernel/mm/numa/demotion_enabled",
    "sys/kernel/mm/lru_gen/enabled",
    "sys/kernel/debug/lru_gen",
    "sys/fs/cgroup/memory.stat",
    "sys/fs/cgroup/cgroup.controllers",
];

/// Before each turn a few of them.
type Script = Vec<Vec<Change>>;

fn script(places: Vec<String>) -> impl Strategy<Value = Script> {
    prop::collection::vec(prop::collection::vec(change(places), 0..4), TURNS)
}

fn of_the_tenant() -> Vec<String> {
    let files =
        |cgroup: &&str| OF_A_CGROUP.iter().map(move |file| format!("{cgroup}/{file}")).collect::<Vec<_>>();
    let files = TENANT.iter().flat_map(files);
    files.chain(TENANT.iter().map(|cgroup| (*cgroup).to_owned())).collect()
}

fn of_the_host() -> Vec<String> {
    OF_THE_HOST.iter().map(|file| (*file).to_owned()).collect()
}

/// What was decided on everybody but the odd tenant, turn by turn; `None` where the host could not be looked
/// at.
type Played = Vec<Option<BTreeMap<String, Decided>>>;

/// On a thread of its own: a turn that never ends is to be told from one that takes long.
fn play(captured: &Arc<Tree>, script: Script, others: bool) -> Result<Played, TestCaseError> {
    let (turned, turns) = mpsc::channel();
    // And one when all is as it was.
    let count = script.len() + 1;
    let captured = Arc::clone(captured);
    let host = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut host = Host::set(captured, others);
            for changes in &script {
                for change in changes {
                    host.change(change);
                }
                let _ = turned.send(host.turn().await);
            }
            let _ = turned.send(host.recover().await);
            host.end().await;
        });
    });
    let mut played = Played::new();
    while played.len() < count {
        match turns.recv_timeout(PATIENCE) {
            Ok(decided) => played.push(decided),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err(TestCaseError::fail(format!("turn {} does not end", played.len() + 1)));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    host.join().map_err(|_| TestCaseError::fail(format!("turn {} panics", played.len() + 1)))?;
    Ok(played)
}

/// The same scripts on each run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` ask for others, and more.
fn bounded() -> ProptestConfig {
    let given = ProptestConfig::default();
    let asked_for = |name| std::env::var_os(name).is_some();
    ProptestConfig {
        cases: if asked_for("PROPTEST_CASES") { given.cases } else { 3 },
        rng_seed: if asked_for("PROPTEST_RNG_SEED") { given.rng_seed } else { RngSeed::Fixed(11) },
        max_shrink_time: 20_000,
        ..given
    }
}

/// Kinds 4, 5 and 6.
#[test]
fn a_tenant_decides_on_itself_alone() {
    let captured = Arc::new(host::captured());
    let nothing = play(&captured, vec![Vec::new(); TURNS], true).unwrap();
    let reclaims = |decided: &Option<BTreeMap<String, Decided>>| {
        let actions = decided.iter().flat_map(BTreeMap::values).map(|(action, _)| action);
        actions.filter(|action| matches!(action, Action::Reclaim { .. })).count()
    };
    assert_eq!(nothing.iter().map(reclaims).max(), Some(3), "something is decided on");
    let mut runner = TestRunner::new(bounded());
    let result = runner.run(&script(of_the_tenant()), |script| {
        for (turn, (odd, even)) in play(&captured, script, true)?.iter().zip(&nothing).enumerate() {
            prop_assert_eq!(odd, even, "turn {}", turn + 1);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Kind 4.
#[test]
fn whatever_the_host_says_the_loop_goes_on() {
    let captured = Arc::new(host::captured());
    let mut runner = TestRunner::new(bounded());
    let result = runner.run(&script([of_the_host(), of_the_tenant()].concat()), |script| {
        let last = play(&captured, script, false)?.pop().flatten();
        prop_assert_eq!(last.map(|decided| decided.len()), Some(3), "it comes back to everybody");
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
