//! Every configuration in `tests/bad-config` is refused with the message beside it.
//!
//! `NN-name.yaml` is a file, `NN-name/lowtide.yaml` one with a `policies.d`; `NN-name.stderr` is what an
//! operator reads. `UPDATE_GOLDEN=1 cargo test -p lowtide-policy` writes the messages anew. Read them before
//! committing them.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use lowtide_policy::{MAX_FILE_BYTES, load};

fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad-config")
}

/// What is printed for `config`, with `dir` left out of the paths.
fn message(config: &Path, dir: &Path) -> String {
    let Err(problems) = load(config) else { panic!("{} was accepted", config.display()) };
    assert!(problems.len() > 0);
    format!("{problems}\n").replace(&format!("{}/", dir.display()), "")
}

fn compare(name: &str, message: &str) {
    let golden = golden_dir().join(format!("{name}.stderr"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, message).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(message, expected, "{name}: not what {} says", golden.display());
}

#[test]
fn each_is_refused_with_the_place_and_the_remedy() {
    let dir = golden_dir();
    let mut count = 0;
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let config = if path.is_dir() { path.join("lowtide.yaml") } else { path.clone() };
        if config.extension().is_none_or(|ext| ext != "yaml") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy();
        compare(name.trim_end_matches(".yaml"), &message(&config, &dir));
        count += 1;
    }
    assert!(count >= 30, "only {count} bad configurations");
}

/// What cannot be kept in a repository: made here, and `lowtide.yaml` in the messages.
fn generated(name: &str, make: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("lowtide.yaml");
    make(&config);
    compare(name, &message(&config, dir.path()));
}

#[test]
fn no_file() {
    generated("70-no-file", |_| {});
}

#[test]
fn a_directory() {
    generated("71-a-directory", |config| fs::create_dir(config).unwrap());
}

#[test]
fn ten_megabytes() {
    generated("72-ten-megabytes", |config| fs::write(config, "# filler\n".repeat(10 << 20 >> 3)).unwrap());
}

#[test]
fn binary() {
    generated("73-binary", |config| fs::write(config, b"\x7fELF\x02\x01\x01\0\0\0\0\0\xff\xfe").unwrap());
}

#[test]
fn utf16() {
    let utf16 = "interval: 6s\n".encode_utf16().flat_map(u16::to_le_bytes);
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf16).collect();
    generated("74-utf16", |config| fs::write(config, bytes).unwrap());
}

#[test]
fn latin1() {
    generated("75-latin1", |config| fs::write(config, b"# caf\xe9\ninterval: 6s\n").unwrap());
}

#[test]
fn policies_d_is_a_file() {
    generated("76-policies.d-is-a-file", |config| {
        fs::write(config, "interval: 6s\n").unwrap();
        fs::write(config.with_file_name("policies.d"), "policies: []\n").unwrap();
    });
}

#[test]
fn a_link_to_nowhere() {
    generated("77-link-to-nowhere", |config| {
        fs::write(config, "interval: 6s\n").unwrap();
        let policies = config.with_file_name("policies.d");
        fs::create_dir(&policies).unwrap();
        std::os::unix::fs::symlink("gone.yaml", policies.join("web.yaml")).unwrap();
    });
}

#[test]
fn a_device() {
    generated("78-a-device", |config| std::os::unix::fs::symlink("/dev/zero", config).unwrap());
}

#[test]
fn a_file_of_the_greatest_size_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("lowtide.yaml");
    let mut text = "interval: 6s\n".to_owned();
    text.push_str(&"#".repeat(MAX_FILE_BYTES - text.len()));
    fs::write(&config, &text).unwrap();
    assert!(load(&config).is_ok());
}
