//! The example policies load without a warning, and match what their comments say.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_core::{Bytes, Line, Mode, Policy, Ratio};
use lowtide_policy::{Choice, PolicySet, load, parse};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn example(name: &str) -> PolicySet {
    let loaded = load(&dir().join(format!("{name}.yaml"))).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded.config.policies
}

fn name_for<'a>(set: &'a PolicySet, path: &str) -> Option<&'a str> {
    set.matching(path).map(|index| &*set.policies()[index].name)
}

fn policy<'a>(set: &'a PolicySet, name: &str) -> &'a Policy {
    set.policies().iter().find(|policy| &*policy.name == name).unwrap()
}

/// Each path with the policy it is for; `""` for none.
fn assert_matches(set: &PolicySet, expected: &[(&str, &str)]) {
    for (path, name) in expected {
        assert_eq!(name_for(set, path).unwrap_or_default(), *name, "{path}");
    }
}

#[test]
fn every_example_has_a_test() {
    let mut names: Vec<_> =
        fs::read_dir(dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "batch.yaml",
            "file-cache-heavy.yaml",
            "kubernetes.yaml",
            "latency-critical.yaml",
            "short-lived.yaml",
            "system-slice.yaml"
        ]
    );
}

/// The text of an example with the modes that its comments say to go to, and those modes. A comment above
/// `mode` speaks for that policy, else the one at the beginning of the file speaks for all of them.
fn gone_to(name: &str) -> (String, Vec<String>) {
    let comment = |lines: &mut dyn Iterator<Item = &str>| -> String {
        let words = lines.map(str::trim).map_while(|line| line.strip_prefix('#').map(str::trim));
        words.collect::<Vec<_>>().join(" ")
    };
    let named = |comment: &str, before: &str| {
        let (_, after) = comment.split_once(before)?;
        after.split(|letter: char| !letter.is_ascii_lowercase()).next().map(str::to_owned)
    };
    let text = fs::read_to_string(dir().join(format!("{name}.yaml"))).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let of_all = named(&comment(&mut lines.iter().copied()), "change `mode` to `");
    let (mut gone, mut modes) = (String::new(), Vec::new());
    for (index, line) in lines.iter().enumerate() {
        let mut line = (*line).to_owned();
        if let Some(before) = line.strip_suffix("mode: observe").filter(|before| before.trim().is_empty()) {
            let above = lines[..index].iter().rev().take_while(|line| line.trim().starts_with('#')).count();
            let above = comment(&mut lines[index - above..index].iter().copied());
            let mode = named(&above, "Then go to ").or_else(|| of_all.clone());
            let mode = mode.unwrap_or_else(|| panic!("{name}:{}: no mode to go to", index + 1));
            line = format!("{before}mode: {mode}");
            modes.push(mode);
        }
        gone += &line;
        gone.push('\n');
    }
    (gone, modes)
}

/// Nothing moves before somebody has looked, and the mode that a comment names is one that there is, and needs
/// no other change.
#[test]
fn every_example_begins_by_looking_and_says_which_mode_to_go_to() {
    let mut seen = 0;
    for (name, expected) in [
        ("batch", &[Mode::Full][..]),
        ("file-cache-heavy", &[Mode::File]),
        ("kubernetes", &[Mode::Full, Mode::Full, Mode::Full]),
        ("latency-critical", &[Mode::Full]),
        ("short-lived", &[Mode::Full]),
        ("system-slice", &[Mode::Full, Mode::Full]),
    ] {
        let set = example(name);
        assert!(set.policies().iter().all(|policy| policy.mode == Mode::Observe), "{name}");
        let (text, modes) = gone_to(name);
        assert_eq!(modes.len(), set.policies().len(), "{name}: each policy names its mode");
        let gone = parse(Path::new("lowtide.yaml"), &text).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(gone.warnings.is_empty(), "{name}: {:?}", gone.warnings);
        let found: Vec<_> = gone.config.policies.policies().iter().map(|policy| policy.mode).collect();
        assert_eq!(found, expected, "{name}");
        for (before, after) in set.policies().iter().zip(gone.config.policies.policies()) {
            assert_eq!(
                &Policy { mode: before.mode, ..after.clone() },
                before,
                "{name}: all else is as it was"
            );
        }
        seen += 1;
    }
    assert_eq!(seen, fs::read_dir(dir()).unwrap().count());
}

#[test]
fn latency_critical() {
    let set = example("latency-critical");
    let name = "latency-critical";
    assert_matches(
        &set,
        &[
            ("/system.slice/nginx.service", name),
            ("/system.slice/redis-server.service", name),
            ("/system.slice/system-postgresql.slice/postgresql@15-main.service", name),
            ("/latency.slice/api.service", name),
            ("/latency.slice/a.slice/b.service", name),
            ("/latency.slice", ""),
            ("/system.slice/nginx.service/worker", ""),
            ("/system.slice/cron.service", ""),
            ("/system.slice/system-postgresql.slice", ""),
        ],
    );
    let policy = policy(&set, name);
    assert_eq!(policy.slo.memory_pressure, Ratio::percent(0.02));
    assert_eq!(policy.cold_after, Duration::from_hours(2));
    assert_eq!(policy.limits.floor, Bytes::mib(512));
}

#[test]
fn batch() {
    let set = example("batch");
    assert_matches(
        &set,
        &[
            ("/batch.slice/run-r1.service", "batch"),
            ("/batch.slice/nightly.slice/job.scope", "batch"),
            ("/system.slice/gitlab-runner.service", "batch"),
            ("/system.slice/actions.runner.acme-api.host7.service", "batch"),
            ("/batch.slice", ""),
            ("/system.slice/cron.service", ""),
        ],
    );
    assert_eq!(policy(&set, "batch").limits.per_minute, Ratio::percent(10.0));
}

