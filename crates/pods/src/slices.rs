//! Where a container's cgroup is by its runtime spec.

/// The path of the cgroup that `linux.cgroupsPath` of a runtime spec means; `None` if it means none that can
/// be told.
///
/// For systemd's driver it is `SLICE:PREFIX:NAME`, which becomes the scope `PREFIX-NAME.scope`, and a slice
/// lies in the one that its name begins with (man 5 systemd.slice). For the driver of cgroupfs it is the
/// path.
pub(crate) fn cgroup(cgroups_path: &str) -> Option<String> {
    if cgroups_path.starts_with('/') {
        return Some(cgroups_path.to_owned());
    }
    let mut parts = cgroups_path.split(':');
    let (slice, prefix, name) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || name.is_empty() {
        return None;
    }
    let dash = if prefix.is_empty() { "" } else { "-" };
    Some(format!("{}/{prefix}{dash}{name}.scope", expanded(slice)?))
}

/// `a-b.slice` is `/a.slice/a-b.slice`.
pub(crate) fn expanded(slice: &str) -> Option<String> {
    let stem = slice.strip_suffix(".slice")?;
    if stem.is_empty() || stem.split('-').any(|part| part.is_empty() || part.contains('/')) {
        return None;
    }
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    Some(ends.fold(String::new(), |above, end| above + "/" + &stem[..end] + ".slice"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_both_drivers_write_it() {
        for (written, means) in [
            (
                "kubepods-burstable-pod1_2.slice:cri-containerd:abc",
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-abc.scope",
            ),
            ("kubepods-pod1.slice:crio:abc", "/kubepods.slice/kubepods-pod1.slice/crio-abc.scope"),
            (
                "kubelet-kubepods-pod1.slice:crio:abc",
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/crio-abc.scope",
            ),
            ("a.slice::abc", "/a.slice/abc.scope"),
            ("/kubepods/besteffort/pod1/abc", "/kubepods/besteffort/pod1/abc"),
        ] {
            assert_eq!(cgroup(written).as_deref(), Some(means), "{written}");
        }
    }

    #[test]
    fn what_means_none() {
        for written in [
            "",
            "abc",
            "kubepods/pod1/abc",
            "a.slice:b",
            "a.slice:b:c:d",
            "a.slice:b:",
            ".slice:b:c",
            "-.slice:b:c",
            "a--b.slice:b:c",
            "a/b.slice:b:c",
            "a.scope:b:c",
        ] {
            assert_eq!(cgroup(written), None, "{written}");
        }
    }
}
