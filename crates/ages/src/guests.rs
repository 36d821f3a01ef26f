//! MGLRU for all cgroups but those of virtual machines, and sampled pages for these.
//!
//! A guest's touches go through page tables of the hypervisor's, which MGLRU's walks leave out (mm/vmscan.c,
//! up to 6.12; later `walk_pte_range` asks the notifiers): all of a guest looks idle. DAMON and idle page
//! tracking ask there too (`mmu_notifier_clear_young`). Where pages cannot be sampled, virtual machines have
//! no idle ages, and go by pressure alone.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use lowtide_cgroup::Mount;
use lowtide_core::{CgroupId, LeftOut, reading::Source};
use lowtide_kernfs::{Files, Root, thread_cpu};

use crate::{
    Ager, Look, Target,
    places::{PATIENCE, pids},
};

/// What programs that run virtual machines are called: the first 15 bytes, as /proc/PID/comm has them.
const HYPERVISORS: [&str; 8] =
    ["qemu-system-", "qemu-kvm", "kvm", "cloud-hyperviso", "firecracker", "crosvm", "lkvm", "stratovirt"];
/// What runs in a cgroup is looked at again so often.
const RECONSIDER: Duration = Duration::from_mins(1);

/// Two sources, each for its cgroups.
#[derive(Debug)]
pub(super) struct WithGuests {
    root: Root,
    mount: Mount,
    most: Box<dyn Ager>,
    /// Or why there is none.
    of_guests: Result<Box<dyn Ager>, String>,
    /// It was asked since it was stopped.
    is_sampling: bool,
    /// Whether a virtual machine runs in a cgroup, and when that was found out.
    known: HashMap<CgroupId, (bool, Instant)>,
}

impl WithGuests {
    pub(super) fn new(
        root: Root,
        mount: Mount,
        most: Box<dyn Ager>,
        of_guests: Result<Box<dyn Ager>, String>,
    ) -> Self {
        Self { root, mount, most, of_guests, is_sampling: false, known: HashMap::new() }
    }

    fn find_out(&mut self, targets: &[Target]) {
        self.known.retain(|id, _| targets.iter().any(|target| target.id == *id));
        let begun = Instant::now();
        for target in targets {
            if begun.elapsed() > PATIENCE {
                // The next look goes on with those that are not known yet.
                break;
            }
            if self.known.get(&target.id).is_none_or(|(_, at)| at.elapsed() >= RECONSIDER) {
                let runs = runs_guest(&self.root, &self.mount, target);
                self.known.insert(target.id, (runs, Instant::now()));
            }
        }
    }

    fn has_guest(&self, target: &Target) -> bool {
        self.known.get(&target.id).is_some_and(|(runs, _)| *runs)
    }

    /// Those with virtual machines, and the others.
    fn split(&self, targets: &[Target]) -> (Vec<Target>, Vec<Target>) {
        targets.iter().cloned().partition(|target| self.has_guest(target))
    }

    fn look_at_guests(&mut self, all: &[Target], due: &[Target]) -> Result<Look, String> {
        if all.is_empty() {
            return self.stop_sampling().map(|()| Look::default());
        }
        self.is_sampling = true;
        self.of_guests.as_mut().map_err(|why| why.clone())?.look(all, due)
    }

    fn stop_sampling(&mut self) -> Result<(), String> {
        match &mut self.of_guests {
            Ok(ager) if std::mem::take(&mut self.is_sampling) => ager.stop(),
            _ => Ok(()),
        }
    }
}

impl Ager for WithGuests {
    fn source(&self) -> Option<Source> {
        self.most.source()
    }

    fn why(&self) -> String {
        self.most.why()
    }

    /// First the sampled pages: what DAMON looks at next is touched after the walk then.
    fn look(&mut self, all: &[Target], due: &[Target]) -> Result<Look, String> {
        let begun = thread_cpu().unwrap_or_default();
        self.find_out(all);
        let finding = thread_cpu().unwrap_or_default().saturating_sub(begun);
        let ((guests, others), (guests_due, others_due)) = (self.split(all), self.split(due));
        let of_guests = self.look_at_guests(&guests, &guests_due);
        let of_most = self.most.look(&others, &others_due);
        match (of_most, of_guests) {
            (Ok(look), Ok(more)) => Ok(join(Look { cpu: look.cpu + finding, ..look }, more)),
            (Ok(look), Err(why)) => Ok(Look { note: Some(without_ages(guests.len(), &why)), ..look }),
            (Err(why), Ok(look)) if !look.readings.is_empty() => Ok(Look { note: Some(why), ..look }),
            (Err(why), _) => Err(why),
        }
    }

    fn stop(&mut self) -> Result<(), String> {
        let of_guests = self.stop_sampling();
        self.most.stop().and(of_guests)
    }
}

fn join(mut look: Look, more: Look) -> Look {
    look.readings.extend(more.readings);
    look.cpu += more.cpu;
    look.between += more.between;
    look.share_between = more.share_between;
    look.note = look.note.or(more.note);
    look.left_out.join(more.left_out);
    look
}

fn without_ages(guests: usize, why: &str) -> String {
    format!("{guests} cgroups of virtual machines have no idle ages, which MGLRU does not see: {why}")
}

/// Whether a process at or below a cgroup runs a virtual machine.
fn runs_guest(root: &Root, mount: &Mount, target: &Target) -> bool {
    let Ok(Some(cgroup)) = mount.open_as(&target.path, target.id) else { return false };
    // What is left out is told by the look at the same processes.
    let all = pids(&cgroup, &mut LeftOut::default()).unwrap_or_default();
    let name = |pid: u32| root.read_record(format!("proc/{pid}/comm")).ok().flatten();
    all.into_iter().filter_map(name).any(|name| is_hypervisor(name.trim_end()))
}

fn is_hypervisor(name: &str) -> bool {
    HYPERVISORS.iter().any(
        |known| {
            if known.ends_with('-') { name.starts_with(known) } else { name == *known }
        },
    )
}

#[cfg(test)]
#[path = "guests_tests.rs"]
mod tests;
