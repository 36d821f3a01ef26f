use std::path::Path;

use super::*;

/// One policy per list of patterns, called `0`, `1`, …
fn set(patterns: &[&[&str]]) -> PolicySet {
    let mut text = "policies:\n".to_owned();
    for (index, list) in patterns.iter().enumerate() {
        text += &format!("  - {{ name: \"{index}\", match: {list:?} }}\n").replace("\\\\", "\\");
    }
    // Single quotes: in them a backslash is a backslash.
    crate::parse(
        Path::new("test.yaml"),
        &text.replace("[\"", "['").replace("\"]", "']").replace("\", \"", "', '"),
    )
    .unwrap()
    .config
    .policies
}

fn winner(patterns: &[&str], path: &str) -> Option<usize> {
    set(&patterns.iter().map(std::slice::from_ref).collect::<Vec<_>>()).matching(path)
}

#[test]
fn wildcards() {
    for (pattern, matching, other) in [
        ("/web", vec!["/web"], vec!["/web/a", "/webs", "/", "/a/web", "web"]),
        ("/web/*", vec!["/web/a", "/web/a.service"], vec!["/web", "/web/a/b"]),
        ("/web/**", vec!["/web/a", "/web/a/b/c"], vec!["/web", "/webs/a"]),
        ("/**/web", vec!["/web", "/a/web", "/a/b/web"], vec!["/web/a", "/aweb"]),
        ("/a/**/z", vec!["/a/z", "/a/b/z", "/a/b/c/z"], vec!["/a/bz", "/z"]),
        ("/app-?.service", vec!["/app-1.service"], vec!["/app-12.service", "/app-/.service"]),
        ("/app-[0-9].service", vec!["/app-1.service"], vec!["/app-x.service"]),
        ("/a[!b]c", vec!["/axc"], vec!["/abc", "/a/c"]),
        ("/{web,api}.slice", vec!["/web.slice", "/api.slice"], vec!["/db.slice", "/{web,api}.slice"]),
        ("/a{,-[0-9]}/*", vec!["/a/x", "/a-1/x"], vec!["/a-x/x"]),
        (r"/a\x2d*.slice", vec![r"/a\x2db.slice"], vec!["/a-b.slice", "/ax2db.slice"]),
        ("/[*]", vec!["/*"], vec!["/a"]),
        ("/a b/ü*", vec!["/a b/über"], vec!["/a b/uber"]),
    ] {
        let set = set(&[&[pattern]]);
        for path in matching {
            assert_eq!(set.matching(path), Some(0), "{pattern} should match {path}");
        }
        for path in other {
            assert_eq!(set.matching(path), None, "{pattern} should not match {path}");
        }
    }
}

#[test]
fn the_most_specific_wins_wherever_it_stands() {
    for (path, specific, general) in [
        ("/web.slice/a", "/web.slice/a", "/web.slice/*"),
        ("/a", "/a", "/**/a"),
        ("/web.slice/a/b", "/web.slice/a/*", "/web.slice/**"),
        ("/k.slice/besteffort/pod", "/k.slice/besteffort/**", "/k.slice/**"),
        ("/k.slice/x/pod1", "/k.slice/x/*", "/k.slice/pod*/pod*"),
        ("/k.slice/pod12", "/k.slice/pod1*", "/k.slice/pod*"),
        ("/k.slice/pod12", "/k.slice/pod[0-9]*", "/k.slice/po*"),
        ("/web.slice/a", "/{web,api}.slice/*", "/web*/*"),
    ] {
        assert_eq!(
            winner(&[specific, general], path),
            winner(&[specific], path),
            "{specific} before {general}"
        );
        let last = winner(&[general, specific], path);
        assert_eq!(last, winner(&[specific], path).map(|_| 1), "{general} before {specific}");
    }
}

#[test]
fn of_equals_the_later_wins() {
    assert_eq!(winner(&["/web*x", "/w*ebx"], "/webx"), Some(1));
    assert_eq!(winner(&["/w*ebx", "/web*x"], "/webx"), Some(1));
    assert_eq!(winner(&["/w*", "/x"], "/webx"), Some(0));
}

#[test]
fn a_policy_has_the_rank_of_its_matching_pattern() {
    let set = set(&[&["/a/**", "/b/c/d/e"], &["/a/b/**", "/b/**"]]);
    assert_eq!(set.matching("/a/x"), Some(0));
    assert_eq!(set.matching("/a/b/x"), Some(1));
    assert_eq!(set.matching("/b/c/d/e"), Some(0));
    assert_eq!(set.matching("/b/c/d"), Some(1));
    assert_eq!(set.matching("/c"), None);
}

#[test]
fn without_policies_nothing_matches() {
    assert_eq!(PolicySet::default().matching("/"), None);
    assert!(PolicySet::default().policies().is_empty());
}

/// Policies with `match` and `namespaces`; `-` for none.
fn in_namespaces(policies: &[(&str, &str)]) -> PolicySet {
    let one = |(number, (pattern, namespaces)): (usize, &(&str, &str))| {
        let asks = if *namespaces == "-" { String::new() } else { format!(", namespaces: [{namespaces}]") };
        format!("  - {{ name: \"{number}\", match: ['{pattern}']{asks} }}\n")
    };
    let text = format!("policies:\n{}", policies.iter().enumerate().map(one).collect::<Vec<_>>().concat());
    crate::parse(Path::new("test.yaml"), &text).unwrap().config.policies
}

#[test]
fn a_policy_for_namespaces_goes_before_all_others() {
    let set = in_namespaces(&[
        ("/k/a/b", "-"),
        ("/k/a/**", "-"),
        ("/k/**", "shop, 'team-*'"),
        ("/k/**", "kube-system"),
        ("/k/b/**", "shop"),
    ]);
    assert!(set.asks_for_namespaces());
    let named = |name: &str| Namespace::Named(name.into());
    for (path, namespace, found) in [
        ("/k/a/b", Namespace::None, Found::Policy(0)),
        ("/k/a/c", Namespace::None, Found::Policy(1)),
        ("/k/c", Namespace::None, Found::None),
        ("/k/a/b", named("shop"), Found::Policy(2)),
        ("/k/a/b", named("team-x"), Found::Policy(2)),
        ("/k/a/b", named("kube-system"), Found::Policy(3)),
        ("/k/b/c", named("shop"), Found::Policy(4)),
        ("/k/b/c", named("team-x"), Found::Policy(2)),
        ("/k/a/b", named("other"), Found::Policy(0)),
        ("/k/c", named("other"), Found::None),
        // It may be one of those that a policy without namespaces is not for.
        ("/k/a/b", Namespace::Unknown, Found::Unknown(3)),
        ("/k/c", Namespace::Unknown, Found::Unknown(3)),
        ("/x", Namespace::Unknown, Found::None),
    ] {
        assert_eq!(set.matching_in(path, || namespace.clone()), found, "{path} {namespace:?}");
    }
}

#[test]
fn nobody_is_asked_where_no_pattern_matches() {
    let set = in_namespaces(&[("/k/**", "shop")]);
    assert_eq!(set.matching_in("/a", || panic!("asked")), Found::None);
    assert!(!in_namespaces(&[("/k/**", "-")]).asks_for_namespaces());
}
