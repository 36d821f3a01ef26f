use lowtide_kernfs::{Files, Root};

use crate::finding::Evidence;

/// How the running kernel was configured, where the distribution keeps that: the only way to tell "built out"
/// from "switched off" for what leaves no file behind.
#[derive(Debug, Default)]
pub(crate) struct Build {
    path: String,
    text: String,
}

/// What is said of one option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Built {
    /// `=y` or `=m`.
    In(Evidence),
    /// `is not set`, or not mentioned in a file that mentions others.
    Out(Evidence),
    /// There is no such file.
    Unsaid,
}

impl Build {
    /// The file for the kernel `release` (`uname -r`): Debian and its kin have it in /boot, Fedora beside the
    /// modules.
    pub(crate) fn read(root: &Root, release: &str) -> Self {
        let places = [format!("boot/config-{release}"), format!("lib/modules/{release}/config")];
        let mut files = places.into_iter().filter_map(|path| Some((root.read(&path).ok()?, path)));
        files.next().map_or_else(Self::default, |(text, path)| Self { path, text })
    }

    /// What it says of `CONFIG_{option}`.
    pub(crate) fn option(&self, option: &str) -> Built {
        if self.text.is_empty() {
            return Built::Unsaid;
        }
        let key = format!("CONFIG_{option}=");
        let value = self.text.lines().find_map(|line| line.strip_prefix(&key)).map(str::trim_end);
        match value {
            Some(value @ ("y" | "m")) => Built::In(Evidence::new(&self.path, format!("{key}{value}"))),
            _ => Built::Out(Evidence::new(&self.path, format!("CONFIG_{option} is not set"))),
        }
    }
}

impl Built {
    /// What was said, if anything.
    pub(crate) fn evidence(self) -> Option<Evidence> {
        match self {
            Self::In(evidence) | Self::Out(evidence) => Some(evidence),
            Self::Unsaid => None,
        }
    }

    /// The option is on.
    pub(crate) const fn is_in(&self) -> bool {
        matches!(self, Self::In(_))
    }

    /// The option is off.
    pub(crate) const fn is_out(&self) -> bool {
        matches!(self, Self::Out(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# CONFIG_DAMON is not set\nCONFIG_PSI=y\nCONFIG_ZRAM=m\nCONFIG_HZ=250\n";

    fn read(file: &str, release: &str) -> Build {
        let tree = tempfile::tempdir().unwrap();
        let file = tree.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, TEXT).unwrap();
        Build::read(&Root::open(tree.path()).unwrap(), release)
    }

    #[test]
    fn both_places_and_no_other_kernels_file() {
        for file in ["boot/config-6.12-a", "lib/modules/6.12-a/config"] {
            let said = Evidence::new(file, "CONFIG_PSI=y");
            assert_eq!(read(file, "6.12-a").option("PSI"), Built::In(said));
            assert_eq!(read(file, "6.12-b").option("PSI"), Built::Unsaid);
        }
    }

    #[test]
    fn what_is_not_on_is_off() {
        let build = read("boot/config-6", "6");
        for (option, is_in) in [("PSI", true), ("ZRAM", true), ("DAMON", false), ("HZ", false), ("PS", false)]
        {
            let said = build.option(option);
            assert_eq!((said.is_in(), said.is_out()), (is_in, !is_in), "{option}");
        }
    }
}
