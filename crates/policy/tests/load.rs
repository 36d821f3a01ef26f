//! Which files are read, in which order, and what is warned of.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use lowtide_core::{
    AtMost, Budgets, ByteRate, Bytes, Line, Lines, Mode, Policy, Ratio, TierKind, TierRule, TierRules,
    watermarks,
};
use lowtide_policy::{
    Access, Amount, Config, HostTiers, Hotness, Loaded, Metrics, Price, Severity, SourceChoice, SwapSetup,
    ZramSetup, ZswapSetup, files, load, parse,
};

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
    let hotness = Hotness {
        source: SourceChoice::Auto,
        interval: Duration::from_secs(30),
        cpu: Ratio::percent(1.0),
        observe: true,
    };
    assert_eq!((config.hotness, default.hotness), (hotness, hotness));
    assert_eq!(config.budgets, Budgets::default());
    assert_eq!(config.tiers, HostTiers::default());
    assert_eq!(config.policies.policies(), [Policy::observe("web")]);
}

fn tiers() -> HostTiers {
    HostTiers {
        apply: true,
        zram: Some(ZramSetup {
            size: Amount::OfMemory(Ratio::percent(200.0)),
            memory: Some(Amount::OfMemory(Ratio::percent(25.0))),
            algorithm: Some("lz4".into()),
            backing: Some("/dev/disk/by-partlabel/cold".into()),
            priority: 7,
        }),
        swap: vec![
            SwapSetup { device: "/dev/vdb".into(), priority: Some(0) },
            SwapSetup { device: "/swap file".into(), priority: None },
        ],
        zswap: ZswapSetup {
            enabled: Some(false),
            compressor: Some("zstd".into()),
            max_pool_percent: Some(30),
            shrinker: Some(true),
        },
        demotion: Some(true),
        promotion: Some(ByteRate::per_second(Bytes::mib(32))),
    }
}

