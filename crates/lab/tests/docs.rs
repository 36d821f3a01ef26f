//! What documents say of the lab can be typed.

use lowtide_lab::scenarios;
use std::fs;
use std::path::{Path, PathBuf};

const COMMAND: &str = "cargo xtask lab scenario ";

#[test]
fn scenarios_that_documents_name_exist() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_dir(top.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<PathBuf> = docs.chain([top.join("README.md"), top.join("CHANGELOG.md")]).collect();
    let mut named = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|kind| kind == "md")) {
        let text = fs::read_to_string(page).unwrap();
        for rest in text.split(COMMAND).skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            // `NAME` and `[NAME]` stand for any.
            if name.is_empty() {
                continue;
            }
            named += 1;
            assert!(scenarios::find(&name).is_ok(), "{}: there is no scenario {name}", page.display());
        }
    }
    assert!(named > 10, "only {named} were found");
}
