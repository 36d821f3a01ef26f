//! No input panics, takes long, or is accepted with a value out of range.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path, time::Duration};

use lowtide_core::{Line, Lines, Ratio};
use lowtide_policy::{Config, load, parse};
use proptest::prelude::*;

const GOOD: &str = r#"
interval: 6s
metrics: { listen: "127.0.0.1:9464" }
control: { socket: /run/lowtide/lowtide.sock }
state_dir: /var/lib/lowtide
hotness: { source: auto, interval: 30s, cpu: 1% }
budgets: { reclaim_cpu: 10%, swap_out: 64MiB/s, swap_reserve: 10%, watermark_distance: 0.02%, direct_reclaim: 1MiB/s }
tiers: { zswap: { enabled: false }, demotion: true, promotion: { rate: 1MiB/s } }
policies:
  - name: web
    match: ["/kubepods.slice/**", '/a\x2db/[0-9]?/{c,d*}']
    mode: full
    slo: { memory_pressure: 0.1%, io_pressure: 1%, promotion_rate: 0.2%/min }
    cold_after: 5m
    limits: { floor: 256MiB, per_minute: 5% }
    lines: { hot: 1m, warm: 25%, cold: 1h }
  - name: batch   # a comment
    match:
      - /batch.slice/**
      - "/**/batch"
    mode: file
"#;

/// Whatever was accepted is in range; whatever was refused can be printed.
fn check(text: &str) {
    match parse(Path::new("lowtide.yaml"), text) {
        Ok(loaded) => in_range(&loaded.config),
        Err(problems) => {
            let printed = problems.to_string();
            assert!(printed.contains("error:") && printed.contains("help:"), "{printed}");
            assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{printed:?}");
        }
    }
}

fn is_above(a: Line, b: Line) -> bool {
    match (a, b) {
        (Line::Age(a), Line::Age(b)) => a > b,
        (Line::Share(a), Line::Share(b)) => a > b,
        _ => false,
    }
}

fn in_range(config: &Config) {
    let share = |share: Ratio| share > Ratio::ZERO && share <= Ratio::ONE;
    assert!(config.interval >= Duration::from_secs(1) && config.interval <= Duration::from_mins(10));
    assert!(config.control_socket.is_absolute() && config.state_dir.is_absolute());
    assert!(config.budgets.swap_reserve < Ratio::ONE && share(config.budgets.reclaim_cpu));
    let walk = config.hotness.interval;
    assert!(walk >= Duration::from_secs(1) && walk <= Duration::from_hours(1) && share(config.hotness.cpu));
    for policy in config.policies.policies() {
        assert!(!policy.name.is_empty());
        assert!(share(policy.slo.memory_pressure) && share(policy.slo.io_pressure));
        assert!(policy.slo.promotion_rate.is_none_or(share) && share(policy.limits.per_minute));
        assert!(policy.cold_after >= Duration::from_secs(1));
        let Lines { hot, warm, cold } = policy.lines;
        assert!(!is_above(hot, warm) && !is_above(warm, cold) && !is_above(hot, cold));
        assert!(
            [hot, warm, cold].iter().all(|line| !matches!(line, Line::Share(share) if *share > Ratio::ONE))
        );
    }
    let _ = config.policies.matching("/kubepods.slice/a");
}

#[test]
fn the_good_one_is_good() {
    let loaded = parse(Path::new("lowtide.yaml"), GOOD).unwrap();
    assert!(loaded.warnings.is_empty());
    assert_eq!(loaded.config.policies.policies().len(), 2);
}

