//! Who may ask the daemon, as the kernel sees it: commands run as another user, in the group that
//! `control.group` names and outside of it. Only root can become somebody else; whoever else runs the tests
//! has these say that they tested nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::{Gid, Group, geteuid};
use support::Live;

/// Nobody's number, on each Linux.
const NOBODY: u32 = 65_534;
/// A group that each host has, and root is not in.
const GROUP: Gid = Gid::from_raw(1);

fn group() -> Group {
    Group::from_gid(GROUP).unwrap().unwrap()
}

/// A daemon that `GROUP` may ask, and a program that anybody may run.
struct Host {
    live: Live,
    program: PathBuf,
}

impl Host {
    /// None where nobody else can be had.
    fn new(live: impl FnOnce() -> Live) -> Option<Self> {
        if !geteuid().is_root() {
            eprintln!("NOT TESTED: only root can run commands as somebody else");
            return None;
        }
        let live = live();
        let directory = live.config().parent().unwrap().to_owned();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        // The build may lie in a directory that nobody may enter.
        let program = directory.join("lowtide");
        fs::copy(env!("CARGO_BIN_EXE_lowtide"), &program).unwrap();
        Some(Self { live, program })
    }

    /// Exit status, standard output and standard error, as user nobody with one group.
    fn told(&self, gid: u32, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--config").arg(self.live.config());
        // Without root's other groups: the standard library takes those away with the user.
        let output = command.uid(NOBODY).gid(gid).current_dir("/").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn root(&self) -> String {
        self.live.root().display().to_string()
    }

    /// Every file of the host.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        read(&self.live.root(), &mut files);
        files
    }
}

fn read(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            read(&path, files);
        } else if path.is_file() {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

#[test]
fn a_member_of_the_group_reads() {
    let Some(host) = Host::new(|| Live::asked_by(&group().name)) else { return };
    for arguments in [&["status"][..], &["status", "--json"], &["explain", "/web/api"], &["report"]] {
        let (status, told, said) = host.told(GROUP.as_raw(), arguments);
        assert_eq!((status, &*said), (Some(0), ""), "{arguments:?}");
        assert!(told.contains("/web/api") || arguments == ["report"] && told.contains("net saved"), "{told}");
    }
    let root = host.root();
    let top = ["top", "--once", "--view", "tenants", "--interval", "100ms", "--root", &root];
    let (status, told, said) = host.told(GROUP.as_raw(), &top);
    assert!(status == Some(0) && told.contains("/web/api") && !told.contains("NO DAEMON"), "{told}{said}");
}

#[test]
fn a_member_of_the_group_changes_nothing() {
    let Some(host) = Host::new(|| Live::asked_by(&group().name)) else { return };
    let before = host.files();
    let root = host.root();
    for arguments in [&["restore", "--root", &root][..], &["tiers", "apply", "--root", &root]] {
        let (status, told, said) = host.told(GROUP.as_raw(), arguments);
        assert_eq!((status, &*told), (Some(1), ""), "{arguments:?}: {said}");
        assert!(said.contains("Permission denied") || said.contains("root"), "{arguments:?}: {said}");
    }
    // The history is root's alone, with the group or without.
    let (status, _, said) = host.told(GROUP.as_raw(), &["report", "--since", "-1h"]);
    assert!(status == Some(1) && said.contains("run as root"), "{said}");
    assert_eq!(host.files(), before);
    assert_eq!(host.live.paths(&[]), ["/web/api"], "the daemon goes on");
}

/// Whoever adds a request that changes something has to say here who may make it.
#[test]
fn the_socket_takes_questions_alone() {
    let live = Live::new();
    let mut stream = UnixStream::connect(live.config().with_file_name("socket")).unwrap();
    stream.write_all(b"{\"command\":\"set\",\"knob\":\"x\"}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).unwrap();
    let (_, known) = answer.split_once("expected one of ").unwrap();
    let known: Vec<_> = known.split('`').skip(1).step_by(2).take(3).collect();
    assert_eq!(known, ["status", "explain", "report"], "{answer}");
    assert_eq!(answer.matches('`').count(), 8, "three, and the one that is none: {answer}");
}

#[test]
fn whoever_is_in_no_such_group_is_told_the_remedy() {
    let Some(host) = Host::new(|| Live::asked_by(&group().name)) else { return };
    for arguments in [&["status"][..], &["explain", "/web/api"], &["report"]] {
        let (status, told, said) = host.told(NOBODY, arguments);
        assert_eq!((status, &*told), (Some(1), ""), "{arguments:?}: {said}");
        let remedy = "run as root, or as a member of the group that `control.group` in lowtide.yaml names";
        assert!(said.contains("Permission denied") && said.contains(remedy), "{arguments:?}: {said}");
    }
}

#[test]
fn without_the_key_no_group_may_ask() {
    let Some(host) = Host::new(Live::new) else { return };
    let (status, told, said) = host.told(GROUP.as_raw(), &["status"]);
    assert_eq!((status, &*told), (Some(1), ""), "{said}");
    assert!(said.contains("`control.group`"), "{said}");
}
