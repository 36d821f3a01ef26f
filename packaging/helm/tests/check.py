"""What has schemas: values, and the objects that the chart renders. cargo xtask test calls it.

check.py values SCHEMA < values.json
check.py manifest VERSION < objects.yaml
check.py configuration DIR < objects.yaml    writes lowtide.yaml and policies.d as the pod has them
"""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

# The operator's kind, which is none of Kubernetes' own: the fields that the chart uses, of its API v1.
POD_MONITOR = pathlib.Path(__file__).with_name("podmonitor.schema.json")


def main():
    command, argument = sys.argv[1:]
    if command == "values":
        schema = json.loads(pathlib.Path(argument).read_text())
        jsonschema.Draft7Validator.check_schema(schema)
        jsonschema.Draft7Validator(schema).validate(json.load(sys.stdin))
        return
    objects = [found for found in yaml.safe_load_all(sys.stdin) if found is not None]
    if not objects:
        raise SystemExit("there is no object")
    if command == "manifest":
        for found in objects:
            check(found, argument)
            print(f"{found['kind']}/{found['metadata']['name']}")
    elif command == "configuration":
        write(objects, pathlib.Path(argument))
    else:
        raise SystemExit(__doc__)


def check(found, version):
    if found["kind"] == "PodMonitor":
        jsonschema.Draft7Validator(json.loads(POD_MONITOR.read_text())).validate(found)
    else:
        kubernetes_validate.validate(found, version, strict=True)


def write(objects, directory):
    """As the DaemonSet's volume lays the ConfigMap's keys out."""
    data = next(found["data"] for found in objects if found["kind"] == "ConfigMap")
    pod = next(found["spec"]["template"]["spec"] for found in objects if found["kind"] == "DaemonSet")
    for volume in pod["volumes"]:
        for item in volume.get("configMap", {}).get("items", []):
            path = directory / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(data[item["key"]])


try:
    main()
except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
    raise SystemExit(f"{'/'.join(map(str, error.path))}: {error.message}") from None
