use std::collections::BTreeSet;

use lowtide_daemon::doctor::examine;

use crate::tree::fixture;

const DOCS: &str = include_str!("../../../../docs/doctor.md");

#[test]
fn every_feature_is_documented_and_no_other() {
    let newest = examine(&fixture("7.3")).unwrap();
    let in_code: BTreeSet<_> = newest.findings.iter().map(|finding| finding.feature.name).collect();
    assert_eq!(in_code.len(), newest.findings.len(), "names are unique");
    let rows = DOCS.lines().filter(|line| line.starts_with("| `"));
    let documented: BTreeSet<_> = rows.map(|line| line.split('`').nth(1).unwrap()).collect();
    assert_eq!(documented, in_code, "docs/doctor.md, in its tables");
}
