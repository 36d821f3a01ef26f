//! What operators are given to copy is right: the example configuration, the unit, the YAML in the documentation.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use lowtide_core::Mode;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_example_configuration_only_looks() {
    let loaded = lowtide_policy::load(&top().join("systemd/lowtide.yaml")).unwrap_or_else(|e| panic!("{e}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let config = loaded.config;
    assert!(config.policies.policies().iter().all(|policy| policy.mode == Mode::Observe));
    assert_eq!(
        config.budgets,
        lowtide_policy::Config::default().budgets,
        "it says that these are the defaults"
    );
    assert_eq!(config.tiers, lowtide_policy::HostTiers::default(), "it sets no kernel setting");
}

/// The YAML blocks of the operator's pages that are configurations of lowtide.
#[test]
fn the_yaml_in_the_documentation_is_right() {
    let pages = [
        "README.md",
        "docs/quick-start.md",
        "docs/how-it-decides.md",
        "docs/safety.md",
        "docs/metrics.md",
        "docs/tiers.md",
    ];
    let mut checked = 0;
    for page in pages {
        let text = fs::read_to_string(top().join(page)).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            if block.starts_with("# prometheus.yml") {
                continue;
            }
            let loaded = lowtide_policy::parse(Path::new(page), block).unwrap_or_else(|e| panic!("{e}"));
            assert!(loaded.warnings.is_empty(), "{page}: {:?}", loaded.warnings);
            checked += 1;
        }
    }
    assert!(checked >= 2);
}

/// The unit relies on the daemon's own defaults and exit status.
#[test]
fn the_unit_fits_the_daemon() {
    let unit = fs::read_to_string(top().join("systemd/lowtide.service")).unwrap();
    let config = lowtide_policy::Config::default();
    assert_eq!(config.state_dir, Path::new("/var/lib/lowtide"));
    assert_eq!(config.control_socket, Path::new("/run/lowtide/lowtide.sock"));
    for line in [
        "Type=notify",
        "StateDirectory=lowtide",
        "RuntimeDirectory=lowtide",
        "RestartPreventExitStatus=78",
        "ExecStart=lowtide run",
        "ExecStopPost=lowtide restore --keep-tiers --state-dir /var/lib/lowtide",
        "LimitMEMLOCK=infinity",
        "MemorySwapMax=0",
    ] {
        assert!(unit.lines().any(|known| known == line), "{line}");
    }
    let tiers = fs::read_to_string(top().join("systemd/lowtide-tiers.service")).unwrap();
    for line in ["ExecStart=lowtide tiers apply", "Before=lowtide.service", "StateDirectory=lowtide"] {
        assert!(tiers.lines().any(|known| known == line), "{line}");
    }
    assert!(
        !tiers.lines().any(|line| line.starts_with("ExecStop")),
        "swap is never switched off with the unit"
    );
    // openat2(2), by which every kernel file is opened, is blocked by this one.
    assert!(!unit.contains("RestrictSUIDSGID"));
}

/// Every relative link of the documentation leads to a file.
#[test]
fn links_lead_somewhere() {
    let pages = fs::read_dir(top().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut dead = Vec::new();
    for page in pages.chain([top().join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !page.with_file_name(target).exists() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}
