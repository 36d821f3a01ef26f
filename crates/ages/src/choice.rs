//! Which source of idle ages this kernel has: the best of those that the configuration allows.

use std::path::Path;

use lowtide_cgroup::Mount;
use lowtide_kernfs::Root;
use lowtide_mglru::Support;
use lowtide_policy::{Hotness as HotnessConfig, SourceChoice};

use crate::{Ager, Stop, damon::Damon, guests::WithGuests, mglru::Mglru, sampled::Sampled};

/// Why MGLRU is not used where [`notices_first_touch`](lowtide_mglru::LruGen::notices_first_touch) says no.
const MISLEADS: &str = "this kernel does not notice the first touch after a fault: its ages mislead";

/// A source, and why it is this one.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) ager: Option<Box<dyn Ager>>,
    /// Why those that come before it are not used, or why there is none.
    pub(super) refused: Vec<String>,
}

/// What a source needs to know of the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'a> {
    pub(super) root: &'a Root,
    pub(super) mount: &'a Mount,
    pub(super) state_dir: &'a Path,
    /// What [`notices_first_touch`](lowtide_mglru::LruGen::notices_first_touch) has shown, if it was tried.
    pub(super) notices_first_touch: Option<bool>,
    /// Ends a look early.
    pub(super) stop: &'a Stop,
}