#[test]
fn what_is_given_is_taken() {
    let Loaded { config, warnings, .. } = one(r#"
        interval: 2s
        metrics: { listen: "[::1]:0" }
        control: { socket: /tmp/s }
        state_dir: /tmp/state
        hotness: { source: mglru, interval: 10s, cpu: 2.5%, observe: false }
        budgets:
          reclaim_cpu: 20%
          swap_out: 20GiB/day
          swap_reserve: 0%
          watermark_distance: 1%
          direct_reclaim: 0B/s
        tiers:
          apply: true
          zram: { size: 200%, memory: 25%, algorithm: lz4, backing: /dev/disk/by-partlabel/cold, priority: 7 }
          swap: [{ device: /dev/vdb, priority: 0 }, { device: /swap file }]
          zswap: { enabled: false, compressor: zstd, max_pool_percent: 30, shrinker: true }
          demotion: true
          promotion: { rate: 32MiB/s }
        price_per_gib_month: { dram: 3.5, currency: EUR }
        policies:
          - name: web
            match: ["/web.slice/**"]
            mode: full
            slo: { memory_pressure: 0.5%, io_pressure: 100%, promotion_rate: 12%/h }
            cold_after: 30d
            tiers:
              - { use: zswap, at_most: 25% }
              - { use: disk, after: 6h, at_most: 1GiB }
              - { use: node }
            limits: { floor: 1.5GiB, per_minute: 40% }
            lines: { hot: 1m, warm: 25%, cold: 1h }
    "#);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(config.interval, Duration::from_secs(2));
    let address = "[::1]:0".parse().unwrap();
    assert_eq!(config.metrics, Some(Metrics::Tcp { address, access: Access::default() }));
    assert_eq!((config.control_socket, config.state_dir), ("/tmp/s".into(), "/tmp/state".into()));
    let hotness = Hotness {
        source: SourceChoice::Mglru,
        interval: Duration::from_secs(10),
        cpu: Ratio::percent(2.5),
        observe: false,
    };
    assert_eq!(config.hotness, hotness);
    assert_eq!(
        config.budgets.swap_out,
        ByteRate { bytes: Bytes::mib(20 << 10), per: Duration::from_hours(24) }
    );
    assert_eq!(
        (config.budgets.swap_reserve, config.budgets.reclaim_cpu),
        (Ratio::ZERO, Ratio::percent(20.0))
    );
    assert_eq!(config.tiers, tiers());
    assert_eq!(config.price, Some(Price { dram: 3.5, currency: "EUR".into() }));
    let [web] = config.policies.policies() else { panic!("one policy") };
    assert_eq!((&*web.name, web.mode), ("web", Mode::Full));
    assert_eq!(web.cold_after, Duration::from_hours(720));
    assert_eq!((web.limits.floor, web.limits.per_minute), (Bytes::mib(1536), Ratio::percent(40.0)));
    assert_eq!(web.tiers, rules());
    assert!((web.slo.promotion_rate.unwrap().get() - 0.002).abs() < 1e-12);
    // Not given: fifteen times the pressure on memory.
    assert!((web.slo.slowdown.get() - 15.0 * web.slo.memory_pressure.get()).abs() < 1e-12, "{:?}", web.slo);
    let [hot, cold] = [1, 60].map(|minutes| Line::Age(Duration::from_mins(minutes)));
    assert_eq!(web.lines, Lines { hot, warm: Line::Share(Ratio::percent(25.0)), cold });
}

fn rules() -> TierRules {
    let zswap = TierRule { after: None, at_most: Some(AtMost::OfMemory(Ratio::percent(25.0))) };
    let after = Some(Duration::from_hours(6));
    let disk = TierRule { after, at_most: Some(AtMost::Bytes(Bytes::mib(1024))) };
    let node = TierRule::default();
    TierRules::Only([(TierKind::Zswap, zswap), (TierKind::Disk, disk), (TierKind::Node, node)].into())
}

#[test]
fn every_tier_is_allowed_unless_there_is_a_list() {
    let Loaded { config, .. } = one(&policy("web"));
    assert_eq!(config.policies.policies()[0].tiers, TierRules::Any);
}

#[test]
fn a_source_is_written_as_it_is_named() {
    for source in [
        SourceChoice::Auto,
        SourceChoice::Mglru,
        SourceChoice::Sampled,
        SourceChoice::Damon,
        SourceChoice::None,
    ] {
        let Loaded { config, .. } = one(&format!("hotness: {{ source: {source} }}"));
        assert_eq!(config.hotness, Hotness { source, ..Hotness::default() });
    }
}

#[test]
fn lines_that_are_not_given_lie_around_cold_after() {
    let age = |minutes| Line::Age(Duration::from_mins(minutes));
    let share = |percent| Line::Share(Ratio::percent(percent));
    for (lines, hot, warm, cold) in [
        ("{}", age(3), age(6), age(60)),
        ("{ hot: 1m }", age(1), age(6), age(60)),
        ("{ hot: 6m, cold: 6m }", age(6), age(6), age(6)),
        ("{ cold: 1d }", age(3), age(6), age(1440)),
        // An age and a share cannot be compared.
        ("{ hot: 90% }", share(90.0), age(6), age(60)),
        ("{ hot: 0%, cold: 100% }", share(0.0), age(6), share(100.0)),
        ("{ hot: 50%, warm: 1m, cold: 50% }", share(50.0), age(1), share(50.0)),
    ] {
        let text = format!("policies: [{{ name: a, match: [/a], cold_after: 6m, lines: {lines} }}]");
        assert_eq!(one(&text).config.policies.policies()[0].lines, Lines { hot, warm, cold }, "{lines}");
    }
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
fn a_setting_of_the_whole_host_is_changed_by_who_says_so_alone() {
    let adapted = |watermarks: &str| one(&format!("watermarks: {watermarks}\n{}", policy("web")));
    assert_eq!(one(&policy("web")).config.watermarks, None);
    for (off, warned_of) in [("{ adapt: false }", false), ("{}", true), ("{ max_scale_factor: 500 }", true)] {
        let loaded = adapted(off);
        assert_eq!(
            (loaded.config.watermarks, loaded.warnings.len()),
            (None, usize::from(warned_of)),
            "{off}"
        );
        assert!(loaded.warnings.iter().all(|warning| warning.to_string().contains("nothing is adapted")));
    }
    let defaults = adapted("{ adapt: true }").config.watermarks.unwrap();
    assert_eq!(defaults, watermarks::Settings::default());
    assert_eq!(defaults.max_scale_factor.get(), 1000);
    let all = adapted("{ adapt: true, max_scale_factor: 3000, available_loss: 30%, protection: 1m }");
    let expected = watermarks::Settings {
        max_scale_factor: watermarks::Factor::MOST,
        available_loss: Ratio::percent(30.0),
        protection: Duration::from_mins(1),
    };
    assert_eq!(all.config.watermarks, Some(expected));
}

#[test]
fn warnings() {
    for (text, warning) in [
        ("interval: 6s", "there is no policy"),
        ("policies: []", "there is no policy"),
        ("policies: [{ name: a, match: [/**] }]", "matches every cgroup"),
        ("policies: [{ name: a, match: [/init.scope] }]", "never a target"),
        ("policies: [{ name: a, match: [/system.slice/ssh.service] }]", "never a target"),
        ("policies: [{ name: a, match: [/system.slice/lowtide.service/**] }]", "never a target"),
        // There `/**` is kept to pods, and is all right.
        (
            "policies: [{ name: a, match: [/**, /system.slice/kubelet.service], namespaces: [a] }]",
            "never a target",
        ),
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
fn the_host_as_a_whole_is_a_policy_alone() {
    let loaded = one("policies: [{ name: host, match: [/], mode: full }]");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.policies.of_whole_host(), Some(0));
    let others = one("policies: [{ name: a, match: [/a] }, { name: b, match: [/**] }]");
    assert_eq!(others.config.policies.of_whole_host(), None);
}

/// Ages are known only at walks.
#[test]
fn walks_that_are_too_far_apart_for_a_policy_are_warned_of() {
    for (hotness, policy, warning) in [
        ("{}", "mode: full, cold_after: 59s", "to 29s or less"),
        ("{}", "mode: full, cold_after: 60s", ""),
        (
            "{}",
            "mode: file, cold_after: 59s",
            "`cold_after` is 59s, less than twice `hotness.interval`, which is 30s",
        ),
        ("{}", "mode: observe, cold_after: 59s", ""),
        ("{}", "cold_after: 59s", ""),
        ("{ source: none }", "mode: full, cold_after: 59s", ""),
        ("{ source: damon, interval: 10s }", "mode: full, cold_after: 20s", ""),
        ("{ source: damon, interval: 10s }", "mode: full, cold_after: 19s", "`hotness.interval` is here"),
        ("{ interval: 1s }", "mode: full, cold_after: 1500ms", "raise `cold_after` to 2s or more"),
        ("{ interval: 151s }", "mode: full", "`cold_after` is 5m by default, less than twice"),
        ("{ interval: 150s }", "mode: full", ""),
    ] {
        let loaded = one(&format!("hotness: {hotness}\npolicies: [{{ name: a, match: [/a], {policy} }}]\n"));
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), usize::from(!warning.is_empty()), "{hotness} {policy}: {warnings:?}");
        let printed = warnings.concat();
        assert!(
            printed.contains(warning) && printed.contains("warning: ") != warning.is_empty(),
            "{printed}"
        );
    }
}

#[test]
fn the_interval_in_one_file_is_held_against_policies_in_another() {
    let host = Host::new(&[
        ("lowtide.yaml", "interval: 6s\nhotness: { interval: 1m }\n"),
        ("policies.d/web.yaml", "policies: [{ name: web, match: [/web], mode: full, cold_after: 90s }]\n"),
    ]);
    let [only] = &host.load().warnings[..] else { panic!("one warning") };
    let related = only.related.as_ref().unwrap();
    let dir = host.0.path();
    assert_eq!((&only.file, only.place.as_ref().unwrap().column), (&dir.join("policies.d/web.yaml"), 64));
    assert_eq!((&related.file, related.place.line, related.place.column), (&host.config(), 2, 22));
}

/// A `cold_after` that could not be read is not the default.
#[test]
fn values_are_held_against_each_other_only_if_they_could_be_read() {
    let text = "hotness: { interval: 30 }\n\
                policies: [{ name: a, match: [/a], mode: full, cold_after: 300, lines: { hot: 10m } }, \
                { name: b, match: [/b], mode: full, cold_after: 2s }]\n";
    let problems = parse(Path::new("lowtide.yaml"), text).unwrap_err();
    let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["`hotness.interval`: `30` has no unit", "`cold_after`: `300` has no unit"]);
}

