//! The doors on a real kernel: each test makes cgroups of its own, so it runs in a machine of the lab and
//! nowhere else.
//!
//! ```text
//! cargo test -p lowtide-mglru --test kernel --no-run      # says where the program is
//! cargo xtask lab run --kernel 6.1 --deterministic --sealed --cpus 1 --memory 1G --program PROGRAM \
//!     -- kernel-… --ignored --test-threads 1 --nocapture
//! ```
//!
//! With `--cxl 256M` there is a second node, and the readings come in pieces that have to be put together.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking that it failed")]

mod machine;

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use lowtide_core::{Bytes, Cohort};
use lowtide_mglru::{Error, Memcg, MemcgId, Support, Target, cohorts};
use machine::{Cgroup, SECOND, host, lru_gen, near, release, run, sleep, swap_off, swap_on};

const HOT: Bytes = Bytes::mib(44);
const WARM: Bytes = Bytes::mib(26);
const COLD: Bytes = Bytes::mib(130);

/// Walks every eight seconds, which the tenant's hot part is always touched in, the warm one in every other,
/// the cold one never.
fn ages_are_true(name: &str, arguments: &str, missed: Bytes, size: impl Fn(&Cohort) -> Bytes) {
    let near = |found, expected| near(found, expected, missed);
    let lru_gen = lru_gen();
    let mut cgroup = Cgroup::new(name);
    cgroup.tenant(&format!("--hot 44M --warm 26M --cold 130M --warm-every 15s --pause 20ms {arguments}"));
    let mut warm_seen_apart = 0;
    for walked in 1..=8 {
        let (walk, memcg) = cgroup.age(&lru_gen);
        let cohorts = cohorts([&memcg]);
        let sum = |wanted: &dyn Fn(&Cohort) -> bool| -> Bytes {
            cohorts.iter().filter(|cohort| wanted(cohort)).map(&size).sum()
        };
        let open = sum(&|cohort| cohort.oldest.is_none());
        let recent = sum(&|cohort| cohort.youngest.is_zero() && cohort.oldest.is_some());
        let between = sum(&|cohort| !cohort.youngest.is_zero() && cohort.oldest.is_some());
        let mib = |bytes: Bytes| bytes.as_f64() / 1_048_576.0;
        eprintln!(
            "walk {walked}: {:?}; open-ended {:.2}, between {:.2}, recent {:.2} MiB",
            walk.cpu,
            mib(open),
            mib(between),
            mib(recent)
        );
        assert!(near(open + between + recent, HOT + WARM + COLD), "{cohorts:?}");
        if walked >= 4 {
            assert!(near(open, COLD), "{cohorts:?}");
            let oldest =
                cohorts.iter().filter(|cohort| cohort.oldest.is_none()).map(|cohort| cohort.youngest);
            assert!(oldest.min().unwrap() >= 14 * SECOND, "{cohorts:?}");
            if near(between, WARM) {
                assert!(near(recent, HOT), "{cohorts:?}");
                warm_seen_apart += 1;
            } else {
                assert!(near(recent, HOT + WARM), "{cohorts:?}");
            }
        }
        sleep(8.0 - walk.begun.elapsed().as_secs_f64().min(7.9));
    }
    assert!(warm_seen_apart > 0, "the warm part was always hot");
}

#[test]
#[ignore = "needs a machine of the lab"]
fn ages_of_anonymous_memory_are_true_without_swap() {
    swap_off();
    ages_are_true("without-swap", "", Bytes::mib(3), |cohort| cohort.size.anon);
}

#[test]
#[ignore = "needs a machine of the lab"]
fn ages_of_anonymous_memory_are_true_with_swap() {
    swap_on();
    ages_are_true("with-swap", "", Bytes::mib(3), |cohort| cohort.size.anon);
}

