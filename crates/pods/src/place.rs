use crate::slices;

/// Where a cgroup is, as far as its path tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'p> {
    /// In no tree of kubelet's: it belongs to no pod.
    Outside,
    /// In kubelet's tree, above all containers, or where no known runtime puts one: whose it is cannot be
    /// told.
    Inside,
    /// A container's cgroup, or one below it.
    Container(Container<'p>),
}

/// A container, by the name of its cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container<'p> {
    /// 64 hexadecimal digits.
    id: &'p str,
    /// The container's own cgroup.
    cgroup: &'p str,
}

impl<'p> Place<'p> {
    /// Where the cgroup at `path` is.
    ///
    /// Of the names below `kubepods` the first that is a container's counts: those below it are the
    /// container's own, and it may call them as it likes.
    #[must_use]
    pub fn of(path: &'p str) -> Self {
        let Some(root) = kubepods(path) else { return Self::Outside };
        let below = names(path).skip_while(|(_, end)| *end <= root);
        let mut containers =
            below.filter_map(|(name, end)| Some(Container { id: id(name)?, cgroup: &path[..end] }));
        containers.next().map_or(Self::Inside, Self::Container)
    }
}

impl<'p> Container<'p> {
    /// What the runtime calls it: 64 hexadecimal digits.
    #[must_use]
    pub const fn id(&self) -> &'p str {
        self.id
    }

    /// The path of its own cgroup, from the root of the cgroup tree.
    #[must_use]
    pub const fn cgroup(&self) -> &'p str {
        self.cgroup
    }
}

/// The names of a path, each with where it ends.
fn names(path: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut end = 0;
    path.split('/').map(move |name| {
        let at = end + name.len();
        end = at + 1;
        (name, at)
    })
}

/// Where the name of kubelet's own cgroup ends in `path`, if that is there.
///
/// A tenant with a subtree of its own may call a cgroup in it `kubepods` as well, to be taken for a pod that
/// nobody knows. So it counts only where root alone names what lies above it: at the top, or where kubelet's
/// `cgroupRoot` puts it.
fn kubepods(path: &str) -> Option<usize> {
    if !path.starts_with('/') {
        return None;
    }
    let mut names = names(path).skip(1);
    let (top, end) = names.next()?;
    if matches!(top, "kubepods" | "kubepods.slice") {
        return Some(end);
    }
    if is_plain(top) {
        return names.next().filter(|(name, _)| *name == "kubepods").map(|(_, end)| end);
    }
    if TENANTS.contains(&top) {
        return None;
    }
    // systemd's driver: a service or a scope may be a tenant's (`Delegate=`), and a slice that lies elsewhere
    // than in the one that its name begins with was not made by the host's systemd.
    let mut slices = names.take_while(|(name, _)| name.strip_suffix(".slice").is_some());
    let (slice, end) = slices.find(|(name, _)| name.ends_with("-kubepods.slice"))?;
    (slices::expanded(slice).as_deref() == Some(&path[..end])).then_some(end)
}

/// Where users and other managers of containers have theirs, so that others than root may name what lies
/// below.
const TENANTS: [&str; 7] =
    ["docker", "libpod_parent", "lxc", "machine", "machine.slice", "user", "user.slice"];

/// A name as kubelet's `cgroupRoot` has it with the driver for cgroupfs: `/kubelet` with kind. What systemd
/// makes has a dot in it.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains('.') && !TENANTS.contains(&name)
}

/// The ID in the name of a container's cgroup.
///
/// systemd's driver makes scopes `cri-containerd-ID.scope` and `crio-ID.scope`; the driver for cgroupfs makes
/// `ID` with containerd and `crio-ID` with CRI-O. `crio-conmon-ID.scope` is the runtime's own process.
fn id(name: &str) -> Option<&str> {
    let bare = name.strip_suffix(".scope").map_or_else(
        || name.strip_prefix("crio-").unwrap_or(name),
        |scope| {
            ["cri-containerd-", "crio-"]
                .iter()
                .find_map(|prefix| scope.strip_prefix(prefix))
                .unwrap_or_default()
        },
    );
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (bare.len() == ID && bare.bytes().all(is_digit)).then_some(bare)
}

