//! Which of many kernel packages is the newest of a series.

/// Flavours of the same kernel that the lab does not want: `cloud` lacks zswap, the rest are not plain
/// kernels.
const OTHER_FLAVOURS: [&str; 6] = ["cloud", "rt", "unsigned", "dbg", "template", "signed"];

/// The newest kernel version of `series` (such as `6.12`) among package names, for names that start with
/// `prefix` (such as `linux-image-`) and end in `-ARCHITECTURE`. Returns the version without the prefix.
#[must_use]
pub fn newest_of_series(names: &[String], prefix: &str, series: &str, architecture: &str) -> Option<String> {
    names
        .iter()
        .filter_map(|name| name.strip_prefix(prefix))
        .filter(|version| is_of_series(version, series, architecture))
        .max_by_key(|version| numbers(version))
        .map(ToOwned::to_owned)
}

fn is_of_series(version: &str, series: &str, architecture: &str) -> bool {
    let Some(rest) = version.strip_prefix(series).and_then(|rest| rest.strip_prefix('.')) else {
        return false;
    };
    let mut parts = rest.split('-');
    parts.next_back() == Some(architecture) && !parts.any(|part| OTHER_FLAVOURS.contains(&part))
}

/// Every run of digits as a number: enough to order the versions of one series.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(names: &[&str], prefix: &str, series: &str) -> Option<String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        newest_of_series(&names, prefix, series, "amd64")
    }

    #[test]
    fn the_highest_patch_wins_and_flavours_do_not_count() {
        let names = [
            "linux-image-6.12.95+deb12-amd64",
            "linux-image-6.12.117+deb12-amd64",
            "linux-image-6.12.118+deb12-cloud-amd64",
            "linux-image-6.12.119+deb12-rt-amd64",
            "linux-image-6.12.120+deb12-amd64-unsigned",
            "linux-image-6.12-amd64",
            "linux-image-6.1.0-55-amd64",
        ];
        assert_eq!(newest(&names, "linux-image-", "6.12").as_deref(), Some("6.12.117+deb12-amd64"));
        assert_eq!(newest(&names, "linux-image-", "6.1").as_deref(), Some("6.1.0-55-amd64"));
        assert_eq!(newest(&names, "linux-image-", "6.18"), None);
    }

    #[test]
    fn a_split_package_is_found_by_its_own_prefix() {
        let names = [
            "linux-image-7.3.4+deb13-amd64",
            "linux-binary-7.3.4+deb13-amd64",
            "linux-binary-unsigned-7.3.9+deb13-amd64",
        ];
        assert_eq!(newest(&names, "linux-binary-", "7.3").as_deref(), Some("7.3.4+deb13-amd64"));
    }
}
