//! Which files are read, in which order, and what is warned of.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_core::{Budgets, ByteRate, Bytes, Mode, Policy, Ratio};
use lowtide_policy::{Config, HostTiers, Loaded, Severity, files, load, parse};

/// A directory with `lowtide.yaml` and `policies.d`.
struct Host(tempfile::TempDir);

impl Host {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(dir)
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("lowtide.yaml")
    }

    fn load(&self) -> Loaded {
        load(&self.config()).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn names(&self) -> Vec<String> {
        self.load().config.policies.policies().iter().map(|policy| policy.name.to_string()).collect()
    }
}

fn one(text: &str) -> Loaded {
    parse(Path::new("lowtide.yaml"), text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn policy(name: &str) -> String {
    format!("policies: [{{ name: {name}, match: [/{name}] }}]\n")
}

#[test]
fn what_is_not_given_has_its_default() {
    let Loaded { config, .. } = one(&policy("web"));
    let default = Config::default();
    assert_eq!(config.interval, Duration::from_secs(6));
    assert_eq!(config.metrics, None);
    assert_eq!(config.control_socket, default.control_socket);
    assert_eq!(config.state_dir, Path::new("/var/lib/lowtide"));
    assert_eq!(config.budgets, Budgets::default());
    assert_eq!(config.tiers, HostTiers::default());
    assert_eq!(config.policies.policies(), [Policy::observe("web")]);
}

#[test]
fn what_is_given_is_taken() {
    let Loaded { config, warnings, .. } = one(r#"
        interval: 2s
        metrics: { listen: "[::1]:0" }
        control: { socket: /tmp/s }
        state_dir: /tmp/state
        budgets:
          reclaim_cpu: 20%
          swap_out: 20GiB/day
          swap_reserve: 0%
          watermark_distance: 1%
          direct_reclaim: 0B/s
        tiers: { zswap: { enabled: false }, demotion: true }
        policies:
          - name: web
            match: ["/web.slice/**"]
            mode: full
            slo: { memory_pressure: 0.5%, io_pressure: 100%, promotion_rate: 12%/h }
            cold_after: 30d
            limits: { floor: 1.5GiB, per_minute: 40% }
    "#);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(config.interval, Duration::from_secs(2));
    assert_eq!(config.metrics, Some("[::1]:0".parse().unwrap()));
    assert_eq!((config.control_socket, config.state_dir), ("/tmp/s".into(), "/tmp/state".into()));
    assert_eq!(
        config.budgets.swap_out,
        ByteRate { bytes: Bytes::mib(20 << 10), per: Duration::from_hours(24) }
    );
    assert_eq!(
        (config.budgets.swap_reserve, config.budgets.reclaim_cpu),
        (Ratio::ZERO, Ratio::percent(20.0))
    );
    assert_eq!(config.tiers, HostTiers { zswap_enabled: Some(false), demotion: Some(true) });
    let [web] = config.policies.policies() else { panic!("one policy") };
    assert_eq!((&*web.name, web.mode), ("web", Mode::Full));
    assert_eq!(web.cold_after, Duration::from_hours(720));
    assert_eq!((web.limits.floor, web.limits.per_minute), (Bytes::mib(1536), Ratio::percent(40.0)));
    assert!((web.slo.promotion_rate.get() - 0.002).abs() < 1e-12);
}

#[test]
fn policy_files_count_in_the_order_of_their_names() {
    let host = Host::new(&[
        ("lowtide.yaml", &policy("host")),
        ("policies.d/20-b.yaml", &policy("b")),
        ("policies.d/10-c.yaml", &policy("c")),
        ("policies.d/30-a.yaml", &policy("a")),
    ]);
    assert_eq!(host.names(), ["host", "c", "b", "a"]);
    let dir = host.0.path();
    let expected = [
        "lowtide.yaml",
        "policies.d",
        "policies.d/10-c.yaml",
        "policies.d/20-b.yaml",
        "policies.d/30-a.yaml",
    ];
    assert_eq!(host.load().files, expected.map(|name| dir.join(name)));
    assert_eq!(host.load().files, files(&host.config()));
}

#[test]
fn editors_leftovers_are_not_read() {
    let host = Host::new(&[
        ("lowtide.yaml", &policy("host")),
        ("policies.d/.web.yaml.swp", "\0"),
        ("policies.d/.#web.yaml", "["),
        ("policies.d/web.yaml~", "["),
        ("policies.d/web.yaml.dpkg-old", "["),
        ("policies.d/README", "["),
    ]);
    assert_eq!(host.names(), ["host"]);
    assert!(host.load().warnings.is_empty());
}

#[test]
fn policies_d_need_not_exist_and_is_watched_anyway() {
    let host = Host::new(&[("lowtide.yaml", &policy("host"))]);
    assert_eq!(host.load().files, [host.config(), host.0.path().join("policies.d")]);
}

#[test]
fn a_configuration_that_cannot_be_read_can_be_watched() {
    let host = Host::new(&[("policies.d/web.yaml", "[")]);
    assert!(load(&host.config()).is_err());
    assert_eq!(files(&host.config()).len(), 3);
}

#[test]
fn warnings() {
    for (text, warning) in [
        ("interval: 6s", "there is no policy"),
        ("policies: []", "there is no policy"),
        ("policies: [{ name: a, match: [/] }]", "`/` is the root cgroup"),
        ("policies: [{ name: a, match: [/**] }]", "matches every cgroup"),
        ("policies: [{ name: a, match: [/init.scope] }]", "never a target"),
        ("policies: [{ name: a, match: [/system.slice/ssh.service] }]", "never a target"),
        ("policies: [{ name: a, match: [/system.slice/lowtide.service/**] }]", "never a target"),
    ] {
        let loaded = one(text);
        let [only] = loaded.warnings.as_slice() else { panic!("{text}: {:?}", loaded.warnings) };
        assert_eq!(only.severity, Severity::Warning);
        let printed = only.to_string();
        assert!(printed.contains(": warning: ") && printed.contains(warning), "{printed}");
        assert!(only.clone().denied().to_string().contains(": error: "));
    }
}

#[test]
fn a_file_with_another_ending_is_warned_of() {
    let host = Host::new(&[("lowtide.yaml", &policy("host")), ("policies.d/web.yml", &policy("web"))]);
    assert_eq!(host.names(), ["host"]);
    let warnings = host.load().warnings;
    assert!(warnings[0].to_string().contains("web.yml: warning: this file is not read"), "{warnings:?}");
}

#[test]
fn carriage_returns_a_byte_order_mark_and_document_marks_are_no_mistakes() {
    for text in [
        "\u{feff}interval: 7s\n",
        "interval: 7s\r\n# x\r\n",
        "---\ninterval: 7s\n...\n",
        "{interval: 7s}",
        "\"interval\": '7s'",
    ] {
        assert_eq!(one(text).config.interval, Duration::from_secs(7), "{text:?}");
    }
}