/// 256 bits.
const ID: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digit: char) -> String {
        digit.to_string().repeat(ID)
    }

    #[test]
    fn each_runtime_and_driver() {
        let (a, b) = (hex('a'), hex('b'));
        for name in
            [format!("cri-containerd-{a}.scope"), format!("crio-{a}.scope"), format!("crio-{a}"), a.clone()]
        {
            for above in [
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice",
                "/kubepods/besteffort/pod1",
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice",
                "/kubepods/pod1",
                "/kubelet/kubepods/burstable/pod1",
                "/a.slice/a-b.slice/a-b-kubepods.slice/a-b-kubepods-pod1.slice",
            ] {
                let cgroup = format!("{above}/{name}");
                // What lies below is named by the container.
                for below in ["", "/container", "/init.scope", &format!("/cri-containerd-{b}.scope")] {
                    let path = format!("{cgroup}{below}");
                    let Place::Container(container) = Place::of(&path) else { panic!("{path}") };
                    assert_eq!((container.id(), container.cgroup()), (&*a, &*cgroup), "{path}");
                }
            }
        }
    }

    #[test]
    fn what_is_none() {
        let a = hex('a');
        for path in [
            format!("/kubepods.slice/kubepods-pod1.slice/crio-conmon-{a}.scope"),
            format!("/kubepods.slice/kubepods-pod1.slice/docker-{a}.scope"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{a}"),
            format!("/kubepods.slice/kubepods-pod1.slice/{a}.scope"),
            format!("/kubepods/pod1/{}", hex('A')),
            format!("/kubepods/pod1/{}", &a[1..]),
            format!("/kubepods/pod1/{a}a"),
            "/kubepods.slice".into(),
            "/kubepods/burstable".into(),
        ] {
            assert_eq!(Place::of(&path), Place::Inside, "{path}");
        }
        for path in [
            format!("/system.slice/docker-{a}.scope"),
            format!("/cri-containerd-{a}.scope"),
            format!("/mykubepods.slice/{a}"),
            format!("/kubepods.slices/{a}"),
            format!("kubepods/{a}"),
            format!("a/kubepods/{a}"),
            format!("//kubepods/{a}"),
            String::new(),
            "/".into(),
        ] {
            assert_eq!(Place::of(&path), Place::Outside, "{path}");
        }
    }

    /// Kind 5: whoever has a subtree names what is in it.
    #[test]
    fn what_a_tenant_calls_kubepods_is_not_kubelets() {
        let a = hex('a');
        for above in [
            "/user.slice/user-1000.slice/user@1000.service/x-kubepods.slice",
            "/user.slice/user-1000.slice/user@1000.service/kubepods",
            "/user.slice/user-kubepods.slice",
            "/user/kubepods",
            &format!("/system.slice/docker-{a}.scope/kubepods"),
            &format!("/system.slice/docker-{a}.scope/kubepods.slice"),
            "/system.slice/web.service/system-kubepods.slice",
            "/system.slice/kubepods",
            "/system.slice/x-kubepods.slice",
            &format!("/docker/{a}/kubepods"),
            &format!("/docker/{a}/kubelet/kubepods"),
            "/docker/kubepods",
            "/lxc.payload.a/kubepods",
            "/machine.slice/machine-kubepods.slice",
            "/machine.slice/libpod-a.scope/kubepods",
            "/kubelet/a/kubepods",
            "/kubelet/kubepods.slice",
            "/kubelet/x-kubepods.slice",
            "/x-kubepods.slice",
        ] {
            for below in
                [String::new(), "/a".into(), format!("/pod1/{a}"), format!("/cri-containerd-{a}.scope")]
            {
                let path = format!("{above}{below}");
                assert_eq!(Place::of(&path), Place::Outside, "{path}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn the_cgroup_of_a_container_is_at_or_above_its_path(path in "(/(kubepods|kubepods.slice|ü|[a-f]{64}|crio-[0-9]{64}|.scope)?){0,6}") {
            if let Place::Container(container) = Place::of(&path) {
                let rest = path.strip_prefix(container.cgroup()).unwrap();
                assert!(rest.is_empty() || rest.starts_with('/'));
                assert!(container.cgroup().contains(container.id()));
            }
        }
    }
}