/// What YAML is made of.
fn token() -> impl Strategy<Value = String> {
    let fixed = [
        "policies", "name", "match", "mode", "slo", "limits", "lines", "hot", "interval", "hotness", "tiers",
        "zswap", ": ", ":", "- ", "-", "\n", "\n  ", "\n    ", "[", "]", "{", "}", ", ", "\"", "'", "&a ",
        "*a", "!t ", "# ", "| ", "> ", "? ", "%", "~", "null", "true", "6s", "5%", "0.2%/min", "64MiB/s",
        "/a/**", "\t", "---\n", "...\n", "<<: ", "\\x00", "ü", "\u{feff}",
    ];
    prop_oneof![9 => proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned), 1 => ".{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_in_a_file(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("lowtide.yaml");
        fs::write(&config, bytes).unwrap();
        match load(&config) {
            Ok(loaded) => in_range(&loaded.config),
            Err(problems) => prop_assert!(problems.to_string().contains("help:")),
        }
    }

    #[test]
    fn arbitrary_text(text in "\\PC{0,200}") {
        check(&text);
    }

    #[test]
    fn scraps_of_yaml(tokens in proptest::collection::vec(token(), 0..60)) {
        check(&tokens.concat());
    }

    #[test]
    fn a_good_file_with_something_else_in_it(
        start in 0..GOOD.len(),
        length in 0..20_usize,
        tokens in proptest::collection::vec(token(), 0..4),
    ) {
        let floor = |at: usize| (0..=at.min(GOOD.len())).rev().find(|at| GOOD.is_char_boundary(*at)).unwrap_or(0);
        let (from, to) = (floor(start), floor(start + length));
        check(&format!("{}{}{}", &GOOD[..from], tokens.concat(), &GOOD[to..]));
    }

    #[test]
    fn a_good_file_with_a_piece_twice(start in 0..GOOD.len(), length in 0..200_usize, at in 0..GOOD.len()) {
        let piece = GOOD.get(start..(start + length).min(GOOD.len())).unwrap_or_default();
        let at = if GOOD.is_char_boundary(at) { at } else { 0 };
        check(&format!("{}{piece}{}", &GOOD[..at], &GOOD[at..]));
    }
}

/// The largest files that are parsed at all, in the shapes that cost most.
#[test]
fn the_worst_megabyte_is_refused_in_time() {
    let size = lowtide_policy::MAX_FILE_BYTES;
    let worst = [
        "[".repeat(size),
        "{".repeat(size),
        "- ".repeat(size / 2),
        "a: ".repeat(size / 3),
        "? ".repeat(size / 2),
        "a\n".repeat(size / 2),
        "x: 1\n".repeat(size / 5),
        (0..size / 10).map(|n| format!("k{n}: 1\n")).collect::<Vec<_>>().concat(),
        format!("policies: [{}]", "a,".repeat(size / 2 - 10)),
        format!("policies: [{{name: a, match: [{}]}}]", "\"/*\",".repeat(size / 6)),
        format!(
            "policies: [{{name: a, match: [{}]}}]",
            (0..40_000).map(|n| format!("/{n}/*,")).collect::<Vec<_>>().concat()
        ),
        format!("policies: [{{name: a, match: [\"/{}\"]}}]", "*a".repeat(500)),
        format!("state_dir: \"{}\"", "\\n".repeat(size / 2 - 10)),
        format!("state_dir: |\n{}", "  x\n".repeat(size / 4)),
        format!("a: &a [{}]", "*a,".repeat(size / 4)),
    ];
    for text in worst {
        let start = std::time::Instant::now();
        let begins: String = text.chars().take(60).collect();
        let refused = parse(Path::new("lowtide.yaml"), &text);
        let shown = refused.err().map(|problems| problems.to_string().len()).unwrap_or_default();
        println!("{:?} {shown} {begins:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_mins(1), "{begins}");
        assert!(shown < 100_000, "{begins}");
    }
}

#[test]
fn as_many_wildcards_as_are_allowed_compile() {
    let patterns =
        |count| (0..count).map(|n| format!("\"/**/slice-{n}*.slice/**/pod[0-9]*/*\"")).collect::<Vec<_>>();
    let text = |count| format!("policies: [{{ name: many, match: [{}] }}]", patterns(count).join(", "));
    let set = parse(Path::new("lowtide.yaml"), &text(1000)).unwrap().config.policies;
    assert_eq!(set.matching("/a/slice-999x.slice/b/pod1/c"), Some(0));
    assert_eq!(set.matching("/a/slice-1000.slice/b/pad1/c"), None);
    let refused = parse(Path::new("lowtide.yaml"), &text(1001)).unwrap_err().to_string();
    assert!(refused.contains("more than 1000 patterns with wildcards"), "{refused}");
}
