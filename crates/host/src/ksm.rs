use lowtide_core::treatments::KsmSeen;
use lowtide_kernfs::{Fault, Files, Result, Root, parse::integer};

/// What KSM gives and costs; `None` where the kernel has no KSM, or does not tell its profit (before 6.4).
pub fn ksm(root: &Root) -> Result<Option<KsmSeen>> {
    let profit = root.parse_optional("sys/kernel/mm/ksm/general_profit", signed)?;
    let full_scans = root.parse_optional("sys/kernel/mm/ksm/full_scans", integer)?;
    Ok(profit.zip(full_scans).map(|(profit, full_scans)| KsmSeen { profit, full_scans }))
}

/// `general_profit` is below 0 where the records take more than was merged (`general_profit_show`, mm/ksm.c).
fn signed(text: &str) -> Result<i64, Fault> {
    let word = text.trim_ascii();
    word.parse().map_err(|_| Fault::new(1, word, "a whole number, with a sign below 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profit_has_a_sign() {
        for (text, profit) in [
            ("-204800\n", Some(-204_800)),
            ("0\n", Some(0)),
            ("9223372036854775807\n", Some(i64::MAX)),
            ("9223372036854775808\n", None),
            ("\n", None),
            ("many\n", None),
        ] {
            assert_eq!(signed(text).ok(), profit, "{text}");
        }
    }

    #[test]
    fn both_files_are_needed() {
        let tree = tempfile::tempdir().unwrap();
        let folder = tree.path().join("sys/kernel/mm/ksm");
        std::fs::create_dir_all(&folder).unwrap();
        let root = Root::open(tree.path()).unwrap();
        std::fs::write(folder.join("full_scans"), "3\n").unwrap();
        assert_eq!(ksm(&root).unwrap(), None, "before 6.4");
        std::fs::write(folder.join("general_profit"), "-64\n").unwrap();
        assert_eq!(ksm(&root).unwrap(), Some(KsmSeen { profit: -64, full_scans: 3 }));
    }
}
