use std::{
    cell::RefCell,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use lowtide_core::{CgroupId, left_out::Kind};
use lowtide_kernfs::Root;
use nix::unistd::{Uid, setfsuid};
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
    assert_eq!((walked.visited, walked.failed.len()), (3, 0));
    assert!(walked.vanished >= 2, "{walked:?}");
}

#[test]
fn names_that_are_no_text_are_counted() {
    let (tree, mount) = tree(&["a"]);
    let bad: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
    fs::create_dir_all(tree.path().join("sys/fs/cgroup").join(bad).join("below")).unwrap();
    let walked = mount.walk(|_| Descend::Yes).unwrap();
    assert_eq!((walked.visited, walked.left_out.count(Kind::Cgroup)), (2, 1));
    assert_eq!(walked.left_out.named()[0].why, r"/\\xff: the name is no UTF-8".replace(r"\\", r"\"));
}

/// A tree where each of `tenants` has so many children with a child of their own, and cgroup.stat says so.
fn crowded(tenants: &[(&str, usize)]) -> (TempDir, Mount) {
    let (tree, mount) = tree(&[""]);
    let top = tree.path().join("sys/fs/cgroup");
    let tell = |path: &Path, below: usize| {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join("cgroup.stat"), format!("nr_descendants {below}\nnr_dying_descendants 7\n"))
            .unwrap();
    };
    for (tenant, children) in tenants {
        for child in 0..*children {
            let child = top.join(tenant).join(child.to_string());
            tell(&child, 1);
            tell(&child.join("x"), 0);
        }
        tell(&top.join(tenant), 2 * children);
    }
    tell(&top, tenants.iter().map(|(_, children)| 1 + 2 * children).sum());
    (tree, mount)
}

fn visited(mount: &Mount, most: usize) -> (Walked, Vec<String>) {
    let mut seen = Vec::new();
    let walked = mount.walk_within(most, |cgroup| {
        seen.push(cgroup.path().to_string());
        Descend::Yes
    });
    (walked.unwrap(), seen)
}

/// Kind 1: the loop visited all that a tenant made.
#[test]
fn one_tenants_thousands_take_nobodys_place_in_a_walk() {
    let (_tree, mount) = crowded(&[("a-evil", 400), ("good", 3), ("other", 9), ("z-evil", 300)]);
    let (walked, seen) = visited(&mount, 101);
    assert_eq!((walked.visited, walked.beyond, walked.failed.len()), (101, 1428 - 100, 0));
    let count = |tenant: &str| seen.iter().filter(|path| path.starts_with(tenant)).count();
    // 100 places: 7 and 19 for those who need no more.
    assert_eq!(["/a-evil", "/good", "/other", "/z-evil"].map(count), [37, 7, 19, 37]);
    let is_cut = |path: &str| walked.cut.iter().any(|cut| &**cut == path);
    assert_eq!(["/", "/a-evil", "/good", "/other", "/z-evil"].map(is_cut), [false, true, false, false, true]);
    assert_eq!(visited(&mount, 101).1, seen, "the same every time");
}

#[test]
fn a_walk_that_has_places_for_all_leaves_nobody_out() {
    let (_tree, mount) = crowded(&[("a", 20), ("b", 2)]);
    let (whole, seen) = visited(&mount, usize::MAX);
    assert_eq!((whole.visited, whole.beyond, whole.cut.len()), (47, 0, 0));
    assert_eq!(visited(&mount, 47), (whole, seen));
    let (walked, _) = visited(&mount, 46);
    assert_eq!((walked.visited, walked.beyond), (46, 1));
}

/// A tree whose root does not tell how many there are, and one that tells too few: they appeared meanwhile.
#[test]
fn whatever_is_told_no_more_are_visited() {
    for told in ["", "nr_descendants many\n", "nr_descendants 2\n", "nr_descendants 18446744073709551615\n"] {
        let (tree, mount) = crowded(&[("a", 20), ("b", 20)]);
        let top = tree.path().join("sys/fs/cgroup");
        for cgroup in ["", "a", "b", "a/3"] {
            fs::write(top.join(cgroup).join("cgroup.stat"), told).unwrap();
        }
        for most in [1, 2, 3, 30, 83] {
            let walked = visited(&mount, most).0;
            assert_eq!(walked.visited, most, "{told:?}");
            assert_eq!(walked.beyond > 0, most < 83, "{told:?}: {most}");
            assert_eq!(walked.cut.is_empty(), most == 83, "{told:?}: {most}");
        }
    }
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

/// Kind 4. One cannot be opened, one not be listed.
#[test]
fn what_cannot_be_opened_or_listed_ends_nobody_elses_turn() {
    let (tree, mount) = tree(&["a", "c/below", "d/e", "f"]);
    let top = tree.path().join("sys/fs/cgroup");
    unprivileged(tree.path(), &top.join("d"));
    let mut seen = Vec::new();
    let walked = mount.walk(|cgroup| {
        seen.push(cgroup.path().to_string());
        if &**cgroup.path() == "/a" {
            // Listed already, and no directory any more: that is not "vanished".
            setfsuid(Uid::from_raw(0));
            fs::rename(top.join("c"), top.join("was")).unwrap();
            fs::write(top.join("c"), "").unwrap();
            setfsuid(NOBODY);
        }
        Descend::Yes
    });
    setfsuid(Uid::current());
    let walked = walked.unwrap();
    assert_eq!(seen, ["/", "/a", "/d", "/f"]);
    assert_eq!(walked.failed.iter().map(|path| &**path).collect::<Vec<_>>(), ["/c", "/d"]);
    assert_eq!((walked.vanished, walked.left_out.count(Kind::Cgroup)), (0, 2));
    let named: Vec<_> = walked.left_out.named().iter().map(|omission| &omission.why).collect();
    assert!(named[0].ends_with("cgroup/c: Not a directory (ENOTDIR)"), "{named:?}");
    assert!(named[1].ends_with("cgroup/d: Permission denied (EACCES)"), "{named:?}");
}

const NOBODY: Uid = Uid::from_raw(65_534);

/// This thread may read no more of the tree than anybody, and nothing of `closed`.
fn unprivileged(tree: &Path, closed: &Path) {
    for (path, mode) in [(tree, 0o755), (closed, 0o311)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    setfsuid(NOBODY);
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