#[test]
#[ignore = "needs a machine of the lab"]
fn ages_of_mapped_files_are_true() {
    run("modprobe brd rd_nr=1 rd_size=307200 && mkfs.ext4 -q /dev/ram0");
    run("mkdir -p /mnt/files && mount -t ext4 /dev/ram0 /mnt/files");
    ages_are_true("files", "--file /mnt/files --file-part all", Bytes::mib(20), |cohort| cohort.size.file);
    // It holds the page cache that the tenant had mapped.
    run("umount /mnt/files");
}

/// What a trial with own memory says is what happens to others.
#[test]
#[ignore = "needs a machine of the lab"]
fn a_touch_after_a_long_time_is_noticed_where_the_trial_says_so() {
    let lru_gen = lru_gen();
    let own = Cgroup::new("own");
    own.enter();
    let verdict = lru_gen.notices_first_touch(&own.place()).unwrap();
    fs::write("/sys/fs/cgroup/cgroup.procs", "0").unwrap();
    // The memory of somebody else's cgroup is not ours.
    assert_eq!(lru_gen.notices_first_touch(&own.place()), Ok(None));
    assert_eq!(lru_gen.notices_first_touch(&("/nobody".into(), own.place().1)), Ok(None));

    let mut cgroup = Cgroup::new("long");
    cgroup.tenant("--hot 4M --warm 1M --cold 60M --warm-every 1h --pause 20ms");
    let recent = || -> Bytes {
        let cohorts = cohorts([&cgroup.age(&lru_gen).1]);
        let recent = cohorts.iter().filter(|cohort| cohort.youngest.is_zero() && cohort.oldest.is_some());
        recent.map(|cohort| cohort.size.anon).sum()
    };
    for _ in 0..5 {
        recent();
        sleep(2.0);
    }
    assert!(recent() < Bytes::mib(12));
    cgroup.touch_all();
    let noticed = recent();
    eprintln!("{verdict:?}: {noticed:?} of 65 MiB");
    assert_eq!(verdict, Some(noticed > Bytes::mib(58)));
    assert!(noticed > Bytes::mib(58) || noticed < Bytes::mib(12));
    assert!(verdict == Some(true) || release() > (6, 12));
}

#[test]
#[ignore = "needs a machine of the lab"]
fn a_walk_costs_by_what_is_mapped() {
    let lru_gen = lru_gen();
    let mut cgroup = Cgroup::new("cost");
    let mut costs = Vec::new();
    for mib in [64, 256] {
        cgroup.tenant(&format!("--hot 1M --warm 1M --cold {mib}M --warm-every 1h --pause 1s"));
        cgroup.age(&lru_gen);
        let size = cgroup.of(&lru_gen.read().unwrap()).unwrap()[0].nodes[0].size().total();
        let cpu: Duration = (0..4).map(|_| cgroup.age(&lru_gen).0.cpu).sum::<Duration>() / 4;
        let per_gib = cpu.as_secs_f64() * Bytes::mib(1024).as_f64() / size.as_f64();
        eprintln!("{size:?}: {cpu:?} a walk, {:.2} ms a GiB", per_gib * 1e3);
        costs.push(per_gib);
    }
    assert!(costs.iter().all(|cost| (0.000_01..0.5).contains(cost)), "{costs:?}");
}

