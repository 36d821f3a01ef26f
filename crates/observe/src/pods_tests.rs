use std::{fs, path::Path};

use lowtide_cgroup::{Descend, Mount};
use lowtide_policy::parse;
use tempfile::TempDir;

use super::*;

const STATE: &str = "run/containerd/io.containerd.runtime.v2.task/k8s.io";
const POD: &str = "kubepods/besteffort/pod1";

/// A node of files.
struct Node {
    files: TempDir,
    root: Root,
    mount: Mount,
    policies: PolicySet,
    pods: Pods,
}

fn id(number: usize) -> String {
    format!("{number:064x}")
}

impl Node {
    fn new(policies: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        fs::create_dir_all(files.path().join("cgroup").join(POD)).unwrap();
        let root = Root::open(files.path()).unwrap();
        let mount = Mount::at(root.dir("cgroup").unwrap());
        let policies = parse(Path::new("lowtide.yaml"), policies).unwrap().config.policies;
        Self { files, root, mount, policies, pods: Pods::default() }
    }

    fn run(&self, number: usize, namespace: &str) {
        let cgroup = format!("{POD}/{}", id(number));
        fs::create_dir_all(self.files.path().join("cgroup").join(&cgroup)).unwrap();
        let place = self.files.path().join(STATE).join(id(number));
        fs::create_dir_all(&place).unwrap();
        let spec = format!(
            r#"{{"annotations":{{"io.kubernetes.cri.sandbox-namespace":"{namespace}","io.kubernetes.cri.sandbox-name":"p{number}",
            "io.kubernetes.cri.sandbox-uid":"1","io.kubernetes.cri.container-name":"c"}},"linux":{{"cgroupsPath":"/{cgroup}"}}}}"#
        );
        fs::write(place.join("config.json"), spec).unwrap();
    }

    /// What is found for each cgroup of the pod, and what is told.
    fn look(&mut self, seconds: u64) -> (Vec<(String, Found, Option<String>)>, LeftOut) {
        self.look_after(0, seconds)
    }

    /// A turn that has read so many bytes already.
    fn look_after(&mut self, bytes: usize, seconds: u64) -> (Vec<(String, Found, Option<String>)>, LeftOut) {
        let Self { mount, policies, pods, root, .. } = self;
        pods.begin(Duration::from_secs(seconds));
        pods.bytes = bytes;
        let mut seen = Vec::new();
        let walked = mount.walk(|cgroup| {
            pods.enter(cgroup);
            let (found, whose) = pods.policy(cgroup.path(), policies, root);
            if let Some(name) = cgroup.path().strip_prefix(&format!("/{POD}/")) {
                let name = name.trim_start_matches('0').to_owned();
                seen.push((name, found, whose.pod().map(ToString::to_string)));
            }
            Descend::Yes
        });
        walked.unwrap();
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        (seen, pods.end(root))
    }
}

