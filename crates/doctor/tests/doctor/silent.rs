//! Kind 9: what cannot be looked at is said.

use std::fs;

use lowtide_doctor::examine;

use crate::tree::healthy;

/// A directory in the place of a file cannot be read, whoever asks.
#[test]
fn a_file_that_cannot_be_read_is_named_though_no_feature_is_of_it() {
    let tree = healthy();
    assert!(examine(tree.path(), None).unwrap().unread.is_empty());
    let file = tree.path().join("proc/sys/fs/dentry-state");
    let _ = fs::remove_file(&file);
    fs::create_dir_all(&file).unwrap();
    let report = examine(tree.path(), None).unwrap();
    assert!(report.unread.iter().any(|evidence| evidence.file == "/proc/sys/fs/dentry-state"), "{report}");
    let text = report.to_string();
    assert!(text.contains("could not be read") && text.contains("/proc/sys/fs/dentry-state: "), "{text}");
}

/// An odd cgroup was missing from the count.
#[test]
fn cgroups_that_a_walk_passes_over_are_counted() {
    use std::os::unix::ffi::OsStrExt;
    let tree = healthy();
    let odd = tree.path().join("sys/fs/cgroup/web").join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(odd).unwrap();
    let text = examine(tree.path(), None).unwrap().to_string();
    assert!(text.contains("not looked at: 1 that cannot be read (/web/caf"), "{text}");
}