#[test]
#[ignore = "needs a machine of the lab"]
fn a_number_that_is_not_the_youngest() {
    let lru_gen = lru_gen();
    let mut cgroup = Cgroup::new("stale");
    cgroup.tenant("--hot 1M --warm 1M --cold 1M");
    let old = cgroup.due(&lru_gen);
    cgroup.age(&lru_gen);
    sleep(1.0);
    // Ignored without a word, or done nevertheless: what was confirmed is what happened.
    let walk = lru_gen.age(old).unwrap();
    let reading = lru_gen.read().unwrap();
    let node = &cgroup.of(&reading).unwrap()[0].nodes[0];
    let walked = node.youngest().unwrap().seq > old.seq + 1;
    let stale = Error::Stale { memcg: old.memcg, node: old.node, asked: old.seq };
    assert_eq!(walk.confirm(Some(node), reading.at), if walked { Ok(()) } else { Err(stale) });
    eprintln!("a stale number is {}", if walked { "walked nevertheless" } else { "ignored" });

    let now = cgroup.due(&lru_gen);
    let Target { memcg, node, seq: youngest } = now;
    let asked = youngest + 1;
    let future = Error::Future { memcg, node, asked, youngest };
    assert_eq!(lru_gen.age(Target { seq: asked, ..now }), Err(future.clone()));
    assert_eq!(lru_gen.evict(Target { seq: asked, ..now }, 60, Bytes::mib(1)), Err(future));
    for asked in [youngest, youngest - 1] {
        let young = Error::TooYoung { memcg, node, asked, youngest };
        assert_eq!(lru_gen.evict(Target { seq: asked, ..now }, 60, Bytes::mib(1)), Err(young));
    }
    assert!(lru_gen.evict(Target { seq: youngest - 2, ..now }, 60, Bytes::ZERO).is_ok());
    assert_eq!(cgroup.due(&lru_gen), now);
    let elsewhere = Target { node: 7, ..now };
    assert_eq!(lru_gen.age(elsewhere), Err(Error::Gone { memcg, node: 7 }));
}

#[test]
#[ignore = "needs a machine of the lab"]
fn a_removed_cgroup() {
    let lru_gen = lru_gen();
    let mut cgroup = Cgroup::new("removed");
    cgroup.tenant("--hot 1M --warm 1M --cold 1M");
    let target = cgroup.due(&lru_gen);
    cgroup.remove();
    // Up to 6.19 the number goes with a work item, a moment later.
    let error = (0..100).find_map(|_| {
        sleep(0.05);
        lru_gen.age(target).err()
    });
    let error = error.unwrap();
    assert!(error.is_gone(), "{error}");
    assert!(lru_gen.evict(Target { seq: 0, ..target }, 60, Bytes::mib(1)).unwrap_err().is_gone());
    let nobody = Target { memcg: MemcgId(60_000), ..target };
    assert_eq!(lru_gen.age(nobody), Err(Error::Gone { memcg: nobody.memcg, node: nobody.node }));
}

/// Pages of a removed cgroup, and a new one with its path.
#[test]
#[ignore = "needs a machine of the lab"]
fn a_cgroup_that_was_made_again() {
    let lru_gen = lru_gen();
    swap_on();
    for swapped in [false, true] {
        let mut cgroup = Cgroup::new("made again");
        cgroup.leave("left", 6);
        for _ in 0..3 {
            cgroup.age(&lru_gen);
        }
        if swapped {
            cgroup.write("memory.reclaim", "4M").unwrap();
        }
        let old = cgroup.due(&lru_gen);
        let old_place = cgroup.place();
        cgroup.remove();
        sleep(0.5);
        let again = Cgroup::new("made again");
        let reading = lru_gen.read().unwrap();
        let same_path: Vec<&Memcg> =
            reading.memcgs.iter().filter(|memcg| *memcg.path == *again.place().0).collect();
        eprintln!("swapped {swapped}: {:?}", same_path.iter().map(|memcg| memcg.id.0).collect::<Vec<_>>());
        let found = again.of(&reading).unwrap();
        assert_eq!(found.len(), 1);
        // A new one has generations 0 to 3, and nothing in them.
        assert_eq!(found[0].nodes[0].youngest().unwrap().seq, 3);
        assert!(found[0].nodes[0].size().total().is_zero());
        assert!(old.seq >= 6);
        assert!(lowtide_mglru::identify(&reading.memcgs, &[old_place], &[again.place()]).is_empty());
        fs::remove_file("/dev/shm/left").unwrap();
    }
}

