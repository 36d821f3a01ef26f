//! When two texts of a kernel file say the same.

/// Booleans have many spellings: module parameters read `Y` or `N`, demotion_enabled takes 0 or 1 and reads
/// `true` or `false` (mm/memory-tiers.c).
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    let canonical = |text: &str| match text.trim() {
        "Y" | "y" | "1" | "true" => "1".to_owned(),
        "N" | "n" | "0" | "false" => "0".to_owned(),
        text => text.to_owned(),
    };
    canonical(one) == canonical(other)
}

/// What a file holds. One that shows all that it takes has the word that holds in brackets, and takes that
/// word without them: `always defer [madvise] never` (`defrag_show`, mm/huge_memory.c), `[none] scan-time`
/// (`advisor_mode_show`, mm/ksm.c).
#[must_use]
pub(crate) fn held(text: &str) -> &str {
    let text = text.trim();
    let in_brackets = |word: &'_ str| word.starts_with('[') && word.ends_with(']') && word.len() > 2;
    let chosen = text.split_ascii_whitespace().find(|word| in_brackets(word));
    chosen.map_or(text, |word| &word[1..word.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_in_brackets_is_what_a_file_of_choices_holds() {
        for (text, word) in [
            ("always defer [defer+madvise] madvise never\n", "defer+madvise"),
            ("[none] scan-time", "none"),
            ("none [scan-time]\n", "scan-time"),
            ("defer+madvise\n", "defer+madvise"),
            ("100\n", "100"),
            ("max", "max"),
            ("[]", "[]"),
            ("", ""),
        ] {
            assert_eq!(held(text), word, "{text}");
        }
    }
}