const ASKS: &str = "policies:
  - { name: shop, match: [/kubepods/**], namespaces: [shop] }
  - { name: all, match: [/kubepods/**] }
";

#[test]
fn a_container_and_all_below_it_are_its_pods() {
    let mut node = Node::new(ASKS);
    node.run(1, "shop");
    node.run(2, "other");
    // What a container makes below itself may be called as another one.
    let below = node.files.path().join(format!("cgroup/{POD}/{}/{}", id(1), id(2)));
    fs::create_dir(below).unwrap();
    let (seen, told) = node.look(0);
    let shop = Some("shop/p1/c".to_owned());
    assert_eq!(
        seen,
        [
            ("1".to_owned(), Found::Policy(0), shop.clone()),
            (format!("1/{}", id(2)), Found::Policy(0), shop),
            ("2".to_owned(), Found::Policy(1), Some("other/p2/c".to_owned())),
        ]
    );
    assert_eq!(told, LeftOut::default());
}

#[test]
fn who_is_not_known_is_held_to_nothing_told_once_a_turn_and_asked_again_rarely() {
    let mut node = Node::new(ASKS);
    node.run(1, "shop");
    let state = node.files.path().join(STATE).join(id(1));
    let spec = fs::read(state.join("config.json")).unwrap();
    fs::remove_file(state.join("config.json")).unwrap();
    fs::create_dir(node.files.path().join(format!("cgroup/{POD}/{}/below", id(1)))).unwrap();
    let is_unknown = |node: &mut Node, seconds| {
        let (seen, told) = node.look(seconds);
        let unknown = seen.iter().all(|(_, found, pod)| *found == Found::Unknown(0) && pod.is_none());
        assert_eq!(told.count(Kind::Pod), u64::from(unknown), "{told:?}");
        unknown
    };
    assert!(is_unknown(&mut node, 0));
    fs::write(state.join("config.json"), spec).unwrap();
    assert!(is_unknown(&mut node, 299), "not in every turn");
    assert!(is_unknown(&mut node, 300), "it is asked again when the walk is over");
    assert!(!is_unknown(&mut node, 301));
    // What was read once is not read again.
    fs::remove_dir_all(state).unwrap();
    assert!(!is_unknown(&mut node, 10_000));
    fs::remove_dir_all(node.files.path().join(format!("cgroup/{POD}/{}", id(1)))).unwrap();
    node.look(10_001);
    assert_eq!(node.pods.known.len(), 0);
}

/// Kind 6: the runtime is writing it, or the daemon is short of something.
#[test]
fn what_may_pass_is_asked_again_in_the_next_turn() {
    for (broken, passes) in [("{\"annotations\":{", true), ("", true), ("{}", false), ("hunter2", false)] {
        let mut node = Node::new(ASKS);
        node.run(1, "shop");
        let spec = node.files.path().join(STATE).join(id(1)).join("config.json");
        let whole = fs::read(&spec).unwrap();
        fs::write(&spec, broken).unwrap();
        assert_eq!(node.look(0).0[0].1, Found::Unknown(0), "{broken}");
        fs::write(&spec, whole).unwrap();
        node.look(6);
        let found = if passes { Found::Policy(0) } else { Found::Unknown(0) };
        assert_eq!(node.look(12).0[0].1, found, "{broken}");
    }
    let mut node = Node::new(ASKS);
    node.run(1, "shop");
    let spec = node.files.path().join(STATE).join(id(1)).join("config.json");
    fs::rename(&spec, spec.with_extension("other")).unwrap();
    fs::create_dir(&spec).unwrap();
    assert_eq!(node.look(0).0[0].1, Found::Unknown(0));
    fs::remove_dir(&spec).unwrap();
    fs::rename(spec.with_extension("other"), &spec).unwrap();
    node.look(6);
    assert_eq!(node.look(12).0[0].1, Found::Policy(0), "EISDIR");
}

/// Kind 5: its annotation may be `off`, and nobody has seen it.
#[test]
fn where_its_owner_may_choose_who_is_not_known_is_held_to_nothing() {
    for (may_choose, found) in [("[off]", Found::Unknown(0)), ("[]", Found::Policy(0))] {
        let policy = format!("policies: [{{ name: all, match: [/kubepods/**], may_choose: {may_choose} }}]");
        let mut node = Node::new(&policy);
        node.run(1, "shop");
        fs::create_dir(node.files.path().join(format!("cgroup/{POD}/{}", id(2)))).unwrap();
        // No container's by its name: a runtime that is not known.
        fs::create_dir(node.files.path().join(format!("cgroup/{POD}/x"))).unwrap();
        let (seen, told) = node.look(0);
        let held: Vec<_> = seen.iter().map(|(_, found, _)| *found).collect();
        assert_eq!(held, [Found::Policy(0), found, found]);
        assert_eq!(told.count(Kind::Pod), 1);
    }
}

/// A policy without `namespaces` names a container, whoever's it is.
#[test]
fn without_a_policy_that_asks_only_its_name_is_missing() {
    let mut node = Node::new("policies: [{ name: all, match: [/kubepods/**] }]");
    fs::create_dir(node.files.path().join(format!("cgroup/{POD}/{}", id(7)))).unwrap();
    let (seen, told) = node.look(0);
    assert_eq!(seen, [("7".to_owned(), Found::Policy(0), None)]);
    assert_eq!(told.count(Kind::Pod), 1);
}

/// Kind 1: who starts containers decides how many there are.
#[test]
fn a_turn_reads_so_many_and_the_next_one_goes_on() {
    let mut node = Node::new("policies: [{ name: all, match: [/kubepods/**] }]");
    for number in 1..=MOST + 5 {
        node.run(number, "shop");
    }
    let later = |seen: &[(String, Found, Option<String>)]| {
        seen.iter().filter(|(_, found, _)| *found == Found::Unknown(0)).count()
    };
    let (seen, told) = node.look(0);
    assert_eq!((later(&seen), told.count(Kind::Pod)), (5, 1), "{told:?}");
    let (seen, told) = node.look(6);
    assert_eq!((later(&seen), told), (0, LeftOut::default()));
}

/// Kind 1: a pod's owner makes a spec as long as it likes.
#[test]
fn after_so_many_bytes_none_is_begun() {
    let mut node = Node::new("policies: [{ name: all, match: [/kubepods/**] }]");
    node.run(1, "shop");
    node.run(2, "shop");
    let later = |(seen, _): (Vec<(String, Found, Option<String>)>, LeftOut)| {
        seen.iter().filter(|(_, found, _)| *found == Found::Unknown(0)).count()
    };
    assert_eq!(later(node.look_after(MOST_BYTES - 1, 0)), 1);
    assert_eq!(later(node.look_after(MOST_BYTES, 6)), 1, "not that one either");
    assert_eq!(later(node.look(12)), 0);
}

/// Kind 1: who makes containers that nobody can say of whose they are keeps no others from being known.
#[test]
fn what_could_not_be_told_is_asked_again_with_what_new_containers_leave() {
    let mut node = Node::new("policies: [{ name: all, match: [/kubepods/**] }]");
    for number in 1..=MOST {
        fs::create_dir(node.files.path().join(format!("cgroup/{POD}/{}", id(number)))).unwrap();
    }
    let known =
        |seen: &[(String, Found, Option<String>)]| seen.iter().filter(|(.., pod)| pod.is_some()).count();
    let (seen, told) = node.look(0);
    assert_eq!((known(&seen), told.count(Kind::Pod)), (0, MOST as u64));
    for number in 1..=MOST + 5 {
        node.run(number, "shop");
    }
    let (seen, told) = node.look(300);
    assert!(seen.iter().all(|(_, found, _)| *found == Found::Policy(0)), "none is put off");
    assert_eq!((known(&seen), told.count(Kind::Pod)), (5, MOST as u64), "what was told before counts");
    let (seen, told) = node.look(301);
    assert_eq!((known(&seen), told.count(Kind::Pod)), (MOST, 5));
    let (seen, _) = node.look(302);
    assert_eq!(known(&seen), MOST + 5, "those that waited longest");
}

#[test]
fn nothing_is_read_for_whom_no_pattern_names() {
    let mut node = Node::new("policies: [{ name: web, match: [/web/**] }]");
    node.run(1, "shop");
    node.look(0);
    assert!(node.pods.known.is_empty());
}
