use std::{fs, path::Path};

use lowtide_cgroup::{Descend, Mount};
use lowtide_kernfs::Root;
use lowtide_policy::parse;
use rustix::fs::{XattrFlags, removexattr, setxattr};
use tempfile::TempDir;

use super::*;

const POLICIES: &str = "policies:
  - { name: web, match: [/web/**], may_choose: [off, gentle] }
  - { name: db, match: [/db/**, /web/a/strict], may_choose: [] }
  - { name: gentle, match: [/gentle/**] }
  - { name: harsh, match: [/harsh/**] }
";
const GENTLE: usize = 2;

/// Cgroups of files.
struct Tree {
    files: TempDir,
    mount: Mount,
    policies: PolicySet,
    choices: Choices,
}

impl Tree {
    fn new(cgroups: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        for cgroup in cgroups {
            fs::create_dir_all(files.path().join(cgroup)).unwrap();
        }
        let mount = Mount::at(Root::open(files.path()).unwrap().dir(".").unwrap());
        let policies = parse(Path::new("lowtide.yaml"), POLICIES).unwrap().config.policies;
        Self { files, mount, policies, choices: Choices::default() }
    }

    fn choose(&self, cgroup: &str, value: impl AsRef<[u8]>) {
        setxattr(self.files.path().join(cgroup), ATTRIBUTE, value.as_ref(), XattrFlags::empty()).unwrap();
    }

    /// The policy of each cgroup that the files name, what comes of what was chosen for it, and what is told.
    fn look(&mut self, seconds: u64) -> (Vec<(String, usize, Option<Outcome>)>, LeftOut) {
        let Self { mount, policies, choices, .. } = self;
        choices.begin(Duration::from_secs(seconds));
        let mut seen = Vec::new();
        let walked = mount.walk(|cgroup| {
            choices.enter(cgroup);
            if let Some(given) = policies.matching(cgroup.path()) {
                let (policy, chosen) = choices.of(cgroup.path(), given, policies, &Whose::Nobodys);
                let outcome = chosen.map(|chosen| chosen.outcome);
                seen.push((cgroup.path().to_string(), policy, outcome));
            }
            Descend::Yes
        });
        walked.unwrap();
        (seen, choices.end())
    }

    fn one(&mut self, path: &str) -> (usize, Option<Outcome>) {
        let (seen, _) = self.look(0);
        seen.into_iter()
            .find(|(seen, ..)| seen == path)
            .map(|(_, policy, outcome)| (policy, outcome))
            .unwrap()
    }
}

#[test]
fn what_is_chosen_holds_for_all_below_until_one_of_them_chooses() {
    let mut tree = Tree::new(&["web/a/b/c", "web/a/strict", "web/ab"]);
    tree.choose("web/a", "gentle");
    tree.choose("web/a/b/c", "off");
    let (seen, told) = tree.look(0);
    let seen: Vec<_> = seen.iter().map(|(path, policy, outcome)| (&**path, *policy, *outcome)).collect();
    assert_eq!(
        seen,
        [
            ("/web/a", GENTLE, Some(Outcome::Policy)),
            ("/web/a/b", GENTLE, Some(Outcome::Policy)),
            ("/web/a/b/c", 0, Some(Outcome::Off)),
            // Another policy of root's files, which lets nothing be chosen.
            ("/web/a/strict", 1, Some(Outcome::Ignored)),
            ("/web/ab", 0, None),
        ]
    );
    let told: Vec<_> = told.named().iter().map(|omission| &*omission.why).collect();
    assert_eq!(
        told,
        ["/web/a: user.lowtide_policy is `gentle`, which `may_choose` of policy db does not have"]
    );
}

/// Kind 1: a tenant writes whatever it likes.
#[test]
fn what_may_not_be_chosen_changes_nothing_and_is_told_once_escaped() {
    let long = "off".repeat(1000);
    for (value, shown) in [
        (&b"harsh"[..], "`harsh`"),
        (b"db", "`db`"),
        (b"", "``"),
        (b"off\n", r"`off\u{a}`"),
        (b"off\0", r"`off\u{0}`"),
        (b"\x1b[2Joff", r"`\u{1b}[2Joff`"),
        (b"caf\xe9", r"`caf\xe9`"),
        ("\u{202e}ffo".as_bytes(), r"`\u{202e}ffo`"),
        (long.as_bytes(), "`(more than 63 bytes)`"),
    ] {
        let mut tree = Tree::new(&["web/a/b", "web/a/c", "web/d"]);
        tree.choose("web/a", value);
        let (seen, told) = tree.look(0);
        let policies: Vec<_> = seen.iter().map(|(_, policy, _)| *policy).collect();
        assert_eq!(policies, [0, 0, 0, 0], "{shown}");
        let outcomes: Vec<_> = seen.iter().map(|(.., outcome)| *outcome).collect();
        let ignored = Some(Outcome::Ignored);
        assert_eq!(outcomes, [ignored, ignored, ignored, None], "{shown}");
        let why: Vec<_> = told.named().iter().map(|omission| &*omission.why).collect();
        let expected =
            format!("/web/a: user.lowtide_policy is {shown}, which `may_choose` of policy web does not have");
        assert_eq!((why.as_slice(), told.count(Kind::Choice)), (&[&*expected][..], 1));
    }
}

#[test]
fn its_own_policy_is_no_choice() {
    let mut tree = Tree::new(&["web/a"]);
    tree.choose("web/a", "web");
    assert_eq!(tree.one("/web/a"), (0, None));
    assert_eq!(tree.look(0).1, LeftOut::default());
}

#[test]
fn it_is_read_again_within_a_minute() {
    let mut tree = Tree::new(&["web/a"]);
    assert_eq!(tree.one("/web/a"), (0, None));
    tree.choose("web/a", "off");
    assert_eq!(tree.look(1).0[0].2, None, "not in every turn");
    assert_eq!(tree.look(60).0[0].2, Some(Outcome::Off));
    removexattr(tree.files.path().join("web/a"), ATTRIBUTE).unwrap();
    assert_eq!(tree.look(120).0[0].2, None);
    assert!(tree.choices.known.len() == 3, "the root, /web and /web/a");
    fs::remove_dir(tree.files.path().join("web/a")).unwrap();
    tree.look(121);
    assert_eq!(tree.choices.known.len(), 2);
}

const CONTAINER: &str = "/web/kubepods/pod1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn whose(wanted: Wanted) -> Whose {
    let pod = lowtide_pods::Pod {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: Some("1".into()),
        container: "app".into(),
        wanted: Some(wanted),
    };
    Whose::Pods(Arc::new(pod), CONTAINER.into())
}

/// Where what counts is written, and what comes of it.
type Counts = Option<(Written, Outcome)>;

/// What comes of an annotation of the pod, for each cgroup that is of its container, and what is told.
fn annotated(tree: &mut Tree, wanted: &Wanted) -> (Vec<Counts>, LeftOut) {
    let Tree { mount, policies, choices, .. } = tree;
    choices.begin(Duration::ZERO);
    let mut seen = Vec::new();
    let walked = mount.walk(|cgroup| {
        choices.enter(cgroup);
        if cgroup.path().starts_with(CONTAINER) {
            let (_, chosen) = choices.of(cgroup.path(), 0, policies, &whose(wanted.clone()));
            seen.push(chosen.map(|chosen| (chosen.place, chosen.outcome)));
        }
        Descend::Yes
    });
    walked.unwrap();
    (seen, choices.end())
}

#[test]
fn an_annotation_counts_as_an_attribute_of_the_container_and_gives_way_to_one() {
    let below = format!("{}/a/b", &CONTAINER[1..]);
    let off = Wanted::Text("off".into());
    let outcomes = |tree: &mut Tree| annotated(tree, &off).0;
    let (annotation, gentle) =
        (Some((Written::Annotation, Outcome::Off)), Some((Written::Attribute, Outcome::Policy)));

    let mut tree = Tree::new(&[&below, "web/kubepods/pod1"]);
    assert_eq!(outcomes(&mut tree), [annotation; 3]);
    // What is said above the container is further away.
    tree.choose("web/kubepods/pod1", "gentle");
    assert_eq!(outcomes(&mut tree), [annotation; 3]);
    // What is said below it holds below that.
    let mut tree = Tree::new(&[&below]);
    tree.choose(&below[..below.len() - 2], "gentle");
    assert_eq!(outcomes(&mut tree), [annotation, gentle, gentle]);
    // What is said of the container itself takes the annotation's place.
    let mut tree = Tree::new(&[&below]);
    tree.choose(&CONTAINER[1..], "gentle");
    assert_eq!(outcomes(&mut tree), [gentle; 3]);
}

#[test]
fn an_annotation_that_may_not_be_chosen_is_told_once() {
    let mut tree = Tree::new(&[&format!("{}/a/b", &CONTAINER[1..])]);
    for (wanted, shown) in [
        (Wanted::Text("harsh".into()), "harsh"),
        (Wanted::Odd("(more than 63 bytes)".into()), "(more than 63 bytes)"),
    ] {
        let (seen, told) = annotated(&mut tree, &wanted);
        let ignored = Some((Written::Annotation, Outcome::Ignored));
        assert!(seen.iter().all(|counts| *counts == ignored), "{seen:?}");
        let why: Vec<_> = told.named().iter().map(|omission| &*omission.why).collect();
        let expected = format!(
            "{CONTAINER}: lowtide.io/policy is `{shown}`, which `may_choose` of policy web does not have"
        );
        assert_eq!((why.as_slice(), told.count(Kind::Choice)), (&[&*expected][..], 1));
    }
}

/// Kind 5: nothing but the path tells where an annotation ends.
#[test]
fn an_annotation_is_of_its_own_container_alone() {
    let policies = parse(Path::new("lowtide.yaml"), POLICIES).unwrap().config.policies;
    let mut choices = Choices::default();
    choices.begin(Duration::ZERO);
    let off = whose(Wanted::Text("off".into()));
    let below = format!("{CONTAINER}/a");
    let beside = format!("{CONTAINER}a");
    for (path, whose, outcome) in [
        (CONTAINER, &off, Some(Outcome::Off)),
        (&below, &off, Some(Outcome::Off)),
        (&beside, &Whose::Nobodys, None),
        ("/web/z", &Whose::Nobodys, None),
    ] {
        let (policy, chosen) = choices.of(path, 0, &policies, whose);
        assert_eq!((policy, chosen.map(|chosen| chosen.outcome)), (0, outcome), "{path}");
    }
}

#[test]
fn where_nobody_may_choose_nobody_is_heard() {
    let policies =
        "policies: [{ name: web, match: [/web/**] }, { name: db, match: [/db/**], may_choose: [] }]";
    let policies = parse(Path::new("lowtide.yaml"), policies).unwrap().config.policies;
    let mut choices = Choices::default();
    choices.begin(Duration::ZERO);
    let harsh = whose(Wanted::Text("harsh".into()));
    assert_eq!(choices.of(CONTAINER, 0, &policies, &harsh), (0, None));
    assert_eq!(choices.end(), LeftOut::default());
}