/// What is left of a child counts for its parent, as in memory.current.
#[test]
#[ignore = "needs a machine of the lab"]
fn what_a_removed_child_left_belongs_to_its_parent() {
    let lru_gen = lru_gen();
    let parent = Cgroup::new("parent");
    parent.write("cgroup.subtree_control", "+memory").unwrap();
    let mut child = Cgroup::new("parent/child");
    child.leave("left", 8);
    let _sibling = Cgroup::new("parent-2");
    let total = |memcgs: &[Memcg]| -> Bytes {
        memcgs.iter().flat_map(|memcg| &memcg.nodes).map(|node| node.size().anon).sum()
    };
    let reading = lru_gen.read().unwrap();
    assert_eq!(parent.of(&reading).unwrap().len(), 2);
    child.remove();
    sleep(0.5);
    let reading = lru_gen.read().unwrap();
    let memcgs = parent.of(&reading).unwrap();
    eprintln!("{:?}", memcgs.iter().map(|memcg| (memcg.id.0, &memcg.path)).collect::<Vec<_>>());
    assert!(near(total(memcgs), Bytes::mib(8), Bytes::ZERO), "{memcgs:?}");
    assert!(near(total(memcgs), Bytes::new(parent.stat("anon") + parent.stat("shmem")), Bytes::ZERO));
    fs::remove_file("/dev/shm/left").unwrap();
}

#[test]
#[ignore = "needs a machine of the lab"]
fn eviction_takes_the_oldest() {
    let lru_gen = lru_gen();
    swap_on();
    let mut cgroup = Cgroup::new("evict");
    cgroup.tenant("--hot 20M --warm 1M --cold 60M --warm-every 1h");
    for _ in 0..4 {
        cgroup.age(&lru_gen);
        sleep(2.0);
    }
    let (_, memcg) = cgroup.age(&lru_gen);
    let node = &memcg.nodes[0];
    let (oldest, youngest) = (node.generations[0], *node.youngest().unwrap());
    let before = cgroup.stat("anon");
    let target = Target { memcg: memcg.id, node: node.id, seq: oldest.seq };
    let eviction = lru_gen.evict(target, 200, Bytes::mib(16)).unwrap();
    let taken = before - cgroup.stat("anon");
    eprintln!("16 MiB asked, {taken} bytes taken, {eviction:?}");
    assert!(eviction.cpu > Duration::ZERO && eviction.wall >= eviction.cpu / 2);
    // Up to 6.12 the last batch may go over.
    assert!((Bytes::mib(15).get()..=Bytes::mib(32).get()).contains(&taken));
    let (_, after) = cgroup.age(&lru_gen);
    let kept: Bytes =
        cohorts([&after]).iter().filter(|cohort| cohort.oldest.is_none()).map(|c| c.size.anon).sum();
    let left = oldest.size.anon - Bytes::new(taken);
    assert!(near(kept, left, Bytes::mib(3)), "{kept:?} of the cold part is left, not {left:?}");
    assert!(after.nodes[0].youngest().unwrap().seq > youngest.seq);
}

/// Also how long a reading takes, by the number of cgroups.
#[test]
#[ignore = "needs a machine of the lab"]
fn many_cgroups() {
    let lru_gen = lru_gen();
    let mut cgroups = Vec::new();
    for count in [100, 400] {
        for name in &machine::names("many", count)[cgroups.len()..] {
            cgroups.push(Cgroup::new(name));
        }
        let cpu = lowtide_kernfs::thread_cpu().unwrap();
        let reading = lru_gen.read().unwrap();
        let cpu = lowtide_kernfs::thread_cpu().unwrap().saturating_sub(cpu);
        eprintln!("{} memcgs: {cpu:?}, {} torn", reading.memcgs.len(), reading.torn);
        let found = cgroups.iter().filter(|cgroup| cgroup.of(&reading).is_some()).count();
        assert_eq!((found, reading.torn, reading.unreadable), (count, 0, 0));
    }
}

