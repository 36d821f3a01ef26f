//! The doors on a real kernel: each test makes cgroups of its own, so it runs in a machine of the lab and
//! nowhere else.
//!
//! ```text
//! cargo test -p lowtide-cgroup --test kernel --no-run      # says where the program is
//! cargo xtask lab run --kernel 6.1 --disk 256M -- PROGRAM --ignored --test-threads 1
//! ```

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking that it failed")]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use lowtide_cgroup::{Cgroup, Descend, Error, Mount, Request, own_path};
use lowtide_core::Bytes;
use lowtide_kernfs::{Files, Root};
use lowtide_psi::{ArmError, Event, Kind, Resource, Trigger};

const SECOND: Duration = Duration::from_secs(1);

fn mount() -> Mount {
    assert!(fs::exists("/run/lab").unwrap(), "only in a machine of the lab");
    let mount = Mount::find(&Root::open("/").unwrap()).unwrap();
    fs::write(mount.path().join("cgroup.subtree_control"), "+memory").unwrap();
    mount
}

/// A cgroup that is removed at the end of the test.
struct Made(PathBuf, Vec<Child>);

impl Made {
    fn new(mount: &Mount, name: &str) -> Self {
        let path = mount.path().join(name);
        fs::create_dir(&path).unwrap();
        Self(path, vec![])
    }

    fn open(&self, mount: &Mount) -> Cgroup {
        let path = self.0.strip_prefix(mount.path()).unwrap();
        mount.open(path.to_str().unwrap()).unwrap().unwrap()
    }

    /// Runs a program in it and waits until it says something.
    fn run(&mut self, program: &str, arguments: &[&str]) {
        let enter = format!("echo $$ > {}/cgroup.procs; exec \"$@\"", self.0.display());
        let mut command = Command::new("sh");
        command.args(["-c", &enter, "sh", program]).args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        self.1.push(child);
    }

    fn tenant(&mut self, megabytes: u32) {
        let script = format!("$x = 'noise' x ({megabytes} * 209715); $| = 1; print 'y'; sleep 1000");
        self.run("perl", &["-e", &script]);
    }

    fn remove(&mut self) {
        for child in &mut self.1 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.1.clear();
        // A killed process leaves its cgroup a moment after it was waited for.
        for _ in 0..50 {
            match fs::remove_dir(&self.0) {
                Ok(()) => return,
                Err(_) if !self.0.exists() => return,
                Err(_) => std::thread::sleep(SECOND / 10),
            }
        }
        panic!("{} stays busy", self.0.display());
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.0.exists() && !std::thread::panicking() {
            self.remove();
        }
    }
}

fn swap_on() {
    if fs::read_to_string("/proc/swaps").unwrap().lines().count() > 1 {
        return;
    }
    for command in ["mkswap /dev/vda", "swapon /dev/vda"] {
        assert!(Command::new("sh").args(["-c", command]).stdout(Stdio::null()).status().unwrap().success());
    }
}

