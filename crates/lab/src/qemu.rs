//! The QEMU command line of a machine: pure, so that it can be tested.

use crate::machine::{Clock, Machine, Root};
use crate::size::MIB;
use crate::spec::files;
use std::path::{Path, PathBuf};

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// Hardware virtualisation.
    Kvm,
    /// QEMU's software emulation.
    Tcg,
}

/// What the user sees of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// Everything goes to files in the run's directory.
    Files,
    /// The console is this terminal.
    Terminal,
}

/// Files that a boot needs.
#[derive(Debug)]
pub struct BootFiles {
    /// Kernel image.
    pub image: PathBuf,
    /// First root.
    pub initramfs: PathBuf,
    /// The program the first root hands over to: `lab-guest`.
    pub init: PathBuf,
    /// Directory of this run's files.
    pub run: PathBuf,
}

/// All arguments of `qemu-system-x86_64`.
#[must_use]
pub fn arguments(machine: &Machine, accel: Accel, screen: Screen, boot: &BootFiles) -> Vec<String> {
    let mut args: Vec<String> =
        words("-name lowtide-lab -nodefaults -no-user-config -display none -no-reboot -monitor none");
    args.extend(processor(machine, accel));
    args.extend(memory(machine));
    if machine.root != Root::Sealed {
        args.extend(words("-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"));
        args.extend(words("-device virtio-9p-pci,fsdev=root,mount_tag=labroot"));
    }
    args.extend(disks(machine, &boot.run));
    args.extend(serial_ports(screen, &boot.run));
    args.extend(["-kernel".into(), text(&boot.image), "-initrd".into(), text(&boot.initramfs)]);
    args.extend(["-append".into(), kernel_command_line(machine, boot)]);
    args
}

fn processor(machine: &Machine, accel: Accel) -> Vec<String> {
    let cpus = machine.cpus;
    let mut args = match accel {
        Accel::Kvm => words("-accel kvm -cpu host"),
        // Translated code of a whole kernel boot and workload: a larger cache keeps it from being
        // retranslated.
        Accel::Tcg if machine.clock == Clock::Plain => words("-accel tcg,tb-size=512 -cpu max"),
        Accel::Tcg => words(
            "-accel tcg,tb-size=512 -icount shift=0,sleep=off -seed 1 -rtc base=2026-01-01,clock=vm -cpu max",
        ),
    };
    args.extend(words(&format!("-smp {cpus}")));
    args
}

fn memory(machine: &Machine) -> Vec<String> {
    let (nodes, total) = (machine.nodes.max(1), machine.memory / MIB);
    let slow = machine.cxl.map(|bytes| bytes / MIB);
    if nodes == 1 && slow.is_none() {
        return words(&format!("-machine q35 -m {total}M"));
    }
    let hmat = if slow.is_some() { ",hmat=on" } else { "" };
    let mut args = words(&format!("-machine q35{hmat} -m {}M", total + slow.unwrap_or(0)));
    let (dram, cpus) = (total / u64::from(nodes), (machine.cpus / nodes).max(1));
    for node in 0..nodes {
        let (first, last) = (node * cpus, node * cpus + cpus - 1);
        args.extend(words(&format!(
            "-object memory-backend-ram,size={dram}M,id=m{node} \
             -numa node,nodeid={node},cpus={first}-{last},memdev=m{node}"
        )));
    }
    args.extend(slow.into_iter().flat_map(|size| slow_node(nodes, size)));
    args
}

/// Node `node` of so many MiB behind the processors of the last one before it, and what firmware says of each
/// node.
fn slow_node(node: u32, size: u64) -> Vec<String> {
    let last = node - 1;
    let mut args = words(&format!(
        "-object memory-backend-ram,size={size}M,id=m{node} -numa node,nodeid={node},memdev=m{node},initiator={last}"
    ));
    for from in 0..last {
        args.extend(words(&format!(
            "-numa dist,src={from},dst={last},val=20 -numa dist,src={from},dst={node},val=28"
        )));
    }
    if last > 0 {
        args.extend(words(&format!("-numa dist,src={last},dst={node},val=17")));
    }
    for (from, to) in (0..node).flat_map(|from| (0..=node).map(move |to| (from, to))) {
        let (latency, bandwidth) = match to {
            _ if to == node => (60, 100),
            _ if to == from => (10, 200),
            _ => (20, 150),
        };
        let lb = format!("-numa hmat-lb,initiator={from},target={to},hierarchy=memory,data-type=access");
        args.extend(words(&format!("{lb}-latency,latency={latency} {lb}-bandwidth,bandwidth={bandwidth}M")));
    }
    args
}

/// The file of one disk, in the run's directory.
#[must_use]
pub fn disk_file(run: &Path, index: usize) -> PathBuf {
    run.join(format!("disk{index}.raw"))
}