/// The nodes of a memcg are its own, however many cgroups come and go while they are read.
#[test]
#[ignore = "needs a machine of the lab"]
fn cgroups_that_come_and_go() {
    let lru_gen = lru_gen();
    let comes_and_goes = machine::names("churn", 6);
    let churn = |remove: bool| {
        for name in comes_and_goes.iter() {
            let path = format!("/sys/fs/cgroup/{name}");
            if remove { fs::remove_dir(path).unwrap() } else { fs::create_dir(path).unwrap() }
        }
    };
    churn(false);
    let cgroups: Vec<Cgroup> = machine::names("stays", 60).iter().map(|name| Cgroup::new(name)).collect();
    // Each is known by how many generations its last node has seen.
    for (index, cgroup) in cgroups.iter().enumerate() {
        for _ in 0..index % 7 {
            let memcg = cgroup.of(&lru_gen.read().unwrap()).unwrap()[0].clone();
            lru_gen.age(memcg.walks().last().unwrap()).unwrap();
        }
    }
    let stop = AtomicBool::new(false);
    let (mut readings, mut wrong, mut missing) = (0, Vec::new(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                churn(true);
                churn(false);
            }
        });
        while readings < 40 {
            let Ok(reading) = lru_gen.read() else { break };
            readings += 1;
            for (index, cgroup) in cgroups.iter().enumerate() {
                let Some(found) = cgroup.of(&reading) else {
                    missing += 1;
                    continue;
                };
                let youngest = found[0].nodes.last().and_then(|node| node.youngest());
                if youngest.map(|youngest| youngest.seq) != Some(3 + index as u64 % 7) {
                    wrong.push((readings, cgroup.name.clone(), youngest.copied()));
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!((readings, wrong), (40, vec![]));
    eprintln!("{readings} readings, {missing} of {} times not found", readings * cgroups.len());
    assert!(missing * 20 < readings * cgroups.len());
}

#[test]
#[ignore = "needs a machine of the lab"]
fn probe_says_what_is_missing() {
    const CHILD: &str = "LOWTIDE_TEST_AS_NOBODY";
    if std::env::var_os(CHILD).is_some() {
        let support = Support::probe(&host()).unwrap();
        assert_eq!(support, Support::Denied { errno: lowtide_kernfs::Errno::EACCES });
        return;
    }
    let lru_gen = lru_gen();
    let switch = |text| fs::write("/sys/kernel/mm/lru_gen/enabled", text).unwrap();
    let probe = || Support::probe(&host()).unwrap();
    assert!(probe().is_available(), "{}", probe());
    for (text, off) in [("n", true), ("0x5", false), ("y", false)] {
        switch(text);
        assert_eq!(matches!(probe(), Support::Off { .. }), off, "{}", probe());
        assert_eq!(matches!(probe(), Support::NoWalks { .. }), text == "0x5", "{}", probe());
        let read = lru_gen.read();
        assert_eq!(read.is_err(), off);
        assert!(read.map_or_else(|error| matches!(error, Error::Unavailable(_)), |_| true));
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    std::os::unix::process::CommandExt::uid(&mut command, 65_534);
    command.args(["--ignored", "--exact", "probe_says_what_is_missing"]).env(CHILD, "1");
    assert!(command.status().unwrap().success());

    run("while umount /sys/kernel/debug/tracing 2>/dev/null; do :; done; umount /sys/kernel/debug");
    assert_eq!(probe(), Support::NotMounted);
    assert_eq!(lru_gen.read(), Err(Error::Unavailable(Support::NotMounted)));
    run(probe().remedy().unwrap());
    assert!(probe().is_available(), "{}", probe());
}

/// The last one: a kernel that is locked down stays so.
#[test]
#[ignore = "needs a machine of the lab"]
fn z_a_kernel_that_is_locked_down() {
    let lru_gen = lru_gen();
    run("test -e /sys/kernel/security/lockdown || mount -t securityfs securityfs /sys/kernel/security");
    fs::write("/sys/kernel/security/lockdown", "integrity").unwrap();
    assert_eq!(Support::probe(&host()), Ok(Support::LockedDown));
    assert_eq!(lru_gen.read(), Err(Error::Unavailable(Support::LockedDown)));
    let target = Target { memcg: MemcgId(1), node: 0, seq: 3 };
    assert_eq!(lru_gen.age(target), Err(Error::Unavailable(Support::LockedDown)));
}
