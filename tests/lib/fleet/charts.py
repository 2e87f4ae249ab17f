"""What `deploy/` comes to: the chart by Helm's own library, kustomizations by a strict reader.

``PYTHONPATH=tests python -m lib.fleet.charts`` writes the kustomize bases again, which are made of
the chart, so that the two never say different things.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lib.clients import tool

__all__ = ["BASES", "CHART", "DEPLOY", "base", "kustomized", "refusal", "rendered"]

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
CHART = DEPLOY / "helm" / "headrace"
#: What a kustomization may have here; whatever else real kustomize knows is not performed below.
_KEYS = {"apiVersion", "kind", "namespace", "resources", "images", "patches"}
_NODES = ("DaemonSet", "ServiceAccount")
#: Each base and the values that it is made with.
BASES: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "node-agent": {"nodeAgent": {"enabled": True}},
}
_HEAD = "# Made of the chart in deploy/helm: PYTHONPATH=tests python -m lib.fleet.charts\n"

Object = dict[str, Any]


@functools.cache
def _helm() -> Any:
    sys.path.append(str(tool("helm-python-sdk", "0.2.2")))
    return importlib.import_module("helm_python")


@contextlib.contextmanager
def _chart() -> Iterator[Any]:
    with _helm().Chart.load(str(CHART)) as chart:
        yield chart


def rendered(values: Mapping[str, Any], name: str = "lab") -> list[Object]:
    """Render the chart as `helm install` does; its notes are left out."""
    with _chart() as chart:
        texts = chart.render(dict(values), name=name, namespace="headrace")
    found = [
        each
        for path, text in sorted(texts.items())
        if path.endswith(".yaml")
        for each in yaml.load_all(text, yaml.CSafeLoader)
    ]
    return [each for each in found if each]


def refusal(values: Mapping[str, Any]) -> str:
    """Say why Helm refuses values; empty: it takes them."""
    try:
        with _chart() as chart:
            chart.validate_schema(dict(values))
            chart.render(dict(values), name="lab", namespace="headrace")
    except _helm().HelmError as error:
        return str(error)
    return ""


def linted() -> list[str]:
    """Say what `helm lint` finds wrong."""
    return [str(each) for each in _helm().lint(str(CHART))["errors"]]


def base(name: str) -> str:
    """Write the objects of a kustomize base."""
    objects = rendered(BASES[name], "headrace")
    objects = [each for each in objects if name == "base" or each["kind"] in _NODES]
    for each in objects:
        for labelled in (each, each.get("spec", {}).get("template", {})):
            labels = labelled.get("metadata", {}).get("labels", {})
            labels.pop("helm.sh/chart", None)
            labels.pop("app.kubernetes.io/managed-by", None)
            labelled.get("metadata", {}).pop("annotations", None)
    text: str = yaml.dump_all(objects, sort_keys=False, width=100)
    return _HEAD + text


def kustomized(folder: Path) -> list[Object]:
    """Perform a kustomization; whatever it names must be there, each patch must fit one object."""
    told = yaml.load((folder / "kustomization.yaml").read_text("utf-8"), yaml.CSafeLoader)
    assert set(told) <= _KEYS, told.keys() - _KEYS
    assert told["kind"] == "Kustomization"
    objects: list[Object] = []
    for name in told["resources"]:
        path = folder / name
        if path.is_dir():
            objects += kustomized(path)
        else:
            objects += list(yaml.load_all(path.read_text("utf-8"), yaml.CSafeLoader))
    for patch in told.get("patches", ()):
        change = yaml.load((folder / patch["path"]).read_text("utf-8"), yaml.CSafeLoader)
        (one,) = [each for each in objects if _identity(each) == _identity(change)]
        _merge(one, change)
    for image in told.get("images", ()):
        _rename(objects, image)
    if "namespace" in told:
        for each in objects:
            if each["kind"] != "Namespace":
                each["metadata"]["namespace"] = told["namespace"]
    identities = [_identity(each) for each in objects]
    assert len(set(identities)) == len(identities), identities
    return objects


def _identity(each: Object) -> tuple[str, str, str]:
    return each["apiVersion"], each["kind"], each["metadata"]["name"]


def _merge(into: Object, change: Object) -> None:
    """Merge maps. How lists are merged depends on their schema, so no patch here has any."""
    for key, value in change.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            assert not isinstance(value, list), f"{key}: a list in a patch"
            into[key] = value


def _rename(objects: list[Object], image: Mapping[str, str]) -> None:
    seen = 0
    for each in objects:
        spec = each.get("spec", {}).get("template", {}).get("spec", {})
        for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
            if container["image"].rpartition(":")[0] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
                seen += 1
    assert seen, f"nothing has the image {image['name']}"


if __name__ == "__main__":
    for each in BASES:
        (DEPLOY / "kustomize" / each / "objects.yaml").write_text(base(each), "utf-8")
