/// What keeps the host under administration and its log alive, or a node running its pods; template units
/// with any instance.
///
/// Kubelet writes the secrets of pods into tmpfs, and a page of tmpfs is charged to whoever touches it first
/// (`mem_cgroup_charge`, mm/shmem.c): they are in kubelet's cgroup, or in that of k3s or RKE2, which are
/// kubelet as well, and reclaim of it would write them to swap. Without its runtime no pod is started, probed
/// or ended.
///
/// No tenant lies below these units: containers are in the trees of kubelet, in scopes of system.slice or in
/// /docker, also with the driver for cgroupfs, whose paths begin at the root. What does lie there is shims
/// and conmon.
const SERVICES: &[&str] = &[
    "containerd.service",
    "crio.service",
    "dbus.service",
    "dbus-broker.service",
    "docker.service",
    "getty@",
    "k3s-agent.service",
    "k3s.service",
    "kubelet.service",
    "lowtide.service",
    "rke2-agent.service",
    "rke2-server.service",
    "serial-getty@",
    "ssh.service",
    "ssh@",
    "sshd.service",
    "sshd@",
    "systemd-journald.service",
    "systemd-journald@",
    "systemd-logind.service",
    "systemd-udevd.service",
];

/// Whether the cgroup at `path`, or one that it lies in, is what the host is administered through: the root,
/// init, ssh, login, journal, udev, D-Bus, consoles, kubelet and container runtimes.
///
/// Only what the host's own systemd started counts, in `/system.slice` and its own slices below: a service or
/// scope may have been given to a tenant (`Delegate=`), who names what lies below it.
///
/// Such a cgroup is never a target, whatever the policy says, but for the root where the host as a whole is.
/// The daemon adds its own cgroup and the ancestors of it.
#[must_use]
pub fn is_protected(path: &str) -> bool {
    let unit = path.strip_prefix("/system.slice/").and_then(|below| {
        // A slice lies in the one that its name begins with (man 5 systemd.slice).
        below.split('/').find(|name| !is_own_slice(name))
    });
    unit.is_some_and(is_protected_name)
        || path == "/"
        || path == "/init.scope"
        || path.starts_with("/init.scope/")
}

/// Whether one of those may lie below `path`, as far as its name tells.
#[must_use]
pub fn may_hold_protected(path: &str) -> bool {
    let slices = path.strip_prefix("/system.slice");
    slices.is_some_and(|below| below.split('/').skip(1).all(is_own_slice) && !below.starts_with(|c| c != '/'))
        || path == "/"
}

fn is_own_slice(name: &str) -> bool {
    name.starts_with("system-") && name.strip_suffix(".slice").is_some()
}

fn is_protected_name(name: &str) -> bool {
    SERVICES.iter().any(|service| {
        if service.ends_with('@') {
            name.starts_with(service) && name.ends_with(".service")
        } else {
            name == *service
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_is_administered_through() {
        for path in [
            "/",
            "/init.scope",
            "/system.slice/ssh.service",
            "/system.slice/sshd.service",
            r"/system.slice/system-sshd.slice/sshd@3-10.0.0.1:22.service",
            r"/system.slice/system-getty.slice/getty@tty1.service",
            r"/system.slice/system-serial\x2dgetty.slice/serial-getty@ttyS0.service",
            "/system.slice/systemd-journald.service",
            "/system.slice/systemd-logind.service",
            "/system.slice/systemd-udevd.service",
            "/system.slice/systemd-udevd.service/udev",
            "/system.slice/dbus.service",
            "/system.slice/lowtide.service",
            "/system.slice/kubelet.service",
            "/system.slice/containerd.service",
            "/system.slice/crio.service",
            "/system.slice/k3s.service",
            "/system.slice/k3s-agent.service",
            "/system.slice/rke2-server.service",
            "/system.slice/rke2-agent.service",
            "/system.slice/docker.service",
        ] {
            assert!(is_protected(path), "{path}");
        }
        for path in [
            "/system.slice",
            "/system.slice/nginx.service",
            "/user.slice",
            "/machine.slice/a/system.slice/dbus.service",
            "/kubepods.slice",
            "/kubepods/besteffort/pod1/containerd.service",
            "/docker/0123",
            "/system.slice/docker-0123.scope",
            "/sshd",
            "",
        ] {
            assert!(!is_protected(path), "{path}");
        }
    }

    /// Kind 5: names that a tenant chooses, in a cgroup that was given to it.
    #[test]
    fn a_name_below_a_service_or_scope_protects_nothing() {
        for path in [
            "/system.slice/shop.service/ssh.service",
            "/system.slice/docker-X.scope/system.slice/dbus.service",
            "/system.slice/docker-X.scope/system-getty.slice/getty@tty1.service",
            "/system.slice/shop.slice/ssh.service",
            "/user.slice/user-1000.slice/user@1000.service/init.scope",
            "/system.slice/a.service/init.scope",
        ] {
            assert!(!is_protected(path), "{path}");
        }
    }

    #[test]
    fn where_such_a_cgroup_may_lie() {
        for path in ["/", "/system.slice", "/system.slice/system-getty.slice"] {
            assert!(may_hold_protected(path), "{path}");
        }
        for path in
            ["/system.slices", "/system.slice/a.service", "/system.slice/a.scope/system-b.slice", "/a", ""]
        {
            assert!(!may_hold_protected(path), "{path}");
        }
    }
}
