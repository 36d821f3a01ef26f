//! What the documentation gives people to copy, for the tools that judge it.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// The top of the workspace.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The blocks of docs in one language that begin so, with the name of their page.
pub(crate) fn blocks(language: &str, begin: &str) -> Result<Vec<(String, String)>> {
    let fence = format!("\n```{language}\n");
    let mut found = Vec::new();
    for entry in fs::read_dir(top().join("docs"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "md") {
            let page = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {page}"))?;
            let blocks = text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
            found.extend(
                blocks.filter(|block| block.starts_with(begin)).map(|block| (page.clone(), block.to_owned())),
            );
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "docs have no block of {language} that begins with `{begin}`");
    Ok(found)
}

/// Queries of a block of PromQL: what begins at the margin, and the lines after it that do not.
pub(crate) fn queries(block: &str) -> Vec<String> {
    let mut queries: Vec<String> = Vec::new();
    for line in block.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match queries.last_mut() {
            Some(last) if line.starts_with(' ') => last.extend(["\n", line]),
            _ => queries.push(line.to_owned()),
        }
    }
    queries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Args;
    use clap::Parser;
    use clap::error::ErrorKind;
    use lowtide_testing::docs::{self, Block, Page, commands, pages};

    /// Why it could not be typed.
    fn wrong(typed: &str) -> Vec<String> {
        // `[NAME]` may be left out, `…` stands for more.
        let typed = typed.replace(['[', ']', '…'], "");
        let commands = commands(&typed);
        let ours =
            commands.iter().filter(|command| command.words.starts_with(&["cargo".into(), "xtask".into()]));
        let parsed = ours.filter_map(|command| Args::try_parse_from(&command.words[1..]).err());
        let told = [ErrorKind::DisplayHelp, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
        parsed.filter(|error| !told.contains(&error.kind())).map(|error| error.to_string()).collect()
    }

    #[test]
    fn every_command_of_xtask_in_the_documentation_is_parsed() {
        let blocks = docs::blocks().into_iter().filter(Block::is_shell);
        let mut typed: Vec<_> = blocks.map(|block| (block.place.clone(), block.script())).collect();
        typed.extend(
            pages().iter().flat_map(Page::inline).filter(|(_, span)| span.starts_with("cargo xtask")),
        );
        let found = typed.iter().filter(|(_, text)| text.contains("cargo xtask")).count();
        assert!(found > 30, "only {found} were found");
        let wrong = typed.iter().flat_map(|(place, text)| {
            wrong(text).into_iter().map(move |why| format!("{place}: {text}: {why}"))
        });
        let wrong: Vec<_> = wrong.collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for text in ["cargo xtask tset", "cargo xtask lab scenario a b", "true && cargo xtask dist --deb"] {
            assert_eq!(wrong(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn queries_may_go_over_lines() {
        let block = "# comment\na\n  / b\nc  # why\n";
        assert_eq!(queries(block), ["a\n  / b", "c  # why"]);
        assert!(blocks("promql", "").unwrap().len() > 5 && blocks("yaml", "# prometheus.yml").is_ok());
        assert!(blocks("cobol", "").is_err());
    }
}
