//! When two texts of a kernel file say the same.

/// Booleans have many spellings: module parameters read `Y` or `N`, demotion_enabled takes 0 or 1 and reads `true`
/// or `false` (mm/memory-tiers.c).
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    let canonical = |text: &str| match text.trim() {
        "Y" | "y" | "1" | "true" => "1".to_owned(),
        "N" | "n" | "0" | "false" => "0".to_owned(),
        text => text.to_owned(),
    };
    canonical(one) == canonical(other)
}
