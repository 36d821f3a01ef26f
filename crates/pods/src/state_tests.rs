use std::{fs, os::unix::fs::symlink, path::Path};

use tempfile::TempDir;

use super::*;
use crate::{Place, Wanted};

const POD: &str = "pod0b1c2d3e_4f50_6172_8394_a5b6c7d8e9f0";
const CONTAINERD: &str = "run/containerd/io.containerd.runtime.v2.task/k8s.io";

fn hex(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// A copy of a node's state directories.
fn node() -> (TempDir, Root) {
    let files = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/.");
    let copied = std::process::Command::new("cp").arg("-r").arg(from).arg(files.path()).status().unwrap();
    assert!(copied.success());
    let root = Root::open(files.path()).unwrap();
    (files, root)
}

fn found(root: &Root, path: &str) -> Result<Pod, Error> {
    let Place::Container(container) = Place::of(path) else { panic!("{path}") };
    find(root, container, &mut 0)
}

fn burstable(digit: char) -> String {
    let id = hex(digit);
    format!(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-{POD}.slice/cri-containerd-{id}.scope"
    )
}

#[test]
fn each_runtime_is_understood() {
    let (_files, root) = node();
    let off = Some(Wanted::Text("off".into()));
    let careful = Some(Wanted::Text("careful".into()));
    let (c, d) = (hex('c'), hex('d'));
    for (path, names, wanted) in [
        (burstable('a'), "shop/web-0/app", off.clone()),
        (format!("{}/container", burstable('a')), "shop/web-0/app", off.clone()),
        (burstable('b'), "shop/web-0/POD", off),
        (
            format!("/kubepods/besteffort/pod0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0/{c}"),
            "batch/nightly-28761930-x7k2p/job",
            None,
        ),
        (format!("/kubepods.slice/kubepods-{POD}.slice/crio-{d}.scope"), "shop/db-0/db", careful),
    ] {
        let pod = found(&root, &path).unwrap();
        assert_eq!((pod.to_string(), pod.wanted), (names.to_owned(), wanted), "{path}");
    }
}

/// Kind 5: a container that may make cgroups calls one as another's, or as it would be called elsewhere.
#[test]
fn a_name_alone_is_no_identity() {
    let (_files, root) = node();
    let path = format!("/kubepods.slice/kubepods-{POD}.slice/cri-containerd-{}.scope", hex('a'));
    let Err(error) = found(&root, &path) else { panic!("{path}") };
    let text = error.to_string();
    assert!(matches!(error, Error::Elsewhere { .. }), "{text}");
    assert!(
        text.contains("config.json") && text.contains(&path) && text.contains(":cri-containerd:"),
        "{text}"
    );
}

#[test]
fn where_nobody_has_it_the_places_are_named() {
    let (_files, root) = node();
    let text = found(&root, &burstable('e')).unwrap_err().to_string();
    assert!(text.contains(&hex('e')) && text.contains("/run/containers/storage"), "{text}");
    let empty = tempfile::tempdir().unwrap();
    let root = Root::open(empty.path()).unwrap();
    assert!(matches!(found(&root, &burstable('a')), Err(Error::NotThere { .. })));
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_path() {
    let (files, root) = node();
    let place = files.path().join(CONTAINERD).join(hex('a'));
    let spec = place.join("config.json");
    let text = fs::read(&spec).unwrap();
    let told = || found(&root, &burstable('a')).unwrap_err().to_string();

    fs::write(&spec, b"{\"annotations\": {").unwrap();
    assert!(
        told().contains("config.json:1:17: this is no OCI runtime spec: it ends too early"),
        "{}",
        told()
    );
    fs::write(&spec, b"\xff").unwrap();
    assert!(told().contains("config.json:1"), "{}", told());
    fs::remove_file(&spec).unwrap();
    fs::create_dir(&spec).unwrap();
    assert!(told().contains("config.json"), "{}", told());

    // A link is not followed, not even to the right file.
    fs::remove_dir(&spec).unwrap();
    fs::write(place.join("elsewhere.json"), text).unwrap();
    symlink("elsewhere.json", &spec).unwrap();
    assert!(told().contains("config.json") && told().contains("ELOOP"), "{}", told());
}

/// Kind 1: a pod's owner fills the environment in, and may not make itself unknown by that.
#[test]
fn a_long_spec_is_read_to_its_end_within_the_limit() {
    let (files, root) = node();
    let spec = files.path().join(CONTAINERD).join(hex('a')).join("config.json");
    let text = fs::read_to_string(&spec).unwrap();
    let long = format!(
        "{{\"x\":[\"{}\"],{}",
        "\\u0001".repeat(720_000),
        text.trim_start().strip_prefix('{').unwrap()
    );
    fs::write(&spec, &long).unwrap();
    assert_eq!(found(&root, &burstable('a')).unwrap().to_string(), "shop/web-0/app");

    let path = burstable('a');
    let Place::Container(container) = Place::of(&path) else { panic!("{path}") };
    let mut bytes = 0;
    assert!(find_within(long.len(), &root, container, &mut bytes).is_ok());
    assert_eq!(bytes, long.len());
    let error = find_within(long.len() - 1, &root, container, &mut bytes).unwrap_err();
    let limit = long.len() - 1;
    assert!(error.to_string().ends_with(&format!("config.json is longer than {limit} bytes")), "{error}");
    assert!(!error.may_pass());
}

/// Kind 4: what one runtime left behind hides no other.
#[test]
fn an_odd_directory_of_one_runtime_hides_no_other() {
    let (files, root) = node();
    let k3s = format!("/kubepods/besteffort/pod0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0/{}", hex('c'));
    let state = files.path().join(CONTAINERD);
    // Something else of the same ID.
    fs::create_dir(state.join(hex('c'))).unwrap();
    fs::write(state.join(hex('c')).join("config.json"), "{}").unwrap();
    assert_eq!(found(&root, &k3s).unwrap().namespace, "batch".into());
    // Kind 6: no directory at all.
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "").unwrap();
    assert_eq!(found(&root, &k3s).unwrap().namespace, "batch".into());
    let text = found(&root, &burstable('a')).unwrap_err().to_string();
    assert!(text.contains("ENOTDIR") && text.contains("k8s.io"), "{text}");
}