fn disks(machine: &Machine, run: &Path) -> Vec<String> {
    let disk = |index| {
        let file = escaped(&disk_file(run, index));
        vec![
            "-drive".into(),
            format!("if=none,id=disk{index},format=raw,cache=unsafe,file={file}"),
            "-device".into(),
            format!("virtio-blk-pci,drive=disk{index},serial=lab{index}"),
        ]
    };
    (0..machine.disks.len()).flat_map(disk).collect()
}

fn serial_ports(screen: Screen, run: &Path) -> Vec<String> {
    let to_file = |name: &str| format!("file:{}", text(&run.join(name)));
    let console = match screen {
        Screen::Files => to_file(files::CONSOLE),
        Screen::Terminal => "mon:stdio".to_owned(),
    };
    let ports = [console, to_file(files::OUTPUT), to_file(files::RESULTS), to_file(files::EXIT)];
    ports.into_iter().flat_map(|port| ["-serial".to_owned(), port]).collect()
}

fn kernel_command_line(machine: &Machine, boot: &BootFiles) -> String {
    let loglevel = if machine.verbose { 7 } else { 4 };
    let mut line = format!("console=ttyS0 panic=-1 oops=panic loglevel={loglevel}");
    if machine.clock == Clock::Deterministic {
        line.push_str(" nokaslr norandmaps random.trust_cpu=on");
    }
    for word in &machine.kernel_args {
        line.push(' ');
        line.push_str(word);
    }
    match machine.root {
        // Words the kernel does not know, without a dot in them, become environment variables of init.
        Root::Host | Root::HostWithSystemd => {
            line + &format!(" LAB_INIT={} LAB_RUN={}", text(&boot.init), text(&boot.run))
        }
        // Nothing here may differ from run to run. ramfs, because a tmpfs can be swapped out.
        Root::Sealed => line + " rootfstype=ramfs",
    }
}

/// A comma in an option's value is written twice.
fn escaped(path: &Path) -> String {
    text(path).replace(',', ",,")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot() -> BootFiles {
        BootFiles {
            image: "/k".into(),
            initramfs: "/i".into(),
            init: "/bin/lab-guest".into(),
            run: "/run".into(),
        }
    }

    fn line(machine: &Machine, accel: Accel) -> String {
        arguments(machine, accel, Screen::Files, &boot()).join(" ")
    }

    #[test]
    fn deterministic_machines_count_instructions() {
        let line = line(&Machine::deterministic(), Accel::Tcg);
        assert!(line.contains("-icount shift=0,sleep=off"));
        assert!(line.contains("-seed 1"));
        assert!(line.contains("nokaslr norandmaps"));
    }

    #[test]
    fn plain_machines_do_not() {
        assert!(!line(&Machine::default(), Accel::Tcg).contains("icount"));
        assert!(line(&Machine::default(), Accel::Kvm).contains("-accel kvm -cpu host"));
    }

    #[test]
    fn a_cxl_node_is_slower_and_has_no_processor() {
        let machine = Machine::deterministic().with_memory(1024 * MIB).with_cxl(512 * MIB);
        let line = line(&machine, Accel::Tcg);
        assert!(line.contains("-machine q35,hmat=on -m 1536M"));
        assert!(line.contains("-numa node,nodeid=1,memdev=m1,initiator=0"));
        assert!(line.contains("target=1,hierarchy=memory,data-type=access-latency,latency=60"));
    }

    #[test]
    fn nodes_share_memory_and_processors() {
        let machine = Machine::default().with_memory(1024 * MIB).with_nodes(2);
        let nodes = line(&machine, Accel::Tcg);
        assert!(nodes.contains("-machine q35 -m 1024M"), "{nodes}");
        assert!(nodes.contains("size=512M,id=m1 -numa node,nodeid=1,cpus=1-1,memdev=m1"), "{nodes}");
        let nodes = line(&machine.with_cxl(512 * MIB), Accel::Tcg);
        assert!(nodes.contains("-machine q35,hmat=on -m 1536M"), "{nodes}");
        assert!(nodes.contains("-numa node,nodeid=2,memdev=m2,initiator=1"), "{nodes}");
        assert!(nodes.contains("-numa dist,src=1,dst=2,val=17"), "{nodes}");
    }

    #[test]
    fn a_sealed_machine_sees_nothing_of_the_host() {
        let line = line(&Machine::deterministic(), Accel::Tcg);
        assert!(!line.contains("9p") && !line.contains("LAB_RUN"), "{line}");
    }

    #[test]
    fn the_root_is_read_only_and_disks_are_named() {
        let line = line(&Machine::default().with_disk(MIB).with_disk(MIB), Accel::Tcg);
        assert!(line.contains("readonly=on"));
        assert!(line.contains("file=/run/disk1.raw -device virtio-blk-pci,drive=disk1,serial=lab1"));
    }

    #[test]
    fn the_guest_learns_its_run_directory() {
        assert!(line(&Machine::default(), Accel::Tcg).ends_with("LAB_INIT=/bin/lab-guest LAB_RUN=/run"));
    }
}
