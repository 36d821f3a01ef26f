use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
};

use nix::{errno::Errno, sys::stat::Mode};
use tempfile::TempDir;

use crate::{Attribute, Error, Fault, Files, LINE_LIMIT, Operation, READ_LIMIT, Root, parse};

fn tree() -> (TempDir, Root) {
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir_all(tree.path().join("sys/a/b")).unwrap();
    fs::write(tree.path().join("sys/a/value"), "42\n").unwrap();
    let root = Root::open(tree.path()).unwrap();
    (tree, root)
}

#[test]
fn paths_are_below_the_root_with_or_without_a_slash() {
    let (_tree, root) = tree();
    assert_eq!(root.read("sys/a/value").unwrap(), "42\n");
    assert_eq!(root.read("/sys/a/value").unwrap(), "42\n");
    assert_eq!(root.dir("/sys").unwrap().read("a/value").unwrap(), "42\n");
    assert_eq!(root.clone().dir("sys/a").unwrap().read("/value").unwrap(), "42\n");
}

#[test]
fn missing_is_none_or_an_error_that_names_the_file() {
    let (tree, root) = tree();
    assert_eq!(root.read_optional("sys/none").unwrap(), None);
    assert_eq!(root.read_record("sys/none").unwrap(), None);
    assert!(!root.exists("sys/none").unwrap());
    assert!(root.exists("sys/a/value").unwrap());
    let error = root.read("/sys/none").unwrap_err();
    assert!(error.is_missing() && error.is_gone());
    assert_eq!(error.path(), tree.path().join("sys/none"));
    let shown = tree.path().join("sys/none").display().to_string();
    assert_eq!(error.to_string(), format!("cannot open {shown}: No such file or directory (ENOENT)"));
}

#[test]
fn a_directory_or_a_name_below_a_file_is_no_file() {
    let (_tree, root) = tree();
    assert_eq!(root.read("sys/a").unwrap_err().errno(), Some(Errno::EISDIR));
    assert_eq!(root.read_optional("sys/a/value/x").unwrap_err().errno(), Some(Errno::ENOTDIR));
    assert_eq!(root.dir("sys/a/value").unwrap_err().errno(), Some(Errno::ENOTDIR));
    assert_eq!(Root::open("/no/such/root").unwrap_err().errno(), Some(Errno::ENOENT));
}

/// Kind 4: found by mutating a tree between turns of the loop.
#[test]
fn nobody_waits_at_a_fifo() {
    let (tree, root) = tree();
    nix::unistd::mkfifo(&tree.path().join("sys/a/fifo"), Mode::S_IRWXU).unwrap();
    assert_eq!(root.read("sys/a/fifo").unwrap(), "", "nobody writes it");
    assert_eq!(root.read_record("sys/a/fifo").unwrap().unwrap(), "");
    assert_eq!(root.read_lines("sys/a/fifo", |_| {}).unwrap(), 0);
    assert!(root.parse("sys/a/fifo", parse::integer).is_err());
    assert_eq!(root.dir("sys/a").unwrap().read("fifo").unwrap(), "");
    assert_eq!(root.write("sys/a/fifo", "1").unwrap_err().errno(), Some(Errno::ENXIO), "nobody reads it");
    root.write("sys/a/value", "7").unwrap();
    assert_eq!(root.read("sys/a/value").unwrap(), "7");
}

#[test]
fn links_stay_inside_the_root() {
    let (tree, root) = tree();
    symlink("/sys/a/value", tree.path().join("absolute")).unwrap();
    symlink("../../../../../../sys/a/value", tree.path().join("sys/relative")).unwrap();
    symlink("/etc/passwd", tree.path().join("escape")).unwrap();
    symlink("/loop", tree.path().join("loop")).unwrap();
    assert_eq!(root.read("absolute").unwrap(), "42\n");
    assert_eq!(root.read("sys/relative").unwrap(), "42\n");
    assert!(root.read("escape").unwrap_err().is_missing());
    assert!(root.read("../../../etc/passwd").unwrap_err().is_missing());
    assert_eq!(root.read("loop").unwrap_err().errno(), Some(Errno::ELOOP));
}

#[test]
fn a_directory_handle_follows_no_link_and_leads_nowhere_else() {
    let (tree, root) = tree();
    symlink("value", tree.path().join("sys/a/link")).unwrap();
    let dir = root.dir("sys/a").unwrap();
    assert_eq!(dir.read("link").unwrap_err().errno(), Some(Errno::ELOOP));
    assert_eq!(dir.read("../a/value").unwrap_err().errno(), Some(Errno::EXDEV));
}

