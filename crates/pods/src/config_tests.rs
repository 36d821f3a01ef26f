use super::*;
use crate::Place;

const UID: &str = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0";

fn id() -> String {
    "a".repeat(64)
}

fn cgroup() -> String {
    format!("/kubepods/burstable/pod{UID}/{}", id())
}

/// A spec with more annotations, each `"KEY":VALUE`.
fn spec(more: &[&str]) -> String {
    let names = [
        r#""io.kubernetes.cri.container-type":"container""#,
        r#""io.kubernetes.cri.sandbox-namespace":"shop""#,
        r#""io.kubernetes.cri.sandbox-name":"web-0.x""#,
        &format!(r#""io.kubernetes.cri.sandbox-uid":"{UID}""#),
        r#""io.kubernetes.cri.container-name":"app""#,
    ];
    let annotations = [&names, more].concat().join(",");
    format!(
        r#"{{"process":{{"env":["PASSWORD=hunter2"]}},"annotations":{{{annotations}}},"linux":{{"cgroupsPath":"{}"}}}}"#,
        cgroup()
    )
}

fn parsed(text: &str) -> Result<Pod, Fault> {
    let path = cgroup();
    let Place::Container(container) = Place::of(&path) else { panic!("{path}") };
    parse(Runtime::Containerd, text.as_bytes(), container)
}

fn wanted(value: &str) -> Option<Wanted> {
    parsed(&spec(&[&format!(r#""lowtide.io/policy":{value}"#)])).unwrap().wanted
}

#[test]
fn names_and_no_more() {
    let pod = parsed(&spec(&[])).unwrap();
    assert_eq!(
        (pod.to_string(), pod.uid.as_deref(), &pod.wanted),
        ("shop/web-0.x/app".to_owned(), Some(UID), &None)
    );
    assert!(!format!("{pod:?}").contains("hunter2"));
}

/// containerd before 1.6.11.
#[test]
fn a_spec_without_a_uid_says_whose_it_is() {
    let text = spec(&[]).replace(&format!(r#""io.kubernetes.cri.sandbox-uid":"{UID}","#), "");
    let pod = parsed(&text).unwrap();
    assert_eq!((pod.to_string(), pod.uid), ("shop/web-0.x/app".to_owned(), None));
}

/// Kind 1: a pod's owner writes whatever the API server takes for an annotation.
#[test]
fn what_its_owner_wants_is_bounded_and_escaped() {
    assert_eq!(wanted(r#""off""#), Some(Wanted::Text("off".into())));
    assert_eq!(wanted(r#""""#), Some(Wanted::Text("".into())));
    assert_eq!(wanted("null"), None);
    for (value, shown) in [
        (r#""\u001b[2Joff""#.to_owned(), r"\u{1b}[2Joff"),
        (r#""off\n""#.to_owned(), r"off\u{a}"),
        ("\"\u{202e}ffo\"".to_owned(), r"\u{202e}ffo"),
        (format!("\"{}\"", "o".repeat(200_000)), "(more than 63 bytes)"),
    ] {
        assert_eq!(wanted(&value), Some(Wanted::Odd(shown.into())), "{shown}");
    }
}

#[test]
fn a_name_that_kubernetes_does_not_allow_is_none() {
    for (annotation, name) in [
        ("io.kubernetes.cri.sandbox-namespace", "\"\""),
        ("io.kubernetes.cri.sandbox-namespace", r#""shop/../kube-system""#),
        ("io.kubernetes.cri.sandbox-name", r#""Web""#),
        ("io.kubernetes.cri.sandbox-uid", r#""\u001b""#),
        ("io.kubernetes.cri.container-name", &format!("\"{}\"", "a".repeat(64))),
        ("io.kubernetes.cri.container-name", "null"),
    ] {
        let sound = spec(&[]);
        let key = format!("\"{annotation}\":");
        let begin = sound.find(&key).unwrap() + key.len();
        let end = begin + sound[begin..].find([',', '}']).unwrap();
        let text = format!("{}{name}{}", &sound[..begin], &sound[end..]);
        let Err(Fault::NoPod { annotation: found, .. }) = parsed(&text) else { panic!("{text}") };
        assert_eq!(found, annotation);
    }
}

/// serde's own words would show what stood there.
#[test]
fn what_is_no_spec_is_not_quoted() {
    for text in [
        "",
        "hunter2",
        r#"{"annotations":"hunter2","linux":{}}"#,
        r#"{"annotations":{"lowtide.io/policy":{"hunter2":1}}}"#,
        r#"{"annotations":{"lowtide.io/policy":"hunter2","lowtide.io/policy":"hunter2"}}"#,
        r#"{"linux":{"cgroupsPath":7}}"#,
        r#"{"process":{"env":["PASSWORD=hunter2"#,
        &"[".repeat(10_000),
    ] {
        let fault = parsed(text).unwrap_err();
        assert!(matches!(fault, Fault::NoSpec { .. }), "{text}: {fault:?}");
        assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
    }
}

#[test]
fn a_spec_of_another_cgroup_says_nothing() {
    for path in ["/kubepods/besteffort/pod1/x", "", "a.slice:cri-containerd:x", r"\u001b[2J"] {
        let text = spec(&[]).replace(&format!("\"{}\"", cgroup()), &format!("\"{path}\""));
        let Err(Fault::Elsewhere { found }) = parsed(&text) else { panic!("{text}") };
        assert!(!found.contains('\u{1b}'), "{found}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in r#"(\{|\}|\[|\]|"annotations":|"linux":|"cgroupsPath":|"lowtide.io/policy":|"a"|,|7|null){0,24}"#) {
        let _ = parsed(&text);
    }
}
