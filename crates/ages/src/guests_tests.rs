use super::*;
use crate::{Seen, damon::fixture::Host};
use lowtide_core::reading::Resolution;

/// A source that reads what it is asked for, or fails.
#[derive(Debug)]
struct Fake(Source, Result<(), &'static str>);

impl Ager for Fake {
    fn source(&self) -> Option<Source> {
        Some(self.0)
    }

    fn why(&self) -> String {
        "a fake".into()
    }

    fn look(&mut self, _all: &[Target], due: &[Target]) -> Result<Look, String> {
        self.1?;
        let seen = Seen {
            source: self.0,
            cohorts: Vec::new(),
            resolution: Resolution::Walks,
            left: None,
            touched: None,
        };
        let readings = due.iter().map(|target| (target.id, seen.clone())).collect();
        Ok(Look { readings, ..Look::default() })
    }

    fn stop(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// A host with a web server and two virtual machines.
fn host() -> (Host, Vec<Target>) {
    let host = Host::new();
    for (path, pid, name) in
        [("/web", 10, "nginx"), ("/vm", 20, "qemu-system-x86"), ("/vms/a", 30, "firecracker")]
    {
        host.cgroup(path, 100, &[pid]);
        host.put(&format!("proc/{pid}/comm"), &format!("{name}\n"));
    }
    host.cgroup("/vms", 100, &[]);
    let targets = ["/web", "/vm", "/vms"].map(|path| host.target(path)).to_vec();
    (host, targets)
}

fn ager(host: &Host, most: Result<(), &'static str>, of_guests: Result<(), &'static str>) -> WithGuests {
    let fake = |source, outcome| Box::new(Fake(source, outcome)) as Box<dyn Ager>;
    let of_guests = fake(Source::Sampled, of_guests);
    WithGuests::new(host.root(), host.mount(), fake(Source::Mglru, most), Ok(of_guests))
}

fn sources(look: &Look, targets: &[Target]) -> Vec<Option<Source>> {
    let of =
        |target: &Target| look.readings.iter().find(|(id, _)| *id == target.id).map(|(_, seen)| seen.source);
    targets.iter().map(of).collect()
}

#[test]
fn virtual_machines_are_sampled_and_all_others_walked() {
    let (host, targets) = host();
    let look = ager(&host, Ok(()), Ok(())).look(&targets, &targets).unwrap();
    let expected = [Some(Source::Mglru), Some(Source::Sampled), Some(Source::Sampled)];
    assert_eq!(sources(&look, &targets), expected);
}

#[test]
fn where_pages_cannot_be_sampled_virtual_machines_have_no_ages() {
    let (host, targets) = host();
    let look = ager(&host, Ok(()), Err("no DAMON")).look(&targets, &targets).unwrap();
    assert_eq!(sources(&look, &targets), [Some(Source::Mglru), None, None]);
    let note = look.note.unwrap();
    assert!(note.starts_with("2 cgroups of virtual machines") && note.ends_with("no DAMON"), "{note}");
    let look = ager(&host, Ok(()), Err("no DAMON")).look(&targets[..1], &targets[..1]).unwrap();
    assert_eq!(look.note, None, "nobody misses it");
}

#[test]
fn what_one_source_has_stays_when_the_other_fails() {
    let (host, targets) = host();
    let look = ager(&host, Err("no debugfs"), Ok(())).look(&targets, &targets).unwrap();
    assert_eq!(sources(&look, &targets)[1..], [Some(Source::Sampled); 2]);
    assert_eq!(look.note.as_deref(), Some("no debugfs"));
    assert!(ager(&host, Err("no debugfs"), Ok(())).look(&targets[..1], &targets[..1]).is_err());
}

#[test]
fn names_are_cut_after_fifteen_bytes() {
    for name in ["qemu-system-aar", "qemu-kvm", "kvm", "cloud-hyperviso", "firecracker"] {
        assert!(is_hypervisor(name), "{name}");
    }
    for name in ["kvm-nx-lpage-re", "kvm-pit/7", "qemu-ga", "nginx", ""] {
        assert!(!is_hypervisor(name), "{name}");
    }
}
