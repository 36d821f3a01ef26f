/// What keeps the host under administration and its log alive; template units with any instance.
const SERVICES: &[&str] = &[
    "dbus.service",
    "dbus-broker.service",
    "getty@",
    "lowtide.service",
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

/// Whether the cgroup at `path`, or one that it lies in, is what the host is administered through: the root, init,
/// ssh, login, journal, udev, D-Bus, consoles.
///
/// Only what the host's own systemd started counts: a container's or a user's D-Bus lies elsewhere.
///
/// Such a cgroup is never a target, whatever the policy says. The daemon adds its own cgroup and the ancestors of it.
#[must_use]
pub fn is_protected(path: &str) -> bool {
    let service =
        path.strip_prefix("/system.slice/").is_some_and(|below| below.split('/').any(is_protected_name));
    service || path == "/" || path == "/init.scope" || path.starts_with("/init.scope/")
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
        ] {
            assert!(is_protected(path), "{path}");
        }
        for path in [
            "/system.slice",
            "/system.slice/nginx.service",
            "/user.slice",
            "/machine.slice/a/system.slice/dbus.service",
            "/kubepods.slice",
            "/sshd",
            "",
        ] {
            assert!(!is_protected(path), "{path}");
        }
    }
}
