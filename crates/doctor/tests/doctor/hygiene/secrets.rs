use super::{expect, found};
use crate::tree::{Tree, healthy};

const POD: &str = "/var/lib/kubelet/pods/0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0/volumes";

/// A node with swap on `device`, and with these mounts.
fn node(device: &str, mounts: &[(&str, &str, &str)]) -> Tree {
    let before = std::fs::read_to_string(healthy().path().join("proc/self/mountinfo")).unwrap();
    let line = |(point, kind, options): &(&str, &str, &str)| {
        format!("90 30 0:50 / {point} rw,relatime shared:40 - {kind} {kind} {options}\n")
    };
    let text = before + &mounts.iter().map(line).collect::<String>();
    let swaps = format!("Filename Type Size Used Priority\n{device} partition 262140 0 5\n");
    healthy().write("proc/self/mountinfo", &text).write("proc/swaps", &swaps)
}

#[test]
fn secrets_that_may_be_written_to_a_disk() {
    let secret = format!("{POD}/kubernetes.io~secret/tls");
    let token = format!("{POD}/kubernetes.io~projected/kube-api-access-x7k2p");
    let both = [(&*secret, "tmpfs", "rw,size=262144k"), (&*token, "tmpfs", "rw,size=262144k")];
    expect(
        &node("/dev/vda", &both),
        "secrets_in_swap",
        &format!("2 tmpfs of secrets without noswap, such as {secret}"),
        None,
    );
    expect(&node("/dev/vda", &both[1..]), "secrets_in_swap", "/proc/swaps: /dev/vda", None);
    let backed = node("/dev/zram0", &both).write("sys/block/zram0/backing_dev", "/dev/vdb\n");
    expect(&backed, "secrets_in_swap", "/proc/swaps: /dev/zram0", None);

    let none: &[&str] = &[];
    let names = |tree: &Tree| found(tree).iter().map(|waste| waste.name).collect::<Vec<_>>();
    let in_memory = node("/dev/zram0", &both).write("sys/block/zram0/backing_dev", "none\n");
    assert_eq!(names(&in_memory), none, "zram is memory");
    let encrypted = node("/dev/dm-0", &both).write("sys/block/dm-0/dm/uuid", "CRYPT-PLAIN-swap\n");
    assert_eq!(names(&encrypted), none);
    let on_luks = |device: &str| {
        let volume = node(device, &both)
            .write("sys/block/dm-1/dm/uuid", "LVM-x\n")
            .write("sys/block/dm-1/slaves/dm-0/dev", "253:0\n");
        volume
            .write("sys/block/dm-0/dm/uuid", "CRYPT-LUKS2-y\n")
            .write("sys/block/zram0/backing_dev", "/dev/dm-1\n")
    };
    assert_eq!(names(&on_luks("/dev/dm-1")), none, "a logical volume on LUKS");
    assert_eq!(names(&on_luks("/dev/zram0")), none, "written back to it");
    let mixed = on_luks("/dev/dm-1").write("sys/block/dm-1/slaves/sdb1/dev", "8:17\n");
    expect(&mixed, "secrets_in_swap", "/proc/swaps: /dev/dm-1", None);
    let file = |number: &str| {
        let tree = node("/data/swap.file", &both);
        let mounts = std::fs::read_to_string(tree.path().join("proc/self/mountinfo")).unwrap();
        let mounts = mounts + &format!("91 30 {number} / /data rw - ext4 /dev/x rw\n");
        tree.write("proc/self/mountinfo", &mounts)
            .write("proc/swaps", "Filename Type Size Used Priority\n/data/swap.file file 262140 0 5\n")
            .write("sys/dev/block/253:0/dm/uuid", "CRYPT-LUKS2-y\n")
    };
    assert_eq!(names(&file("253:0")), none, "a file on an encrypted file system");
    expect(&file("8:1"), "secrets_in_swap", "/proc/swaps: /data/swap.file", None);
    let mounts = |tree: &Tree| std::fs::read_to_string(tree.path().join("proc/self/mountinfo")).unwrap();
    let space = file("253:0");
    let escaped = mounts(&space) + "92 91 8:1 / /data/a\\040b rw - ext4 /dev/y rw\n";
    let space = space.write("proc/self/mountinfo", &escaped);
    let space =
        space.write("proc/swaps", "Filename Type Size Used Priority\n/data/a\\040b/file file 262140 0 5\n");
    expect(&space, "secrets_in_swap", "/proc/swaps: /data/a b/file", None);
    for (point, kind, options) in [
        (&*secret, "tmpfs", "rw,size=262144k,noswap"),
        (&*secret, "ramfs", "rw"),
        (&*format!("{POD}/kubernetes.io~configmap/c"), "tmpfs", "rw"),
        ("/run", "tmpfs", "rw"),
    ] {
        assert_eq!(names(&node("/dev/vda", &[(point, kind, options)])), none, "{point} {options}");
    }
}
