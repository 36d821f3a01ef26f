use std::{collections::BTreeSet, fs, path::Path};

use lowtide_doctor::examine;

use crate::tree::fixture;

const DOCS: &str = include_str!("../../../../docs/doctor.md");

/// The tables of features, and that of what is lost.
fn tables() -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
    let (features, lost) = DOCS.split_once("\n## Memory that is lost\n").unwrap();
    (rows(features), rows(lost))
}

fn rows(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.split('`').nth(1).unwrap()).collect()
}

#[test]
fn every_feature_is_documented_and_no_other() {
    let newest = examine(&fixture("7.3"), None).unwrap();
    let in_code: BTreeSet<_> = newest.findings.iter().map(|finding| finding.feature.name).collect();
    assert_eq!(in_code.len(), newest.findings.len(), "names are unique");
    assert_eq!(tables().0, in_code, "docs/doctor.md, in its tables");
}

#[test]
fn all_that_can_be_lost_is_documented_and_nothing_else() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/hygiene");
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let code: String = files.collect();
    let names = code.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next());
    let names: BTreeSet<_> = names.collect();
    assert!(names.len() >= 6, "{names:?}");
    assert_eq!(tables().1, names, "docs/doctor.md, in its last table");
}
