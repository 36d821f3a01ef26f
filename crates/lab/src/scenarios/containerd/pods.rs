//! The pods beside lowtide's.

use crate::spec::STAGE;

/// Those that are there from the beginning.
pub(super) const NAMES: [&str; 4] = ["web", "quiet", "no-swap", "early"];
/// Those that come once the node swaps to a disk.
pub(super) const CACHES: [&str; 2] = ["scratch", "plain"];

/// What is different about one.
#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    /// `metadata.annotations`.
    annotations: &'static str,
    /// What kubelet writes to `memory.swap.max`, if it does.
    swap_max: &'static str,
    /// One more volume, and where the container has it.
    volume: &'static str,
    mount: &'static str,
    /// What a shell does before the tenant begins.
    first: &'static str,
}

/// 16 MiB of secrets: more than any real one, so that what becomes of them can be seen.
const SECRET: &str = "    - { name: certificates, secret: { secretName: certificates, labSize: 16777216 } }";
const SECRET_MOUNT: &str = "        - { name: certificates, mountPath: /certificates, readOnly: true }";
/// The container reads them, as a server reads its keys.
const READ: &str = "/bin/busybox cat /certificates/..data/* > /dev/null;";
const MEMORY: &str = "    - { name: scratch, emptyDir: { medium: Memory } }";
const MEMORY_MOUNT: &str = "        - { name: scratch, mountPath: /scratch }";
const WRITE: &str = "/bin/busybox dd if=/dev/urandom of=/scratch/session bs=1048576 count=16;";

/// Pods in YAML: `web` has a secret; `quiet` wants to be left alone; `no-swap` is what kubelet makes of any
/// pod with NoSwap; `early` is taken away while lowtide runs.
pub(super) fn tenants() -> String {
    let wish = |name| match name {
        "web" => Wish { volume: SECRET, mount: SECRET_MOUNT, first: READ, ..Wish::default() },
        "quiet" => Wish { annotations: "lowtide.io/policy: 'off'", ..Wish::default() },
        "no-swap" => Wish { swap_max: "\n      labSwapMax: 0", ..Wish::default() },
        _ => Wish::default(),
    };
    NAMES.map(|name| pod(name, "shop", wish(name))).join("---\n")
}

/// `scratch` writes to a volume in memory, `plain` has none.
pub(super) fn caches() -> String {
    let wish = |name| match name {
        "scratch" => Wish { volume: MEMORY, mount: MEMORY_MOUNT, first: WRITE, ..Wish::default() },
        _ => Wish::default(),
    };
    CACHES.map(|name| pod(name, "cache", wish(name))).join("---\n")
}

/// One whose container is the lab's tenant, with the programs and libraries of the machine.
fn pod(name: &str, namespace: &str, Wish { annotations, swap_max, volume, mount, first }: Wish) -> String {
    let host = ["/usr", "/lib", "/lib64", STAGE];
    let called = |path: &str| path.trim_matches('/').replace('/', "-");
    let mounts =
        host.map(|path| format!("        - {{ name: {}, mountPath: {path}, readOnly: true }}", called(path)));
    let sources =
        host.map(|path| format!("    - {{ name: {}, hostPath: {{ path: {path} }} }}", called(path)));
    format!(
        "kind: Pod
metadata: {{ name: {name}, namespace: {namespace}, annotations: {{ {annotations} }} }}
spec:
  containers:
    - name: server
      image: localhost/tools:1
      command:
        - /bin/busybox
        - sh
        - -c
        - {first} exec {STAGE}/lowtide-tenant --name {name} --hot 4M --warm 4M --cold 80M --pause 20ms --interval 60s
      resources: {{ requests: {{ memory: 16Mi }} }}{swap_max}
      volumeMounts:
{mounts}
{mount}
  volumes:
{sources}
{volume}
",
        mounts = mounts.join("\n"),
        sources = sources.join("\n")
    )
}
