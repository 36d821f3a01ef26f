//! JSON for scripts: each command that prints some has a schema, and what needs no daemon is held against it.
//! What a daemon tells is in live.rs, `top` in top.rs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lowtide_core::Bytes;
use lowtide_doctor::{Evidence, Taken, Waste, examine};
use lowtide_setup::{Action, Applied, Failed, Plan, State, Step};
use lowtide_view::json::render;
use serde_json::Value;
use support::{against_schema, commands, schemas};

/// Options with which a command tells something else, for which it has a second schema.
const OTHERS: [&str; 2] = ["at", "since"];
/// Commands that tell the same with such an option.
const SAME: [(&str, &str); 1] = [("top", "at")];

/// A new command with `--json`, or a new form of one, has no schema yet: this names it.
#[test]
fn every_command_that_prints_json_has_a_schema() {
    let mut printed = BTreeSet::new();
    for (name, command) in commands() {
        let has = |option: &str| command.get_arguments().any(|argument| argument.get_long() == Some(option));
        if !has("json") {
            continue;
        }
        let name = name.replace(' ', "_");
        for other in OTHERS.into_iter().filter(|other| has(other) && !SAME.contains(&(&*name, other))) {
            printed.insert(format!("{name}_{other}"));
        }
        printed.insert(name);
    }
    let schemas = schemas();
    let described: BTreeSet<_> = schemas.as_object().unwrap().keys().cloned().collect();
    let missing: Vec<_> = printed.difference(&described).collect();
    assert!(missing.is_empty(), "docs/output.schema.json has nothing for {missing:?}");
    let unknown: Vec<_> = described.difference(&printed).collect();
    assert!(unknown.is_empty(), "docs/output.schema.json has {unknown:?}, and no command prints it");
    for (name, schema) in schemas.as_object().unwrap() {
        let required = schema["required"].as_array().unwrap();
        assert!(schema["type"] == "object" && required.contains(&"version".into()), "{name}");
        assert_eq!(schema["properties"]["version"]["const"], 1, "{name}");
    }
}

fn fixture(kernel: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel)
}

/// What a command prints; with this exit status.
fn told(arguments: &[&str], root: &Path, status: i32) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lowtide"));
    let output = command.args(arguments).arg("--json").arg("--root").arg(root).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {stderr}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["version"], 1, "{arguments:?}");
    document
}

#[test]
fn the_doctor_tells_what_the_schema_says() {
    for kernel in ["6.1", "6.12", "6.18", "7.3"] {
        let document = told(&["doctor"], &fixture(kernel), 0);
        against_schema("doctor", &document);
        assert!(document["findings"].as_array().unwrap().len() > 20, "{kernel}");
    }
    let nothing = tempfile::tempdir().unwrap();
    against_schema("doctor", &told(&["doctor"], nothing.path(), 1));

    // On no captured tree a daemon runs, memory is lost, or a file cannot be read.
    let mut report = examine(&fixture("6.12"), None).unwrap();
    let evidence = vec![Evidence { file: "/proc/meminfo".into(), said: "Slab: 1 kB".into() }];
    let waste =
        |bytes| Waste { name: "slab", bytes, why: "why".into(), remedy: "none", evidence: evidence.clone() };
    report.hygiene.extend([None, Some(Bytes::mib(1))].map(waste));
    report.unread.clone_from(&evidence);
    for source in [None, Some("mglru".to_owned())] {
        report.source.running = Some(Taken { source, why: "why".into() });
        against_schema("doctor", &serde_json::from_str(&render(&report).unwrap()).unwrap());
    }
}

/// By the program: one setting, planned, set, and set already.
#[test]
fn tiers_are_told_as_the_schema_says() {
    let host = tempfile::tempdir().unwrap();
    let (place, config) = (host.path().display(), host.path().join("lowtide.yaml"));
    let text = format!("state_dir: {place}/state\ntiers: {{ zswap: {{ enabled: true }} }}\n");
    for (file, text) in [
        ("lowtide.yaml", &*text),
        ("sys/module/zswap/parameters/enabled", "N\n"),
        ("proc/sys/kernel/random/boot_id", "boot"),
        ("proc/meminfo", "MemTotal: 1048576 kB\n"),
    ] {
        fs::create_dir_all(host.path().join(file).parent().unwrap()).unwrap();
        fs::write(host.path().join(file), text).unwrap();
    }
    let tiers = |command: &str| {
        let schema = format!("tiers_{command}");
        let document = told(&["tiers", command, "--config", config.to_str().unwrap()], host.path(), 0);
        against_schema(&schema, &document);
        document
    };
    assert_eq!(tiers("plan")["steps"][0]["state"], "to_do");
    let applied = tiers("apply");
    assert_eq!(
        (&applied["done"][0]["action"], &applied["plan"][0]["state"]),
        (&"set".into(), &"already".into())
    );
    assert_eq!(tiers("plan")["steps"][0]["state"], "already");
    assert_eq!(tiers("apply")["done"], Value::Array(Vec::new()));
    fs::write(&config, format!("state_dir: {place}/state\n")).unwrap();
    assert_eq!(tiers("plan")["steps"], Value::Array(Vec::new()), "nothing is asked for");
}

/// Each kind of step, with what only a host with devices would tell.
#[test]
fn every_kind_of_step_is_in_the_schema() {
    let (name, device) = (|| "zram1".to_owned(), || PathBuf::from("/dev/zram1"));
    let actions = [
        Action::AddZram { name: name(), size: Bytes::mib(1) },
        Action::SetZram { name: name(), file: "disksize", value: "1".into() },
        Action::Mark { device: device() },
        Action::Format { device: device(), size: Bytes::mib(1) },
        Action::SwapOn { device: device(), priority: Some(1), own: true },
        Action::SwapOn { device: device(), priority: None, own: false },
        Action::Set { path: "sys/file".into(), value: "1".into() },
    ];
    let states = [State::Already, State::ToDo, State::Impossible].into_iter().cycle();
    let whys = [None, Some("why".to_owned())].into_iter().cycle();
    let steps: Vec<_> = actions
        .into_iter()
        .zip(states.zip(whys))
        .map(|(action, (state, why))| Step { action, now: "1".into(), then: "2".into(), state, why })
        .collect();
    let known = schemas()["tiers_plan"]["properties"]["steps"]["items"]["properties"].clone();
    let told: BTreeSet<_> = steps
        .iter()
        .flat_map(|step| serde_json::to_value(step).unwrap().as_object().unwrap().clone())
        .map(|(key, _)| key)
        .collect();
    assert_eq!(told, known.as_object().unwrap().keys().cloned().collect(), "the schema has no more, either");
    let failed = Failed { step: steps[0].clone(), error: "error".into() };
    let applied = Applied { done: steps.clone(), failed: Some(failed), plan: Plan { steps } };
    against_schema("tiers_apply", &serde_json::from_str(&render(&applied).unwrap()).unwrap());
}
