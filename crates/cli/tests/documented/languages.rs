//! Blocks that are no commands: configurations of lowtide, and of what it works with.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use lowtide_testing::docs::{Block, blocks, top};

fn in_language(language: &str) -> Vec<Block> {
    let blocks: Vec<_> = blocks().into_iter().filter(|block| block.language == language).collect();
    assert!(!blocks.is_empty(), "no block of {language}: take it from LANGUAGES");
    blocks
}

fn source(file: &str) -> String {
    fs::read_to_string(top().join(file)).unwrap()
}

/// How a block begins, and what looks at it.
type Look = (&'static str, fn(&Block));

/// YAML that is no configuration of lowtide.
const OTHERS: &[Look] = &[
    // `promtool check config` in `cargo xtask test` judges all of it.
    ("# prometheus.yml", the_listener_is_scraped),
    ("# yaml-language-server: $schema=", the_schema_is_there),
    ("metadata:", the_annotation_is_heard),
    ("# KubeletConfiguration", kubelet_knows_the_keys),
];

/// Alone or as a part of a policy.
#[test]
fn yaml_is_what_lowtide_or_somebody_else_takes() {
    let mut checked = 0;
    for block in in_language("yaml") {
        if let Some((_, look)) = OTHERS.iter().find(|(first, _)| block.text.starts_with(first)) {
            look(&block);
            continue;
        }
        let is_part_of_a_policy = block.text.starts_with("    ");
        let above =
            if is_part_of_a_policy { "policies:\n  - name: web\n    match: [\"/web\"]\n" } else { "" };
        let whole = format!("{above}{}", block.text);
        let loaded = lowtide_policy::parse(Path::new(&block.place), &whole).unwrap_or_else(|e| panic!("{e}"));
        // A block about something else than policies has none.
        let warned = |problem: &&lowtide_policy::Problem| !problem.message.starts_with("there is no policy");
        assert_eq!(loaded.warnings.iter().find(warned), None, "{}", block.place);
        // The chart's values have the same policies, and other keys beside them.
        if block.text.starts_with("# values.yaml\n") {
            let schema: serde_json::Value =
                serde_json::from_str(&source("packaging/helm/lowtide/values.schema.json")).unwrap();
            for line in block.text.lines().filter(|line| !line.starts_with([' ', '#'])) {
                let key = line.split(':').next().unwrap();
                assert!(schema["properties"].get(key).is_some(), "{}: the chart has no {key}", block.place);
            }
        }
        checked += 1;
    }
    assert!(checked >= 12, "only {checked} blocks");
}

/// The example configuration of README listens there, and the packages have the rules there.
fn the_listener_is_scraped(block: &Block) {
    let (_, rest) = source("README.md")
        .split_once("metrics: { listen: \"127.0.0.1:")
        .map(|(a, b)| (a.len(), b.to_owned()))
        .unwrap();
    let port = rest.split('"').next().unwrap();
    assert!(block.text.contains(&format!("targets: [\"localhost:{port}\"]")), "{}", block.place);
    if let Some((_, rest)) = block.text.split_once("rule_files: [/") {
        let file = rest.split(']').next().unwrap();
        assert!(
            source("crates/xtask/src/dist/files.rs").contains(&format!("\"{file}\"")),
            "{}: {file}",
            block.place
        );
    }
}

fn the_schema_is_there(block: &Block) {
    let (_, file) = block.text.trim().split_once('=').unwrap();
    let (page, _) = block.place.split_once(':').unwrap();
    assert!(top().join(page).with_file_name(file).exists(), "{}: {file}", block.place);
}

/// A bare `off` is false, which Kubernetes does not take for a text.
fn the_annotation_is_heard(block: &Block) {
    let (key, value) = block.text.rsplit_once(": ").unwrap();
    let key = key.rsplit([' ', '{']).next().unwrap();
    assert!(
        source("crates/pods/src/config.rs").contains(&format!("rename = \"{key}\"")),
        "{}: {key}",
        block.place
    );
    assert!(value.trim_end_matches([' ', '}', '\n']) == "\"off\"", "{}: {value}", block.place);
}

/// Of kubelet.config.k8s.io/v1beta1, what the pages are about. lowtide reads none of it.
fn kubelet_knows_the_keys(block: &Block) {
    assert_eq!(
        block.text, "# KubeletConfiguration\nfailSwapOn: false\nmemorySwap: { swapBehavior: LimitedSwap }\n",
        "{}: look the keys up, then change this test",
        block.place
    );
}

/// Settings of units that drop-ins on the pages have.
const SETTINGS: &[(&str, &str)] = &[("Service", "Group"), ("Service", "ExecStartPre")];

/// The unit that a drop-in is for, by its first line.
fn unit_of(block: &Block) -> String {
    let first = block.text.lines().next().unwrap().trim_start_matches("# ").to_owned();
    if let Some(unit) = first.strip_prefix("systemctl edit ") {
        return format!("{unit}.service");
    }
    let rest =
        first.strip_prefix("/etc/systemd/system/").unwrap_or_else(|| panic!("{}: {first}", block.place));
    let (unit, name) = rest.split_once(".d/").unwrap();
    assert!(Path::new(name).extension().is_some_and(|kind| kind == "conf"), "{}: {first}", block.place);
    unit.to_owned()
}

#[test]
fn drop_ins_have_settings_that_systemd_knows() {
    for block in in_language("ini") {
        let mut section = "";
        let mut settings = 0;
        for line in block.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name;
                continue;
            }
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{}: {line}", block.place));
            assert!(SETTINGS.contains(&(section, key)), "{}: no rule for {key}= in [{section}]", block.place);
            settings += 1;
            if let Some((_, rest)) = value.split_once("setfattr -n ") {
                let attribute = rest.split(' ').next().unwrap();
                assert!(
                    source("crates/observe/src/choices.rs").contains(&format!("\"{attribute}\"")),
                    "{}: {attribute}",
                    block.place
                );
            }
        }
        assert!(settings > 0, "{}: it sets nothing", block.place);
        assert_eq!(systemd_says(&unit_of(&block), Some(&block.text)), "", "{}", block.place);
    }
}

