//! The pods beside lowtide's.

use crate::spec::STAGE;

/// All of them.
pub(super) const NAMES: [&str; 4] = ["web", "quiet", "no-swap", "early"];

/// What is different about one.
#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    /// `metadata.annotations`.
    annotations: &'static str,
    /// What kubelet writes to `memory.swap.max`, if it does.
    swap_max: &'static str,
    /// More volumes.
    volumes: &'static str,
}

/// 16 MiB of secrets: more than any real one, so that what becomes of them can be seen.
const SECRET: &str = "    - { name: certificates, secret: { secretName: certificates, labSize: 16777216 } }";

/// Pods in YAML: `web` has a secret; `quiet` wants to be left alone; `no-swap` is what kubelet makes of any
/// pod with NoSwap; `early` is taken away while lowtide runs.
pub(super) fn tenants() -> String {
    let wish = |name| match name {
        "web" => Wish { volumes: SECRET, ..Wish::default() },
        "quiet" => Wish { annotations: "lowtide.io/policy: 'off'", ..Wish::default() },
        "no-swap" => Wish { swap_max: "\n      labSwapMax: 0", ..Wish::default() },
        _ => Wish::default(),
    };
    NAMES.map(|name| pod(name, wish(name))).join("---\n")
}

/// One whose container is the lab's tenant, with the programs and libraries of the machine.
fn pod(name: &str, Wish { annotations, swap_max, volumes }: Wish) -> String {
    let host = ["/usr", "/lib", "/lib64", STAGE];
    let called = |path: &str| path.trim_matches('/').replace('/', "-");
    let mounts =
        host.map(|path| format!("        - {{ name: {}, mountPath: {path}, readOnly: true }}", called(path)));
    let sources =
        host.map(|path| format!("    - {{ name: {}, hostPath: {{ path: {path} }} }}", called(path)));
    format!(
        "kind: Pod
metadata: {{ name: {name}, namespace: shop, annotations: {{ {annotations} }} }}
spec:
  containers:
    - name: server
      image: localhost/tools:1
      command: [{STAGE}/lowtide-tenant, --name, {name}, --hot, 4M, --warm, 4M, --cold, 80M, --pause, 20ms, --interval, 60s]
      resources: {{ requests: {{ memory: 16Mi }} }}{swap_max}
      volumeMounts:
{mounts}
  volumes:
{sources}
{volumes}
",
        mounts = mounts.join("\n"),
        sources = sources.join("\n")
    )
}