#[test]
fn file_cache_heavy() {
    let set = example("file-cache-heavy");
    let name = "file-cache-heavy";
    assert_matches(
        &set,
        &[
            ("/system.slice/minio.service", name),
            ("/system.slice/loki.service", name),
            ("/system.slice/vector.service", name),
            ("/system.slice/vectors.service", ""),
            ("/system.slice/nginx.service", ""),
            ("/minio.service", ""),
        ],
    );
    assert_eq!(policy(&set, name).limits.floor, Bytes::mib(256));
}

#[test]
fn kubernetes() {
    let set = example("kubernetes");
    let pod = "pod0b1c2d3e_4f50_6172_8394_a5b6c7d8e9f0";
    let uid = "pod0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0";
    let container = "cri-containerd-1f2e3d.scope";
    let systemd = |class: &str, middle: &str| {
        format!("/kubepods.slice{middle}/kubepods{class}-{pod}.slice/{container}")
    };
    let expected = [
        (systemd("", ""), "k8s-guaranteed"),
        (systemd("-burstable", "/kubepods-burstable.slice"), "k8s-burstable"),
        (systemd("-besteffort", "/kubepods-besteffort.slice"), "k8s-besteffort"),
        (format!("/kubepods/{uid}/1f2e3d"), "k8s-guaranteed"),
        (format!("/kubepods/burstable/{uid}/1f2e3d"), "k8s-burstable"),
        (format!("/kubepods/besteffort/{uid}/1f2e3d"), "k8s-besteffort"),
        ("/kubepods.slice".into(), ""),
        ("/kubepods".into(), ""),
        ("/kubepods.slice/kubepods-burstable.slice".into(), ""),
        ("/system.slice/kubelet.service".into(), ""),
        ("/system.slice/containerd.service".into(), ""),
    ];
    for (path, name) in expected {
        assert_matches(&set, &[(&path, name)]);
    }
    // Each pod may keep out of it.
    for (index, policy) in set.policies().iter().enumerate() {
        assert_eq!(set.chosen(index, Choice::OFF), Some(Choice::Off), "{}", policy.name);
    }
    let pressure = |name| policy(&set, name).slo.memory_pressure;
    assert!(pressure("k8s-guaranteed") < pressure("k8s-burstable"));
    assert!(pressure("k8s-burstable") < pressure("k8s-besteffort"));
}

#[test]
fn system_slice() {
    let set = example("system-slice");
    assert_matches(
        &set,
        &[
            ("/system.slice/node_exporter.service", "memory-tax"),
            ("/system.slice/cron.service", "memory-tax"),
            ("/system.slice/system-foo.slice/foo@bar.service", "memory-tax"),
            (r"/system.slice/system-systemd\x2dfsck.slice/systemd-fsck@dev-sda1.service", "memory-tax"),
            ("/user.slice/user-1000.slice/session-1.scope", "user-sessions"),
            ("/system.slice", ""),
            ("/init.scope", ""),
            ("/kubepods.slice/kubepods-pod1.slice/a.scope", ""),
        ],
    );
}

#[test]
fn short_lived() {
    let set = example("short-lived");
    let name = "short-lived";
    assert_matches(
        &set,
        &[
            ("/functions.slice/f-1.scope", name),
            ("/preview.slice/pr-7.slice/web.scope", name),
            ("/functions.slice", ""),
        ],
    );
    let policy = policy(&set, name);
    assert_eq!(policy.cold_after, Duration::from_secs(20));
    assert_eq!(policy.lines.hot, Line::Share(Ratio::percent(50.0)));
    assert_eq!(policy.lines.warm, Line::Age(policy.cold_after));
    // Walks that come only as often as by default would be too slow for it once it acts.
    let (text, _) = gone_to(name);
    let by_default: String =
        text.split_inclusive('\n').filter(|line| !line.starts_with("hotness:")).collect();
    let warnings = parse(Path::new("lowtide.yaml"), &by_default).unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].message.contains("hotness.interval"), "{warnings:?}");
}

/// All of them in one policies.d, but for the one that is a lowtide.yaml: no two claim the same pattern, and
/// the longer pattern takes its cgroups; as they are, and with the modes that they say to go to.
#[test]
fn all_examples_together() {
    all_together(|name| fs::read_to_string(dir().join(format!("{name}.yaml"))).unwrap());
    all_together(|name| gone_to(name).0);
}

fn all_together(text: impl Fn(&str) -> String) {
    let host = tempfile::tempdir().unwrap();
    let policies = host.path().join("policies.d");
    fs::create_dir(&policies).unwrap();
    let config = host.path().join("lowtide.yaml");
    for entry in fs::read_dir(dir()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        let copy = if name == "short-lived.yaml" { config.clone() } else { policies.join(name) };
        fs::write(copy, text(path.file_stem().unwrap().to_str().unwrap())).unwrap();
    }
    let loaded = load(&config).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.warnings.is_empty());
    assert_eq!(loaded.files.len(), 2 + 5);
    assert_matches(
        &loaded.config.policies,
        &[
            ("/system.slice/nginx.service", "latency-critical"),
            ("/system.slice/minio.service", "file-cache-heavy"),
            ("/system.slice/system-postgresql.slice/postgresql@15-main.service", "latency-critical"),
            ("/system.slice/cron.service", "memory-tax"),
            ("/batch.slice/job.scope", "batch"),
            ("/preview.slice/pr-7.scope", "short-lived"),
        ],
    );
}