/// Kind 7: 18 names of 255 bytes are more than a path may have.
#[test]
fn a_path_may_be_longer_than_the_kernel_takes() {
    let (_tree, root) = tree();
    let name = "n".repeat(255);
    let (mut dir, mut path) = (root.dir("sys").unwrap(), Path::new("sys").to_owned());
    for _ in 0..18 {
        nix::sys::stat::mkdirat(dir.handle(), name.as_str(), Mode::S_IRWXU).unwrap();
        dir = dir.subdir(&name).unwrap();
        path.push(&name);
    }
    assert_eq!(root.dir(&path).unwrap().inode(), dir.inode());
    let below = path.strip_prefix("sys").unwrap();
    assert_eq!(root.dir("sys").unwrap().subdir(below).unwrap().inode(), dir.inode());
    assert_eq!(root.dir(&path).unwrap().path(), dir.path());
    assert!(root.dir(path.join("none")).unwrap_err().is_missing());
}

#[test]
fn a_directory_is_its_inode_and_not_its_path() {
    let (tree, root) = tree();
    let (old, new) = (tree.path().join("sys/a"), tree.path().join("sys/c"));
    let dir = root.dir("sys/a").unwrap();
    assert_eq!(dir.inode().unwrap(), fs::metadata(&old).unwrap().ino());
    fs::rename(&old, new).unwrap();
    fs::create_dir(&old).unwrap();
    fs::write(old.join("value"), "another\n").unwrap();
    assert_eq!(dir.read("value").unwrap(), "42\n");
    assert_ne!(dir.inode().unwrap(), root.dir("sys/a").unwrap().inode().unwrap());
}

#[test]
fn a_removed_directory_has_no_names() {
    let (tree, root) = tree();
    let dir = root.dir("sys/a/b").unwrap();
    fs::remove_dir(tree.path().join("sys/a/b")).unwrap();
    assert!(dir.read("value").unwrap_err().is_gone());
    assert!(!dir.exists("value").unwrap());
    assert!(dir.subdir("c").unwrap_err().is_gone());
}

#[test]
fn entries_are_sorted_and_told_apart() {
    let (tree, root) = tree();
    let a = tree.path().join("sys/a");
    fs::create_dir(a.join(r"sys-a\x2db.slice")).unwrap();
    fs::create_dir(a.join("ä b")).unwrap();
    symlink("b", a.join("link")).unwrap();
    let bad: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\xfe");
    fs::create_dir(a.join(bad)).unwrap();
    let entries = root.dir("sys/a").unwrap().entries().unwrap();
    assert_eq!(entries.directories, ["b", r"sys-a\x2db.slice", "ä b"]);
    assert_eq!(entries.files, ["link", "value"]);
    assert_eq!((entries.unreadable, entries.example.as_deref()), (1, Some(r"\xff\xfe")));
    let again = root.dir("sys/a").unwrap();
    assert_eq!(again.entries().unwrap(), again.entries().unwrap());
}

#[test]
fn a_list_is_read_by_line_as_bytes_however_long_it_is() {
    let (tree, root) = tree();
    let lines =
        [vec![b'a'; LINE_LIMIT], vec![b'b'; LINE_LIMIT + 1], b"caf\xe9\r".to_vec(), vec![], b"last".to_vec()];
    let mut text = b"line\n".repeat(READ_LIMIT / 4);
    text.extend(lines.join(&b'\n'));
    fs::write(tree.path().join("list"), &text).unwrap();
    let (mut count, mut ends) = (0, Vec::new());
    let too_long = root.read_lines("list", |line| {
        count += 1;
        if line != b"line" {
            ends.push(line.to_vec());
        }
    });
    assert_eq!((too_long, count), (Ok(1), READ_LIMIT / 4 + 4));
    assert_eq!(ends, [0, 2, 3, 4].map(|place: usize| lines[place].clone()));
    assert!(root.read_lines("none", |_| ()).unwrap_err().is_missing());
}

#[test]
fn an_error_shows_no_name_raw() {
    let (_tree, root) = tree();
    let bad: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\x1b[2J\xff");
    let error = root.read(Path::new(bad)).unwrap_err().to_string();
    assert!(error.contains(r"/\u{1b}[2J\xff: No such file"), "{error}");
}

#[test]
fn too_large_and_not_utf8_are_told() {
    let (tree, root) = tree();
    fs::write(tree.path().join("exact"), vec![b'x'; READ_LIMIT]).unwrap();
    assert_eq!(root.read("exact").unwrap().len(), READ_LIMIT);
    fs::write(tree.path().join("huge"), vec![b'x'; READ_LIMIT + 1]).unwrap();
    let error = root.read("huge").unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: READ_LIMIT, .. }), "{error}");

    fs::write(tree.path().join("binary"), b"one\ntw\xffo\nthree").unwrap();
    let Error::Malformed { fault, .. } = root.read("binary").unwrap_err() else { panic!() };
    assert_eq!(fault, Fault::new(2, "tw\u{fffd}o", "UTF-8 text"));
}

