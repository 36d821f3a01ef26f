"""What kubelet does, as far as the scenario needs it: it lays volumes out, and has the runtime make pods over its CRI.

kubelet.py image FILE PROGRAM           an image with that static program, for pauses and tenants
kubelet.py run FILE [KEY=FILE ...]      each Pod, or the pod of a DaemonSet, in a file of YAML; prints its ids as JSON.
                                        KEY=FILE puts another text in the place of a ConfigMap's key
kubelet.py exec CONTAINER WORD...       prints what the command printed; exits with its status
kubelet.py stop CONTAINER SECONDS       ends it as kubelet ends it; prints its exit status
kubelet.py remove SANDBOX CONTAINER     takes both away
"""

import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import uuid

import grpc
import yaml

SOCKET = "unix:///run/containerd/containerd.sock"
PODS = pathlib.Path("/var/lib/kubelet/pods")
# Before the lab has a network, or plugins for it, every pod has the machine's: NamespaceMode NODE.
NODE, CONTAINER = 2, 1
# Of what kubelet hides and protects in a container that is not privileged (pkg/securitycontext/util.go).
MASKED = ["asound", "acpi", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi"]
READONLY = ["bus", "fs", "irq", "sys", "sysrq-trigger"]


# Protocol buffers by field numbers, which are CRI v1's: https://github.com/kubernetes/cri-api, pkg/apis/runtime/v1/api.proto.


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def encode(message):
    out = b""
    for field, value in message.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int):
                out += varint(field << 3) + varint(item & 0xFFFFFFFFFFFFFFFF)
                continue
            data = encode(item) if isinstance(item, dict) else item.encode()
            out += varint(field << 3 | 2) + varint(len(data)) + data
    return out


def decode(data):
    """Fields with their last value: numbers, or bytes."""
    found, place = {}, 0

    def number():
        nonlocal place
        value, shift = 0, 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(data):
        key = number()
        value = number()
        if key & 7 == 2:
            value, place = data[place : place + value], place + value
        found[key >> 3] = value
    return found


def call(method, message):
    with grpc.insecure_channel(SOCKET) as channel:
        ask = channel.unary_unary(f"/runtime.v1.RuntimeService/{method}", encode, decode)
        return ask(message, timeout=300)


def text_map(texts):
    return [{1: key, 2: str(value)} for key, value in (texts or {}).items()]


# Pods.


def run(path, replaced):
    objects = [found for found in yaml.safe_load_all(path.read_text()) if found]
    maps = {found["metadata"]["name"]: found["data"] for found in objects if found["kind"] == "ConfigMap"}
    for data in maps.values():
        data.update({key: text for key, text in replaced.items() if key in data})
    started = {}
    for found in objects:
        if found["kind"] == "DaemonSet":
            template = found["spec"]["template"]
            found = {"metadata": {**found["metadata"], **template["metadata"]}, "spec": template["spec"]}
        elif found["kind"] != "Pod":
            continue
        started[found["metadata"]["name"]] = start(found["metadata"], found["spec"], maps)
    print(json.dumps(started))


def start(metadata, spec, maps):
    uid = str(uuid.uuid4())
    quality = quality_of(spec["containers"][0].get("resources", {}))
    tree = "kubepods" if quality == "guaranteed" else f"kubepods-{quality}"
    process_ids = NODE if spec.get("hostPID") else CONTAINER
    namespaces = {1: NODE, 2: process_ids}
    sandbox_config = {
        1: {1: metadata["name"], 2: uid, 3: metadata.get("namespace", "lowtide")},
        7: text_map(metadata.get("annotations")),
        8: {1: f"{tree}-pod{uid.replace('-', '_')}.slice", 2: {1: namespaces, 9: {}}},
    }
    sandbox = call("RunPodSandbox", {1: sandbox_config})[1].decode()
    [container] = spec["containers"]
    sources = {volume["name"]: source(volume, PODS / uid / "volumes", maps) for volume in spec.get("volumes", [])}
    config = container_config(container, sources, namespaces)
    created = call("CreateContainer", {1: sandbox, 2: config, 3: sandbox_config})[1].decode()
    call("StartContainer", {1: created})
    return {"sandbox": sandbox, "container": created, "uid": uid, "slice": sandbox_config[8][1]}


def quality_of(resources):
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    if not requests and not limits:
        return "besteffort"
    full = {"cpu", "memory"}
    return "guaranteed" if full <= limits.keys() and {**limits, **requests} == limits else "burstable"


