"""Cuts a manifest into what each validator reads; compares what two readers see. Called by .ci/manifests."""

import pathlib
import sys

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


if __name__ == "__main__":
    {"--same": same, "--holds": holds}.get(sys.argv[1], cut)(*sys.argv[-2:])
