use std::{cell::RefCell, fs, path::PathBuf};

use lowtide_core::CgroupId;
use lowtide_kernfs::Root;
use tempfile::TempDir;

use crate::{Descend, Error, Mount, Walked};

fn tree(paths: &[&str]) -> (TempDir, Mount) {
    let tree = tempfile::tempdir().unwrap();
    for path in paths {
        fs::create_dir_all(tree.path().join("sys/fs/cgroup").join(path)).unwrap();
    }
    let mount = Mount::find_unchecked(&Root::open(tree.path()).unwrap()).unwrap();
    (tree, mount)
}

fn paths(mount: &Mount) -> Vec<String> {
    let mut paths = Vec::new();
    mount
        .walk(|cgroup| {
            paths.push(cgroup.path().to_string());
            Descend::Yes
        })
        .unwrap();
    paths
}

#[test]
fn parents_first_then_by_name() {
    let (_tree, mount) = tree(&["web/api", "web/cache", "a/b/c", r"sys-x\x2dy.slice", "mit leer"]);
    let expected =
        ["/", "/a", "/a/b", "/a/b/c", "/mit leer", r"/sys-x\x2dy.slice", "/web", "/web/api", "/web/cache"];
    assert_eq!(paths(&mount), expected);
}

#[test]
fn the_root_alone_is_slash() {
    let (tree, mount) = tree(&[""]);
    assert_eq!(paths(&mount), ["/"]);
    assert_eq!(mount.path(), tree.path().join("sys/fs/cgroup"));
    assert_eq!(&**mount.root().unwrap().path(), "/");
}

#[test]
fn a_branch_can_be_left_out() {
    let (_tree, mount) = tree(&["a/b/c", "d/e"]);
    let mut seen = Vec::new();
    let walked = mount.walk(|cgroup| {
        seen.push(cgroup.path().to_string());
        if &**cgroup.path() == "/a" { Descend::No } else { Descend::Yes }
    });
    assert_eq!(seen, ["/", "/a", "/d", "/d/e"]);
    assert_eq!(walked.unwrap(), Walked { visited: 4, ..Walked::default() });
}

#[test]
fn what_vanishes_meanwhile_is_no_error() {
    let (tree, mount) = tree(&["a/b", "c", "d/e", "f"]);
    let top = tree.path().join("sys/fs/cgroup");
    let walked = mount.walk(|cgroup| {
        match &**cgroup.path() {
            // It has been opened, and is gone when it is to be listed; and two that are still to be opened.
            "/a" => ["a", "c", "d"].map(|name| fs::remove_dir_all(top.join(name)).unwrap()),
            _ => [(); 3],
        };
        Descend::Yes
    });
    let walked = walked.unwrap();
    assert_eq!((walked.visited, walked.unreadable), (3, 0));
    assert!(walked.vanished >= 2, "{walked:?}");
}

#[test]
fn names_that_are_no_text_are_counted() {
    let (tree, mount) = tree(&["a"]);
    let bad: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
    fs::create_dir_all(tree.path().join("sys/fs/cgroup").join(bad).join("below")).unwrap();
    let walked = mount.walk(|_| Descend::Yes).unwrap();
    assert_eq!(walked, Walked { visited: 2, vanished: 0, unreadable: 1 });
}

#[test]
fn depth_costs_no_stack_and_no_descriptors() {
    let (tree, mount) = tree(&[""]);
    let mut path = tree.path().join("sys/fs/cgroup");
    let depth = 900;
    for _ in 0..depth {
        path.push("d");
        fs::create_dir(&path).unwrap();
    }
    let most = RefCell::new(0);
    let walked = mount.walk(|_| {
        let open = fs::read_dir("/proc/self/fd").unwrap().count();
        let mut most = most.borrow_mut();
        *most = open.max(*most);
        Descend::Yes
    });
    assert_eq!(walked.unwrap().visited, depth + 1);
    // Other tests of this process have files open too.
    assert!(*most.borrow() < 300, "{} descriptors", most.borrow());
}

#[test]
fn links_are_not_followed() {
    let (tree, mount) = tree(&["a/b"]);
    std::os::unix::fs::symlink("..", tree.path().join("sys/fs/cgroup/a/up")).unwrap();
    assert_eq!(paths(&mount), ["/", "/a", "/a/b"]);
}

#[test]
fn open_by_path_and_by_inode() {
    let (tree, mount) = tree(&["web/api"]);
    let api = mount.open("/web/api").unwrap().unwrap();
    assert_eq!(&**api.path(), "/web/api");
    assert_eq!(mount.open("web/api/").unwrap().unwrap().id(), api.id());
    assert_eq!(mount.open("/").unwrap().unwrap().id(), mount.root().unwrap().id());
    assert!(mount.open("/none").unwrap().is_none());
    assert_eq!(mount.open_as("/web/api", api.id()).unwrap().unwrap().id(), api.id());
    assert!(mount.open_as("/none", api.id()).unwrap().is_none());

    let other = CgroupId(api.id().0 + 1);
    let error = mount.open_as("/web/api", other).unwrap_err();
    let path: PathBuf = tree.path().join("sys/fs/cgroup/web/api");
    assert_eq!(error, Error::Replaced { path, found: api.id().0, expected: other.0 });
    assert!(error.is_gone());
}

#[test]
fn where_it_is_mounted() {
    let tree = tempfile::tempdir().unwrap();
    let root = Root::open(tree.path()).unwrap();
    let error = Mount::find_unchecked(&root).unwrap_err().to_string();
    assert!(error.contains("proc/self/mountinfo") && error.contains("sys/fs/cgroup"), "{error}");

    fs::create_dir_all(tree.path().join("proc/self")).unwrap();
    fs::create_dir_all(tree.path().join("sys/fs/cgroup/unified")).unwrap();
    let line = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    fs::write(tree.path().join("proc/self/mountinfo"), line).unwrap();
    let mount = Mount::find_unchecked(&root).unwrap();
    assert_eq!(mount.path(), tree.path().join("sys/fs/cgroup/unified"));
    assert!(matches!(Mount::find(&root), Err(Error::NotCgroup2 { .. })));
}
