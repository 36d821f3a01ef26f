use std::{fs, path::Path};

use super::*;

fn put(tree: &Path, name: &str, text: &str) {
    let path = tree.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn device(tree: &Path, name: &str, backing: Option<&str>) {
    let file = |file: &str| format!("sys/block/{name}/{file}");
    put(tree, &file("initstate"), "1\n");
    put(tree, &file("diskseq"), "23\n");
    put(tree, &file("disksize"), "1048576\n");
    put(tree, &file("comp_algorithm"), "lzo-rle lzo [lz4] zstd \n");
    put(
        tree,
        &file("mm_stat"),
        "       0        0        0    65536        0        0        0        0        0\n",
    );
    if let Some(backing) = backing {
        put(tree, &file("backing_dev"), backing);
    }
}

#[test]
fn a_device_as_it_is_set_up() {
    let tree = tempfile::tempdir().unwrap();
    device(tree.path(), "zram10", Some("/dev/vda\n"));
    device(tree.path(), "zram2", Some("none\n"));
    device(tree.path(), "zram3", None);
    put(tree.path(), "sys/block/vda/size", "1\n");
    let root = Root::open(tree.path()).unwrap();
    let devices = zram_devices(&root).unwrap();
    let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["zram2", "zram3", "zram10"]);
    let whole = ZramDevice {
        name: "zram10".into(),
        sequence: 23,
        set_up: true,
        size: Bytes::mib(1),
        algorithm: "lz4".into(),
        algorithms: ["lzo-rle", "lzo", "lz4", "zstd"].map(str::to_owned).to_vec(),
        backing: Some("/dev/vda".into()),
        can_back: true,
        resident: Bytes::ZERO,
        limit: Some(Bytes::kib(64)),
    };
    assert_eq!(devices[2], whole);
    assert_eq!((devices[0].can_back, &devices[0].backing), (true, &None));
    assert!(!devices[1].can_back);
}

#[test]
fn no_zram_at_all() {
    let tree = tempfile::tempdir().unwrap();
    let root = Root::open(tree.path()).unwrap();
    assert_eq!(zram_devices(&root).unwrap(), []);
    assert!(!zram_is_there(&root).unwrap());
    assert!(add_zram(&root).unwrap_err().is_missing());
    assert!(remove_zram(&root, "zram0").unwrap_err().is_missing());
}

#[test]
fn adding_reads_and_removing_writes_a_number() {
    let tree = tempfile::tempdir().unwrap();
    put(tree.path(), HOT_ADD, "7\n");
    put(tree.path(), HOT_REMOVE, "");
    let root = Root::open(tree.path()).unwrap();
    assert_eq!(add_zram(&root).unwrap(), "zram7");
    remove_zram(&root, "zram7").unwrap();
    assert_eq!(fs::read_to_string(tree.path().join(HOT_REMOVE)).unwrap(), "7");
}

#[test]
fn no_algorithm_in_brackets() {
    assert!(choice("lzo lz4").is_err());
    assert!(choice("").is_err());
}