/// Looks what there is; writes nothing.
pub(super) fn choose(host: Host<'_>, wanted: &HotnessConfig) -> Choice {
    type Source<'a> = (&'a str, &'a dyn Fn() -> Result<Box<dyn Ager>, String>);
    let Host { root, mount, state_dir, .. } = host;
    let mglru: Source = ("MGLRU", &|| mglru(host, wanted));
    let damon: Source = ("DAMON", &|| {
        let damon = Damon::new(root.clone(), mount.clone(), state_dir.to_owned(), wanted.cpu);
        damon.map(|damon| Box::new(damon) as Box<dyn Ager>).map_err(|error| error.to_string())
    });
    let addresses: Source = ("DAMON", &|| {
        let damon = Damon::of_addresses(root.clone(), mount.clone(), state_dir.to_owned(), wanted.cpu);
        damon.map(|damon| Box::new(damon) as Box<dyn Ager>).map_err(|error| error.to_string())
    });
    let sampled: Source = ("sampled pages", &|| sampled(host, wanted));
    let allowed: &[Source] = match wanted.source {
        SourceChoice::None => return Choice { ager: None, refused: vec!["`hotness.source` is none".into()] },
        SourceChoice::Mglru => &[mglru],
        SourceChoice::Sampled => &[sampled],
        SourceChoice::Damon => &[damon],
        // DAMON over all of physical memory has regions of pages of many cgroups: 32 MiB each of 125 GiB
        // (6.18).
        SourceChoice::Auto => &[mglru, sampled, addresses],
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

fn mglru(host: Host<'_>, wanted: &HotnessConfig) -> Result<Box<dyn Ager>, String> {
    let Host { root, mount, stop, .. } = host;
    let support = Support::probe(root).map_err(|error| error.to_string())?;
    if !support.is_available() {
        let remedy = support.remedy().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        return Err(format!("{support}{remedy}"));
    }
    if host.notices_first_touch == Some(false) {
        return Err(MISLEADS.into());
    }
    let mglru = Box::new(Mglru::new(root.clone(), mount.clone(), support.to_string(), stop.clone()));
    let of_guests = sampled(host, wanted);
    Ok(Box::new(WithGuests::new(root.clone(), mount.clone(), mglru, of_guests)))
}

fn sampled(host: Host<'_>, wanted: &HotnessConfig) -> Result<Box<dyn Ager>, String> {
    let Host { root, mount, state_dir, .. } = host;
    let sampled = Sampled::new(root.clone(), mount.clone(), state_dir.to_owned(), wanted.cpu)?;
    Ok(Box::new(sampled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_core::reading::Source;

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
        let wanted = HotnessConfig { source, ..HotnessConfig::default() };
        choose(seen(&root, &mount, None, &Stop::default()), &wanted)
    }

    fn seen<'a>(root: &'a Root, mount: &'a Mount, notices: Option<bool>, stop: &'a Stop) -> Host<'a> {
        Host { root, mount, state_dir: Path::new("nowhere"), notices_first_touch: notices, stop }
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
    fn ages_that_mislead_are_refused_and_those_not_tried_are_not() {
        let (_tree, root, mount) = host(&[MGLRU[0], MGLRU[1], DAMON]);
        let (stop, wanted) = (Stop::default(), HotnessConfig::default());
        for notices in [None, Some(true)] {
            let choice = choose(seen(&root, &mount, notices, &stop), &wanted);
            assert_eq!(choice.ager.unwrap().source(), Some(Source::Mglru));
        }
        let choice = choose(seen(&root, &mount, Some(false), &stop), &wanted);
        assert!(choice.ager.unwrap().why().contains("DAMON"));
        assert!(choice.refused[0].contains("does not notice the first touch"), "{:?}", choice.refused);
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
    fn sampled_pages_come_before_damon_where_they_may_be_seen() {
        let pagemap = ("proc/self/pagemap", "");
        let status = |bits| ("proc/self/status", bits);
        let all = status("Name:\tlowtide\nCapEff:\t000001ffffffffff\n");
        let choice = chosen(&[DAMON, pagemap, all], SourceChoice::Auto);
        assert_eq!(choice.ager.unwrap().source(), Some(Source::Sampled));
        let packaged = status("Name:\tlowtide\nCapEff:\t0000000001000002\n");
        let choice = chosen(&[DAMON, pagemap, packaged], SourceChoice::Auto);
        assert!(choice.ager.unwrap().why().starts_with("DAMON"));
        assert!(choice.refused[1].contains("CAP_SYS_ADMIN"), "{:?}", choice.refused);
        let choice = chosen(&[MGLRU[0], MGLRU[1], pagemap, all], SourceChoice::Sampled);
        assert!(choice.ager.is_none() && choice.refused[0].contains("no DAMON"), "{:?}", choice.refused);
    }

    #[test]
    fn who_has_damon_is_in_the_way_of_sampled_pages_too() {
        let rights = ("proc/self/status", "CapEff:\t000001ffffffffff\n");
        let (tree, root, mount) = host(&[DAMON, STAT, ("proc/self/pagemap", ""), rights]);
        let wanted = HotnessConfig { source: SourceChoice::Sampled, ..HotnessConfig::default() };
        let stop = Stop::default();
        let choice = choose(Host { state_dir: tree.path(), ..seen(&root, &mount, None, &stop) }, &wanted);
        let why = choice.ager.unwrap().why();
        assert!(why.contains("`echo N > /sys/module/damon_stat/parameters/enabled`"), "{why}");
        assert_eq!(std::fs::read_to_string(tree.path().join(STAT.0)).unwrap(), STAT.1);
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
        assert!(choice.refused[1].contains("pagemap"), "{:?}", choice.refused);
        assert!(choice.refused[2].contains("no DAMON sysfs interface"), "{:?}", choice.refused);
    }

    #[test]
    fn who_has_damon_is_named_with_what_can_be_done_and_left_alone() {
        let (tree, root, mount) = host(&[DAMON, STAT]);
        let wanted = HotnessConfig { source: SourceChoice::Damon, ..HotnessConfig::default() };
        let stop = Stop::default();
        let choice = choose(Host { state_dir: tree.path(), ..seen(&root, &mount, None, &stop) }, &wanted);
        let mut damon = choice.ager.unwrap();
        for why in [damon.why(), damon.look(&[], &[]).unwrap_err()] {
            assert!(why.contains("DAMON_STAT"), "{why}");
            assert!(why.contains("`echo N > /sys/module/damon_stat/parameters/enabled`"), "{why}");
        }
        assert_eq!(std::fs::read_to_string(tree.path().join(STAT.0)).unwrap(), STAT.1);
        assert_eq!(std::fs::read_to_string(tree.path().join(DAMON.0)).unwrap(), DAMON.1);
    }
}
