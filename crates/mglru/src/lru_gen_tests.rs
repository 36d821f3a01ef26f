use super::*;
use crate::MemcgId;
use std::{fmt::Write, fs};
use tempfile::TempDir;

fn tree(enabled: Option<&str>, text: Option<&[u8]>) -> (TempDir, LruGen) {
    let tree = tempfile::tempdir().unwrap();
    for (name, text) in [(ENABLED, enabled.map(str::as_bytes)), (LRU_GEN, text)] {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if let Some(text) = text {
            fs::write(path, text).unwrap();
        }
    }
    let root = Root::open(tree.path()).unwrap();
    (tree, LruGen::new(root))
}

const ROOT: &[u8] = b"memcg     1 /\n node     0\n  0 1 2 3\n  1 1 2 3\n";

/// `count` memcgs on two nodes.
fn many(count: u64) -> String {
    let mut text = String::new();
    for id in 1..=count {
        writeln!(text, "memcg {id:>5} /{id}").unwrap();
        for node in 0..2 {
            writeln!(text, " node {node:>5}\n {id:>10} {:>10} {:>10} {:>10} ", 7, id, node).unwrap();
            writeln!(text, " {:>10} {:>10} {:>10} {:>10} ", id + 1, 5, 0, 0).unwrap();
        }
    }
    text
}

#[test]
fn a_file_longer_than_any_other() {
    let text = many(40_000);
    assert!(text.len() > 4 << 20);
    let (_tree, lru_gen) = tree(Some("0x0007\n"), Some(text.as_bytes()));
    let reading = lru_gen.read().unwrap();
    assert_eq!((reading.memcgs.len(), reading.unreadable, reading.torn), (40_000, 0, 0));
    // In the order of the file, whatever was read twice.
    assert!(reading.memcgs.iter().map(|memcg| memcg.id.0).eq(1..=40_000));
    assert!(reading.memcgs.iter().all(|memcg| memcg.nodes.len() == 2));
}

#[test]
fn unreadable_paths_are_counted() {
    let bad = b"memcg     2 /\xff\n node     0\n  0 1 2 3\n  1 1 2 3\n";
    let (_tree, lru_gen) = tree(Some("0x0007\n"), Some(&[ROOT, bad].concat()));
    let reading = lru_gen.read().unwrap();
    assert_eq!((reading.memcgs.len(), reading.memcgs[0].id, reading.unreadable), (1, MemcgId(1), 1));
}

#[test]
fn off_is_no_reading() {
    let (_tree, lru_gen) = tree(Some("0x0000\n"), Some(ROOT));
    let error = lru_gen.read().unwrap_err();
    assert!(matches!(error, Error::Unavailable(Support::Off { .. })), "{error}");
    let (_tree, lru_gen) = tree(None, Some(ROOT));
    assert_eq!(lru_gen.read(), Err(Error::Unavailable(Support::NotBuilt)));
    let (_tree, lru_gen) = tree(Some("0x0005\n"), Some(ROOT));
    assert!(lru_gen.read().is_ok());
}

#[test]
fn an_error_names_the_file() {
    let (tree, lru_gen) = tree(Some("0x0007\n"), None);
    assert_eq!(lru_gen.read(), Err(Error::Unavailable(Support::NoDebugfs)));
    let path = tree.path().join(LRU_GEN);
    fs::write(&path, [ROOT, b"memcg x\n"].concat()).unwrap();
    let expected = format!("{}:5: `memcg x` is not a line `memcg ID PATH`", path.display());
    assert_eq!(lru_gen.read().unwrap_err().to_string(), expected);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let Error::File(error) = lru_gen.read().unwrap_err() else { panic!() };
    assert_eq!((error.path(), error.errno()), (&*path, Some(lowtide_kernfs::Errno::EISDIR)));
}

#[test]
fn a_torn_memcg_is_mended_by_one_with_its_path() {
    let memcg = |path: &str, nodes| Memcg { id: MemcgId(0), path: path.into(), nodes };
    let whole = vec![crate::Node { id: 0, generations: vec![] }];
    let mut place = (memcg("/a", vec![]), true);
    mend(&mut place, memcg("/b", whole.clone()));
    assert_eq!(place, (memcg("/a", vec![]), true));
    mend(&mut place, memcg("/a", whole.clone()));
    assert_eq!(place, (memcg("/a", whole), false));
}
