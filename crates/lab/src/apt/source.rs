//! Reading the machine's own apt sources and rewriting their suites.
//!
//! The lab names no registry: it takes the entry this machine already gets Debian from, and changes only the
//! suite. Both forms are read, one-line (`deb [options] URI SUITE COMPONENT...`) and deb822 stanzas.

use anyhow::{Result, bail};
use std::fmt::Write as _;

/// One archive this machine already uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where the archive is.
    pub uri: String,
    /// Suites taken from it, such as `bookworm`, `bookworm-updates`.
    pub suites: Vec<String>,
    /// Key file or key that signs it, as the machine's own entry says.
    pub signed_by: Option<String>,
}

/// Reads the text of one sources file; `deb822` says which of the two forms it has.
#[must_use]
pub fn parse_sources(text: &str, deb822: bool) -> Vec<Source> {
    if deb822 { parse_deb822(text) } else { text.lines().filter_map(parse_one_line).collect() }
}

fn parse_one_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let mut rest = line.strip_prefix("deb ")?.trim_start();
    let mut signed_by = None;
    if let Some(options) = rest.strip_prefix('[') {
        let (inside, after) = options.split_once(']')?;
        signed_by = inside
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(ToOwned::to_owned);
        rest = after.trim_start();
    }
    let mut words = rest.split_whitespace();
    let uri = words.next()?.to_owned();
    let suite = words.next()?.to_owned();
    words.any(|component| component == "main").then_some(Source { uri, suites: vec![suite], signed_by })
}

fn parse_deb822(text: &str) -> Vec<Source> {
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    text.split(|line| line.trim().is_empty()).flat_map(parse_stanza).collect()
}

fn parse_stanza(lines: &[&str]) -> Vec<Source> {
    let fields = fields(lines);
    let get = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let has_word = |name: &str, word: &str| {
        get(name).is_some_and(|value| value.split_whitespace().any(|found| found == word))
    };
    if !has_word("types", "deb") || !has_word("components", "main") || has_word("enabled", "no") {
        return Vec::new();
    }
    let suites: Vec<String> =
        get("suites").unwrap_or_default().split_whitespace().map(ToOwned::to_owned).collect();
    let signed_by = get("signed-by").map(ToOwned::to_owned);
    get("uris")
        .unwrap_or_default()
        .split_whitespace()
        .map(|uri| Source { uri: uri.to_owned(), suites: suites.clone(), signed_by: signed_by.clone() })
        .collect()
}

/// Field names in lower case with their values; continuation lines keep their line break.
fn fields(lines: &[&str]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                let _ = write!(value, "\n{line}");
            }
        } else if let Some((key, value)) = line.split_once(':') {
            fields.push((key.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    fields
}

/// Makes a deb822 sources file for `suites` out of the machine's own sources. Entries of third parties are
/// known by their suite: only a suite named after this release (`codename`, or a class such as `stable`) is
/// Debian's own. A `-security` suite needs the machine's own security entry and is left out without one.
pub fn rewrite(sources: &[Source], codename: &str, suites: &[&str]) -> Result<String> {
    let Some(main) = find(sources, |suite| is_main_suite(suite, codename)) else {
        bail!(
            "no apt source of this machine has Debian's main archive for {codename:?}; add one under \
             /etc/apt/sources.list.d, then run this again"
        );
    };
    let security =
        find(sources, |suite| suite.strip_suffix("-security").is_some_and(|s| is_main_suite(s, codename)));
    let mut text = String::new();
    for suite in suites {
        let source = if suite.ends_with("-security") { security } else { Some(main) };
        let Some(source) = source else { continue };
        let _ = writeln!(text, "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main", source.uri);
        if let Some(key) = &source.signed_by {
            let _ = writeln!(text, "Signed-By: {key}");
        }
        text.push('\n');
    }
    Ok(text)
}

fn is_main_suite(suite: &str, codename: &str) -> bool {
    suite == codename || ["stable", "oldstable", "testing", "unstable", "sid"].contains(&suite)
}

fn find(sources: &[Source], wanted: impl Fn(&str) -> bool) -> Option<&Source> {
    sources.iter().find(|source| source.suites.iter().any(|suite| wanted(suite)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
Types: deb
# a comment inside
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main contrib
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb-src
URIs: http://mirror.example/src
Suites: bookworm
Components: main
";

    const THIRD_PARTY: &str = "deb https://vendor.example/apt cloud-sdk-bookworm main\n";

    #[test]
    fn deb822_is_rewritten_by_suite() {
        let mut sources = parse_sources(THIRD_PARTY, false);
        sources.extend(parse_sources(DEB822, true));
        let text = rewrite(&sources, "bookworm", &["trixie-backports", "bookworm-security"]).unwrap();
        assert_eq!(
            text,
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie-backports\nComponents: main\n\
             Signed-By: /usr/share/keyrings/archive.gpg\n\n\
             Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n\
             Signed-By: /usr/share/keyrings/archive.gpg\n\n"
        );
    }

    #[test]
    fn one_line_entries_keep_their_key() {
        let text = "# deb http://old.example/debian bookworm main\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian trixie main contrib # note\n";
        let sources = parse_sources(text, false);
        assert_eq!(
            sources,
            [Source {
                uri: "http://mirror.example/debian".into(),
                suites: vec!["trixie".into()],
                signed_by: Some("/k.gpg".into())
            }]
        );
    }

    #[test]
    fn without_a_security_entry_its_suites_are_left_out() {
        let sources = parse_sources("deb http://mirror.example/debian bookworm main", false);
        let text = rewrite(&sources, "bookworm", &["bookworm-security", "sid"]).unwrap();
        assert!(!text.contains("bookworm-security"));
        assert!(text.contains("Suites: sid"));
    }

    #[test]
    fn a_machine_with_only_third_parties_is_refused() {
        let sources = parse_sources(THIRD_PARTY, false);
        assert!(rewrite(&sources, "bookworm", &["sid"]).unwrap_err().to_string().contains("bookworm"));
    }

    #[test]
    fn an_embedded_key_survives() {
        let text =
            "Types: deb\nURIs: u\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN\n .\n -----END\n";
        let rewritten = rewrite(&parse_sources(text, true), "forky", &["sid"]).unwrap();
        assert!(rewritten.contains("Signed-By: \n -----BEGIN\n .\n -----END\n"), "{rewritten}");
    }

    #[test]
    fn disabled_entries_do_not_count() {
        let text = "Enabled: no\nTypes: deb\nURIs: u\nSuites: sid\nComponents: main\n";
        assert!(parse_sources(text, true).is_empty());
    }
}