#[test]
fn a_record_longer_than_one_read_comes_whole() {
    let (tree, root) = tree();
    for length in [0, 1, 8191, 8192, 8193, 50_000] {
        fs::write(tree.path().join("record"), vec![b'x'; length]).unwrap();
        assert_eq!(root.read_record("record").unwrap().unwrap().len(), length);
    }
}

#[test]
fn a_write_replaces_and_never_creates() {
    let (tree, root) = tree();
    root.write("sys/a/value", "7").unwrap();
    assert_eq!(fs::read_to_string(tree.path().join("sys/a/value")).unwrap(), "7");
    let error = root.write("sys/a/none", "7").unwrap_err();
    assert!(error.is_missing());
    assert!(!tree.path().join("sys/a/none").exists());
    assert!(root.open_rw("sys/a/none").unwrap_err().is_missing());
    assert!(!tree.path().join("sys/a/none").exists());
}

#[test]
fn a_short_write_is_an_error() {
    let (tree, root) = tree();
    nix::unistd::mkfifo(&tree.path().join("pipe"), Mode::S_IRWXU).unwrap();
    // Opened for reading too, so that it neither blocks nor fails; a pipe holds 64 KiB.
    let pipe = root.open_rw("pipe").unwrap();
    let error = root.write_to(&pipe, "pipe", &vec![b'x'; 100_000]).unwrap_err();
    assert!(matches!(error, Error::ShortWrite { length: 100_000, .. }), "{error}");
    let error = root.write_to(&pipe, "pipe", b"more").unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EAGAIN));
}

#[test]
fn a_fault_gets_its_file() {
    let (tree, root) = tree();
    fs::write(tree.path().join("sys/a/value"), "many\n").unwrap();
    let shown = tree.path().join("sys/a/value").display().to_string();
    let expected = format!("{shown}:1: `many` is not a whole number");
    assert_eq!(root.parse("sys/a/value", parse::integer).unwrap_err().to_string(), expected);
    assert_eq!(root.parse_record("sys/a/value", parse::integer).unwrap_err().to_string(), expected);
    assert_eq!(root.parse_optional("sys/none", parse::integer).unwrap(), None);
    assert_eq!(root.parse_record("sys/none", parse::integer).unwrap(), None);
}

#[test]
fn the_root_knows_the_host() {
    assert!(Root::open("/").unwrap().is_host());
    assert!(!tree().1.is_host());
    assert_eq!(Root::open("/").unwrap().shown(Path::new("proc/stat")), Path::new("/proc/stat"));
    assert_eq!(Root::open("/").unwrap().shown(Path::new("/proc/stat")), Path::new("/proc/stat"));
}

#[test]
fn on_the_host_proc_self_is_followed_and_magic_links_are_not() {
    let root = Root::open("/").unwrap();
    assert!(root.read("proc/self/stat").unwrap().starts_with(&format!("{} (", std::process::id())));
    let error = root.read("proc/self/exe").unwrap_err();
    assert_eq!((error.errno(), error.is_gone()), (Some(Errno::ELOOP), false));
    let gone =
        Error::System { operation: Operation::Read, path: Path::new("/x").into(), errno: Errno::ENODEV };
    assert!(gone.is_gone() && !gone.is_missing());
}

/// On the file system that tests run on: ext4, xfs and btrfs have them, and tmpfs since 6.6.
#[test]
fn an_extended_attribute_is_had_through_the_handle() {
    const NAME: &str = "user.lowtide_test";
    let (tree, root) = tree();
    let dir = root.dir("sys/a").unwrap();
    assert_eq!(dir.attribute(NAME, 4).unwrap(), None);
    let set = |value: &[u8]| {
        let place = tree.path().join("sys/a");
        rustix::fs::setxattr(place, NAME, value, rustix::fs::XattrFlags::empty()).unwrap();
    };
    for value in [&b""[..], b"off", b"\xff\x00\x1b", b"four"] {
        set(value);
        assert_eq!(dir.attribute(NAME, 4).unwrap(), Some(Attribute::Value(value.into())));
    }
    set(b"fifth");
    assert_eq!(dir.attribute(NAME, 4).unwrap(), Some(Attribute::Longer));
    fs::rename(tree.path().join("sys/a"), tree.path().join("sys/z")).unwrap();
    fs::create_dir(tree.path().join("sys/a")).unwrap();
    assert_eq!(
        dir.attribute(NAME, 5).unwrap(),
        Some(Attribute::Value(b"fifth".into())),
        "whatever took its name"
    );
}
