//! `LOWTIDE_UPDATE=1 cargo test -p lowtide-doctor` writes the expected reports anew: read them then.

use std::{fs, path::Path};

use lowtide_doctor::{Verdict, examine};

use crate::tree::{Tree, fixture};

const KERNELS: [&str; 4] = ["6.1", "6.12", "6.18", "7.3"];

fn assert_golden(name: &str, made: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor/golden").join(name);
    if std::env::var_os("LOWTIDE_UPDATE").is_some() {
        fs::write(&golden, made).unwrap();
    }
    let kept = fs::read_to_string(&golden).unwrap();
    assert!(kept == made, "{name} differs; the report is now\n{made}");
}

#[test]
fn every_kernel_has_its_report_as_text_and_json() {
    for kernel in KERNELS {
        let report = examine(&fixture(kernel), None).unwrap();
        assert!(report.can_run, "{kernel}");
        assert_golden(&format!("{kernel}.txt"), &report.to_string());
        assert_golden(&format!("{kernel}.json"), &(serde_json::to_string_pretty(&report).unwrap() + "\n"));
    }
}

#[test]
fn looking_changes_no_file() {
    for kernel in KERNELS {
        let tree = Tree::of(kernel);
        let before = tree.files();
        tree.examine();
        assert!(tree.files() == before, "{kernel}");
    }
}

/// What is not found is never left without a word on how to have it, and every finding has its evidence.
#[test]
fn every_finding_is_complete() {
    for kernel in KERNELS {
        for finding in examine(&fixture(kernel), None).unwrap().findings {
            let name = finding.feature.name;
            assert!(!finding.evidence.is_empty(), "{kernel}: {name}");
            assert!(
                finding.evidence.iter().all(|evidence| evidence.file.starts_with('/')),
                "{kernel}: {name}"
            );
            assert_eq!(
                finding.verdict.enable().is_none(),
                finding.verdict == Verdict::Yes,
                "{kernel}: {name}"
            );
            assert!(finding.verdict.enable().is_none_or(|enable| !enable.is_empty()), "{kernel}: {name}");
        }
    }
}

#[test]
fn an_empty_tree_cannot_run_and_is_told_of_in_full() {
    let nothing = tempfile::tempdir().unwrap();
    let report = examine(nothing.path(), None).unwrap();
    assert!(!report.can_run);
    assert_eq!((report.kernel.as_str(), report.source.source), ("", "none"));
    assert!(report.findings.iter().all(|finding| finding.verdict.enable().is_some()));
    assert_golden("nothing.txt", &report.to_string());
}

#[test]
fn no_such_directory_is_an_error() {
    assert!(examine(Path::new("/nowhere/at/all"), None).unwrap_err().is_missing());
}