fn release() -> (u32, u32) {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = text.split('.').map(|part| part.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
#[ignore = "needs a machine of the lab"]
fn the_mount_is_found_and_checked() {
    let mount = mount();
    assert_eq!(mount.path(), "/sys/fs/cgroup");
    assert_eq!(own_path(&Root::open("/").unwrap()).unwrap().as_deref(), Some("/"));
    let root = mount.root().unwrap();
    let memory = root.memory().unwrap();
    assert!(memory.current > memory.stat.anon && memory.takeable() <= memory.footprint());
    assert_eq!(root.populated(), Ok(Some(true)));
}

#[test]
#[ignore = "needs a machine of the lab"]
fn the_link_count_says_how_many_stand_below() {
    let mount = mount();
    let parent = Made::new(&mount, "links");
    let subdirs = || parent.open(&mount).dir().inode_and_subdirs().unwrap().1;
    assert_eq!(subdirs(), Some(0));
    let mut child = Made::new(&mount, "links/child");
    let _other = Made::new(&mount, r"links/a\x2db");
    assert_eq!(subdirs(), Some(2));
    child.remove();
    assert_eq!(subdirs(), Some(1));
    let mut seen = vec![];
    mount
        .walk(|cgroup| {
            seen.push(cgroup.path().to_string());
            Descend::Yes
        })
        .unwrap();
    assert!(seen.contains(&r"/links/a\x2db".to_owned()), "{seen:?}");
}

#[test]
#[ignore = "needs a machine of the lab"]
fn a_new_cgroup_at_an_old_path_is_another_one() {
    let mount = mount();
    let mut made = Made::new(&mount, "again");
    let old = made.open(&mount);
    made.remove();
    assert_eq!((old.exists(), old.populated()), (Ok(false), Ok(None)));
    assert!(old.memory().unwrap_err().is_gone());
    assert_eq!(old.pressure(Resource::Memory), Ok(None));
    let made = Made::new(&mount, "again");
    assert!(old.memory().unwrap_err().is_gone());
    assert_ne!(made.open(&mount).id(), old.id());
    assert!(matches!(mount.open_as("/again", old.id()), Err(Error::Replaced { .. })));
    let request = Request { amount: Bytes::mib(1), swappiness: None };
    assert!(old.reclaim(request, &mut || true).unwrap().vanished);
}

#[test]
#[ignore = "needs a machine of the lab"]
fn the_swappiness_probe_is_right_and_reclaims_nothing() {
    let mount = mount();
    swap_on();
    let mut made = Made::new(&mount, "probe");
    made.tenant(20);
    let cgroup = made.open(&mount);
    let before = cgroup.memory().unwrap();
    assert_eq!(cgroup.takes_swappiness(), Ok(release() >= (6, 12)));
    let after = cgroup.memory().unwrap();
    assert_eq!((before.stat.scanned, before.stat.stolen), (after.stat.scanned, after.stat.stolen));
    assert_eq!(after.swap_current, Some(Bytes::ZERO));

    let request = Request { amount: Bytes::mib(4), swappiness: Some(60) };
    match cgroup.reclaim(request, &mut || true) {
        Ok(effect) => assert!(release() >= (6, 12) && effect.freed > Bytes::mib(3), "{effect:?}"),
        Err(error) => assert!(matches!(error, Error::SwappinessUnsupported { .. }) && release() < (6, 12)),
    }
}

#[test]
#[ignore = "needs a machine of the lab"]
fn reclaim_does_what_it_says() {
    let mount = mount();
    swap_on();
    let mut made = Made::new(&mount, "reclaim");
    made.tenant(60);
    let cgroup = made.open(&mount);
    let request = |megabytes| Request { amount: Bytes::mib(megabytes), swappiness: None };

    let effect = cgroup.reclaim(request(16), &mut || true).unwrap();
    eprintln!("16 MiB: {effect:?}");
    assert_eq!(effect.requested, Bytes::mib(16));
    // Some of it was page cache of the program itself.
    assert!(effect.freed > Bytes::mib(14) && effect.offloaded > Bytes::mib(8));
    assert!(effect.cpu > Duration::ZERO && effect.wall >= effect.cpu / 2);

    // In how many chunks depends on how fast the machine is.
    let effect = cgroup.reclaim(request(500), &mut || true).unwrap();
    eprintln!("500 MiB: {effect:?}");
    assert!(effect.partial && effect.requested < Bytes::mib(200));

    fs::write(made.0.join("memory.swap.max"), "0").unwrap();
    let effect = cgroup.reclaim(request(16), &mut || true).unwrap();
    eprintln!("no swap allowed: {effect:?}");
    assert!(effect.partial && effect.offloaded.is_zero());

    made.1[0].kill().unwrap();
    made.1[0].wait().unwrap();
    while cgroup.populated().unwrap() == Some(true) {
        std::thread::sleep(SECOND / 20);
    }
    let effect = cgroup.reclaim(request(16), &mut || true).unwrap();
    assert_eq!((effect.requested, effect.stopped), (Bytes::ZERO, true));
}

#[test]
#[ignore = "needs a machine of the lab"]
fn triggers_fire_go_and_are_refused() {
    let mount = mount();
    let mut made = Made::new(&mount, "trigger");
    let cgroup = made.open(&mount);
    let arm = |window| Trigger::arm(cgroup.dir(), "cpu.pressure", Kind::Some, SECOND / 20, window);
    let trigger = arm(SECOND).unwrap();
    let again = cgroup.dir().write_to(&trigger, "cpu.pressure", b"some 50000 1000000\0").unwrap_err();
    assert_eq!(again.errno(), Some(lowtide_kernfs::Errno::EBUSY));
    match arm(SECOND / 10) {
        Ok(_) => assert!(release() >= (6, 8)),
        Err(error) => assert!(matches!(error, ArmError::OutOfRange { .. }) && release() < (6, 8), "{error}"),
    }

    let before = cgroup.pressure(Resource::Cpu).unwrap().unwrap();
    for _ in 0..4 {
        made.run("sh", &["-c", "echo y; while :; do :; done"]);
    }
    assert_eq!(trigger.wait(Some(5 * SECOND)).unwrap(), Event::Fired);
    assert!(cgroup.pressure(Resource::Cpu).unwrap().unwrap().some > before.some);
    made.remove();
    assert_eq!(trigger.wait(Some(5 * SECOND)).unwrap(), Event::Gone);
    assert_eq!(trigger.wait(None).unwrap(), Event::Gone);
    assert!(matches!(arm(SECOND), Err(ArmError::Gone { .. })));

    let made = Made::new(&mount, "trigger-off");
    let cgroup = made.open(&mount);
    fs::write(made.0.join("cgroup.pressure"), "0").unwrap();
    assert_eq!(cgroup.pressure(Resource::Memory), Ok(None));
    let error = Trigger::arm(cgroup.dir(), "memory.pressure", Kind::Some, SECOND / 10, SECOND).unwrap_err();
    assert!(matches!(error, ArmError::Off { .. }), "{error}");
}

/// Runs itself again without the capability, which a program cannot give up for a part of itself.
#[test]
#[ignore = "needs a machine of the lab"]
fn without_the_capability() {
    const CHILD: &str = "LOWTIDE_TEST_WITHOUT_CAPABILITY";
    let mount = mount();
    if std::env::var_os(CHILD).is_none() {
        let again = ["--ignored", "--exact", "without_the_capability"];
        let mut command = Command::new("setpriv");
        command.arg("--bounding-set").arg("-sys_resource").arg(std::env::current_exe().unwrap());
        assert!(command.args(again).env(CHILD, "1").status().unwrap().success());
        return;
    }
    let made = Made::new(&mount, "unprivileged");
    let cgroup = made.open(&mount);
    let arm = |window| Trigger::arm(cgroup.dir(), "memory.pressure", Kind::Some, SECOND / 10, window);
    assert!(matches!(arm(SECOND), Err(ArmError::NotPermitted { .. })));
    assert!(arm(2 * SECOND).is_ok());
}

#[test]
#[ignore = "needs a machine of the lab"]
fn the_host_file_takes_the_whole_number() {
    mount();
    let root = Root::open("/").unwrap();
    // Were the last digit lost, the window would be a tenth of the stall, and refused.
    let path = Resource::Memory.host_file();
    let trigger = Trigger::arm(&root, path, Kind::Some, SECOND, SECOND).unwrap();
    assert_eq!(trigger.wait(Some(SECOND / 10)).unwrap(), Event::TimedOut);
    assert!(lowtide_psi::read(&root, path).unwrap().is_some());
}

#[test]
#[ignore = "needs a machine of the lab"]
fn churn_is_no_error_and_leaks_nothing() {
    let mount = mount();
    let stop = AtomicBool::new(false);
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let (before, mut walks, mut vanished, mut gone) = (descriptors(), 0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let paths: Vec<_> = (0..8).map(|n| mount.path().join(format!("churn-{n}"))).collect();
            while !stop.load(Ordering::Relaxed) {
                for path in &paths {
                    fs::create_dir(path).unwrap();
                    fs::create_dir(path.join("below")).unwrap();
                }
                for path in &paths {
                    fs::remove_dir(path.join("below")).unwrap();
                    fs::remove_dir(path).unwrap();
                }
            }
        });
        let end = std::time::Instant::now() + 10 * SECOND;
        while std::time::Instant::now() < end {
            let walked = mount.walk(|cgroup| {
                if cgroup.path().contains("churn") && !cgroup.path().contains("below") {
                    match cgroup.memory() {
                        Ok(_) => {}
                        Err(error) if error.is_gone() => gone += 1,
                        Err(error) => panic!("{error}"),
                    }
                    cgroup.populated().unwrap();
                    cgroup.pressure(Resource::Io).unwrap();
                }
                Descend::Yes
            });
            vanished += walked.unwrap().vanished;
            walks += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    eprintln!("{walks} walks, {vanished} vanished while walking, {gone} while reading");
    assert_eq!(descriptors(), before);
}
