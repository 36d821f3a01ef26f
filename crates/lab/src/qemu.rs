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
    if machine.root == Root::Host {
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
        // Translated code of a whole kernel boot and workload: a larger cache keeps it from being retranslated.
        Accel::Tcg if machine.clock == Clock::Plain => words("-accel tcg,tb-size=512 -cpu max"),
        Accel::Tcg => words(
            "-accel tcg,tb-size=512 -icount shift=0,sleep=off -seed 1 -rtc base=2026-01-01,clock=vm -cpu max",
        ),
    };
    args.extend(words(&format!("-smp {cpus}")));
    args
}

fn memory(machine: &Machine) -> Vec<String> {
    let dram = machine.memory / MIB;
    let Some(cxl) = machine.cxl.map(|bytes| bytes / MIB) else {
        return words(&format!("-machine q35 -m {dram}M"));
    };
    let last = machine.cpus.saturating_sub(1);
    let latency = "hierarchy=memory,data-type=access-latency,latency";
    let bandwidth = "hierarchy=memory,data-type=access-bandwidth,bandwidth";
    words(&format!(
        "-machine q35,hmat=on -m {total}M \
         -object memory-backend-ram,size={dram}M,id=m0 -object memory-backend-ram,size={cxl}M,id=m1 \
         -numa node,nodeid=0,cpus=0-{last},memdev=m0 -numa node,nodeid=1,memdev=m1,initiator=0 \
         -numa hmat-lb,initiator=0,target=0,{latency}=10 -numa hmat-lb,initiator=0,target=0,{bandwidth}=200M \
         -numa hmat-lb,initiator=0,target=1,{latency}=60 -numa hmat-lb,initiator=0,target=1,{bandwidth}=100M",
        total = dram + cxl,
    ))
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
        Root::Host => line + &format!(" LAB_INIT={} LAB_RUN={}", text(&boot.init), text(&boot.run)),
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