def container_config(container, sources, namespaces):
    resources = {5: 1000}
    limit = container.get("resources", {}).get("limits", {}).get("memory")
    if limit:
        resources[4] = int(limit.removesuffix("Mi")) << 20
    # What kubelet writes for NodeSwap; of a pod's own fields there is none for it.
    if "labSwapMax" in container:
        resources[9] = text_map({"memory.swap.max": container["labSwapMax"]})
    return {
        1: {1: container["name"]},
        2: {1: container["image"]},
        3: container.get("command", []),
        4: container.get("args", []),
        7: [
            {1: mount["mountPath"], 2: str(sources[mount["name"]]), 3: bool(mount.get("readOnly"))}
            for mount in container.get("volumeMounts", [])
        ],
        15: {1: resources, 2: security(container.get("securityContext", {}), namespaces)},
    }


def security(context, namespaces):
    """Of a context that the chart gives; what it says and is not known here is an error."""
    known = {"privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "runAsUser", "runAsGroup"}
    known |= {"capabilities", "seccompProfile", "appArmorProfile"}
    if context.keys() - known or context.get("privileged"):
        raise SystemExit(f"a security context that is not understood: {context}")
    capabilities = context.get("capabilities", {})
    kinds = {"RuntimeDefault": 0, "Unconfined": 1}
    made = {
        1: {1: capabilities.get("add", []), 2: capabilities.get("drop", [])},
        3: namespaces,
        5: {1: context.get("runAsUser", 0)},
        7: bool(context.get("readOnlyRootFilesystem")),
        11: not context.get("allowPrivilegeEscalation", True),
        13: [f"/proc/{name}" for name in MASKED] + ["/sys/firmware"],
        14: [f"/proc/{name}" for name in READONLY],
        15: {1: kinds[context.get("seccompProfile", {"type": "Unconfined"})["type"]]},
    }
    if "appArmorProfile" in context:
        made[16] = {1: kinds[context["appArmorProfile"]["type"]]}
    return made


# Volumes.


def source(volume, directory, maps):
    kind = next(key for key in volume if key != "name")
    place, what = directory / kind / volume["name"], volume[kind]
    if kind == "hostPath":
        return host_path(pathlib.Path(what["path"]), what.get("type", ""))
    place.mkdir(parents=True)
    if kind == "emptyDir":
        place.chmod(0o777)
        if what.get("medium") == "Memory":
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    elif kind == "configMap":
        files = maps[what["name"]]
        published(place, {item["path"]: files[item["key"]].encode() for item in what["items"]})
    elif kind == "secret":
        # As kubelet's: in a tmpfs, written by kubelet, and so charged to its cgroup. labSize is how much there is of it.
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
        published(place, {f"key{index}": os.urandom(1 << 20) for index in range(what["labSize"] >> 20)})
    else:
        raise SystemExit(f"a volume that is not understood: {volume}")
    return place


def host_path(path, kind):
    if kind == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    good = {"File": path.is_file, "Directory": path.is_dir, "DirectoryOrCreate": path.is_dir, "": path.exists}[kind]()
    if not good:
        raise SystemExit(f"hostPath type check failed: {path} is not of the type {kind!r}")
    return path


def published(place, files):
    """Behind links, as kubelet's AtomicWriter does it."""
    (place / "..version").mkdir()
    (place / "..data").symlink_to("..version")
    for path, data in files.items():
        file = place / "..version" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        first = pathlib.Path(path).parts[0]
        if not (place / first).is_symlink():
            (place / first).symlink_to(f"..data/{first}")


# The image of pauses and tenants.


def image(into, program):
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(program, "bin/busybox")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/busybox", "sleep", "100000"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer.getvalue())]},
    }
    manifest = [{"Config": "config.json", "RepoTags": ["localhost/tools:1"], "Layers": ["layer.tar"]}]
    with tarfile.open(into, mode="w") as archive:
        parts = {"layer.tar": layer.getvalue(), "config.json": json.dumps(config).encode()}
        for name, data in {**parts, "manifest.json": json.dumps(manifest).encode()}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def digest(data):
    import hashlib

    return "sha256:" + hashlib.sha256(data).hexdigest()


def main():
    command, *rest = sys.argv[1:]
    if command == "image":
        image(*rest)
    elif command == "run":
        replaced = dict(word.split("=", 1) for word in rest[1:])
        run(pathlib.Path(rest[0]), {key: pathlib.Path(path).read_text() for key, path in replaced.items()})
    elif command == "exec":
        done = call("ExecSync", {1: rest[0], 2: rest[1:], 3: 120})
        sys.stdout.buffer.write(done.get(1, b""))
        sys.stderr.buffer.write(done.get(2, b""))
        sys.exit(done.get(3, 0))
    elif command == "stop":
        call("StopContainer", {1: rest[0], 2: int(rest[1])})
        status = decode(call("ContainerStatus", {1: rest[0]})[1])
        print(status.get(7, 0))
    elif command == "remove":
        sandbox, container = rest
        call("StopContainer", {1: container, 2: 0})
        call("RemoveContainer", {1: container})
        call("StopPodSandbox", {1: sandbox})
        call("RemovePodSandbox", {1: sandbox})
    else:
        raise SystemExit(__doc__)


main()
