//! The whole loop over a tree of files: what some turns write, decide, warn of and tell, held against what
//! `tests/run/NAME/expected` says.
//!
//! Each case has a script ([`script`]), a configuration and a captured tree. A [`FakeKernel`] carries out
//! what is written. Time is the number of the turn. `LOWTIDE_UPDATE=1` writes what came instead of comparing.

mod kernel;
mod odd;
mod script;
mod stage;
mod told;
mod tree;

use std::{fs, path::PathBuf};

use kernel::FakeKernel;
use script::Step;
use stage::Stage;
use tree::Tree;

#[rstest::rstest]
fn case(#[files("../../tests/run/*/script")] script: PathBuf) {
    let directory = script.parent().unwrap();
    let steps = script::read(&fs::read_to_string(&script).unwrap());
    let expected = directory.join("expected");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runtime.block_on(async {
        let mut stage = Stage::set(directory);
        for step in &steps {
            stage.play(step).await;
        }
        stage.end().await
    });
    if std::env::var_os("LOWTIDE_UPDATE").is_some() {
        fs::write(&expected, &told).unwrap();
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    assert!(
        told == expected,
        "what came of {}:\n{told}\nand what was expected:\n{expected}",
        script.display()
    );
}
