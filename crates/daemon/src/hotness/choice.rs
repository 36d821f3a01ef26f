//! Which source of idle ages this kernel has: the best of those that the configuration allows.

use std::path::Path;

use lowtide_cgroup::Mount;
use lowtide_kernfs::Root;
use lowtide_mglru::{LruGen, Support};
use lowtide_policy::{Hotness as HotnessConfig, SourceChoice};

use super::{Ager, damon::Damon, mglru::Mglru};

/// A source, and why it is this one.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) ager: Option<Box<dyn Ager>>,
    /// Why those that come before it are not used, or why there is none.
    pub(super) refused: Vec<String>,
}

/// Looks what there is; writes nothing.
pub(super) fn choose(root: &Root, mount: &Mount, state_dir: &Path, wanted: &HotnessConfig) -> Choice {
    type Source<'a> = (&'a str, &'a dyn Fn() -> Result<Box<dyn Ager>, String>);
    let mglru: Source = ("MGLRU", &|| mglru(root, mount));
    let damon: Source = ("DAMON", &|| {
        let damon = Damon::new(root.clone(), mount.clone(), state_dir.to_owned(), wanted.cpu);
        damon.map(|damon| Box::new(damon) as Box<dyn Ager>).map_err(|error| error.to_string())
    });
    let allowed: &[Source] = match wanted.source {
        SourceChoice::None => return Choice { ager: None, refused: vec!["`hotness.source` is none".into()] },
        SourceChoice::Mglru => &[mglru],
        SourceChoice::Damon => &[damon],
        SourceChoice::Auto => &[mglru, damon],
    };
    let mut refused = Vec::new();
    for (name, open) in allowed {
        match open() {
            Ok(ager) => return Choice { ager: Some(ager), refused },
            Err(why) => refused.push(format!("{name}: {why}")),
        }
    }
    Choice { ager: None, refused }
}

fn mglru(root: &Root, mount: &Mount) -> Result<Box<dyn Ager>, String> {
    let support = Support::probe(root).map_err(|error| error.to_string())?;
    if !support.is_available() {
        let remedy = support.remedy().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        return Err(format!("{support}{remedy}"));
    }
    Ok(Box::new(Mglru::new(LruGen::new(root.clone()), mount.clone(), support.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_core::{Ratio, idle::Source};
    use std::time::Duration;

    /// A host with some files.
    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Root, Mount) {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("sys/fs/cgroup")).unwrap();
        for (path, text) in files {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = Root::open(tree.path()).unwrap();
        let mount = Mount::find_unchecked(&root).unwrap();
        (tree, root, mount)
    }

    fn chosen(files: &[(&str, &str)], source: SourceChoice) -> Choice {
        let (_tree, root, mount) = host(files);
        let wanted = HotnessConfig { source, interval: Duration::from_secs(30), cpu: Ratio::percent(1.0) };
        choose(&root, &mount, Path::new("nowhere"), &wanted)
    }

    const MGLRU: [(&str, &str); 2] =
        [("sys/kernel/mm/lru_gen/enabled", "0x0007\n"), ("sys/kernel/debug/lru_gen", "")];
    const DAMON: (&str, &str) = ("sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds", "0\n");
    const STAT: (&str, &str) = ("sys/module/damon_stat/parameters/enabled", "Y\n");

    #[test]
    fn mglru_comes_first() {
        let choice = chosen(&[MGLRU[0], MGLRU[1], DAMON], SourceChoice::Auto);
        assert_eq!(choice.ager.unwrap().source(), Some(Source::Mglru));
        assert!(choice.refused.is_empty());
    }

    #[test]
    fn damon_comes_next_and_what_is_better_is_told_with_its_remedy() {
        let switched_off = ("sys/kernel/mm/lru_gen/enabled", "0x0000\n");
        let choice = chosen(&[switched_off, MGLRU[1], DAMON], SourceChoice::Auto);
        let damon = choice.ager.unwrap();
        assert_eq!(damon.source(), None, "not known before the first look");
        assert!(damon.why().contains("DAMON"), "{}", damon.why());
        assert!(
            choice.refused[0].contains("MGLRU") && choice.refused[0].contains("lru_gen"),
            "{:?}",
            choice.refused
        );
    }

    #[test]
    fn only_what_was_asked_for_is_used() {
        let choice = chosen(&[MGLRU[0], MGLRU[1], DAMON], SourceChoice::Damon);
        assert!(choice.ager.unwrap().why().contains("DAMON"));
        let choice = chosen(&[DAMON], SourceChoice::Mglru);
        assert!(choice.ager.is_none() && choice.refused.len() == 1);
        assert!(chosen(&[MGLRU[0], MGLRU[1], DAMON], SourceChoice::None).ager.is_none());
    }

    #[test]
    fn without_either_both_are_explained() {
        let choice = chosen(&[], SourceChoice::Auto);
        assert!(choice.ager.is_none());
        assert!(choice.refused[1].contains("no DAMON sysfs interface"), "{:?}", choice.refused);
    }

    #[test]
    fn who_has_damon_is_named_with_what_can_be_done_and_left_alone() {
        let (tree, root, mount) = host(&[DAMON, STAT]);
        let wanted = HotnessConfig { source: SourceChoice::Damon, ..HotnessConfig::default() };
        let choice = choose(&root, &mount, tree.path(), &wanted);
        let mut damon = choice.ager.unwrap();
        for why in [damon.why(), damon.look(&[], &[]).unwrap_err()] {
            assert!(why.contains("DAMON_STAT"), "{why}");
            assert!(why.contains("`echo N > /sys/module/damon_stat/parameters/enabled`"), "{why}");
        }
        assert_eq!(std::fs::read_to_string(tree.path().join(STAT.0)).unwrap(), STAT.1);
        assert_eq!(std::fs::read_to_string(tree.path().join(DAMON.0)).unwrap(), DAMON.1);
    }
}