#[test]
fn systemd_takes_the_units() {
    for unit in ["lowtide.service", "lowtide-tiers.service"] {
        assert_eq!(systemd_says(unit, None), "", "{unit}");
    }
}

/// What `systemd-analyze verify` has to say of a unit with a drop-in. Nothing where there is no such program.
fn systemd_says(unit: &str, drop_in: Option<&str>) -> String {
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(top().join("systemd")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        // No lowtide is installed where tests run.
        fs::write(directory.path().join(path.file_name().unwrap()), text.replace("=lowtide ", "=/bin/true "))
            .unwrap();
    }
    let file = directory.path().join(unit);
    if !file.exists() {
        fs::write(&file, "[Service]\nExecStart=/bin/true\n").unwrap();
    }
    if let Some(drop_in) = drop_in {
        let place = directory.path().join(format!("{unit}.d"));
        fs::create_dir(&place).unwrap();
        fs::write(place.join("lowtide.conf"), drop_in).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]).arg(&file);
    // A colon at the end: and what this machine has.
    command.env("SYSTEMD_UNIT_PATH", format!("{}:", directory.path().display()));
    let Ok(done) = command.output() else {
        eprintln!("NOT TESTED: {unit}, as there is no systemd-analyze here");
        return String::new();
    };
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn systemd_tells_what_it_does_not_know() {
    let said = systemd_says("lowtide.service", Some("[Service]\nGrupp=adm\n"));
    let has_systemd = Command::new("systemd-analyze").arg("--version").output().is_ok();
    assert_eq!(said.contains("Grupp"), has_systemd, "{said}");
}

/// containerd's configuration is the one that the lab gives it, or has the table that containerd 2 calls
/// otherwise.
#[test]
fn toml_is_what_the_lab_has_tried() {
    const OF_VERSION_3: &str = "[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc]";
    let tried = source("crates/lab/src/scenarios/containerd/node.rs");
    let tried: BTreeSet<_> = tried.lines().map(str::trim).collect();
    for block in in_language("toml") {
        for line in block.text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            assert!(tried.contains(line) || line == OF_VERSION_3, "{}: {line}", block.place);
        }
    }
}

/// None yet: whoever writes the first one has it parsed.
#[test]
fn json_is_json() {
    for block in blocks().iter().filter(|block| block.language == "json") {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&block.text);
        assert!(parsed.is_ok(), "{}: {parsed:?}", block.place);
    }
}