#[test]
fn many_warnings_hide_no_error() {
    let ssh: Vec<_> = (0..100).map(|n| format!("/system.slice/ssh.service/{n}")).collect();
    let text = format!(
        "policies: [{{ name: a, match: [{}] }}, {{ name: a, match: [/a] }}, {{ name: b, match: [/a] }}]",
        ssh.join(", ")
    );
    let problems = parse(Path::new("lowtide.yaml"), &text).unwrap_err();
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    assert_eq!(errors.count(), 2, "{problems}");
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

#[test]
fn a_price_is_a_number_that_is_not_negative() {
    assert_eq!(
        one("price_per_gib_month: { dram: 0 }").config.price,
        Some(Price { dram: 0.0, currency: "USD".into() })
    );
    for (price, wrong) in [
        ("{ dram: -1 }", "`price_per_gib_month.dram` is `-1`"),
        ("{ dram: .inf }", "`price_per_gib_month.dram` is `.inf`"),
        ("{ dram: nan }", "`price_per_gib_month.dram` is `nan`"),
        ("{ dram: \"3\" }", "`price_per_gib_month.dram` is the text \"3\""),
        ("{ dram: 3 USD }", "`price_per_gib_month.dram` is `3 USD`"),
        ("{ dram: [3] }", "`price_per_gib_month.dram` is a list"),
        ("{ currency: USD }", "`price_per_gib_month` has no `dram`"),
        ("{ dram: 3, currency: dollars and cents }", "`dollars and cents` is not a currency"),
        ("3", "`price_per_gib_month` is a single value, not a map"),
    ] {
        let text = format!("price_per_gib_month: {price}\n");
        let problems = parse(Path::new("lowtide.yaml"), &text).unwrap_err();
        let messages: Vec<_> = problems.iter().map(|problem| problem.message.clone()).collect();
        assert!(messages.iter().any(|message| message.contains(wrong)), "{price}: {messages:?}");
    }
}

#[test]
fn what_is_probably_no_glob_is_warned_of() {
    let told = |pattern: &str| {
        let text = format!("policies: [{{ name: web, match: [{pattern}] }}]\n");
        let loaded = parse(Path::new("lowtide.yaml"), &text).unwrap();
        loaded.warnings.iter().map(ToString::to_string).collect::<String>()
    };
    assert!(told("'/web/.*'").contains("`/.*` is of a regular expression"), "{}", told("'/web/.*'"));
    let eaten = told(r#""/a\x2db.slice""#);
    assert!(eaten.contains("the pattern is `/a-b.slice`") && eaten.contains(r"'/a\x2db.slice'"), "{eaten}");
    assert_eq!(told(r"'/a\x2db.slice'"), "");
}
