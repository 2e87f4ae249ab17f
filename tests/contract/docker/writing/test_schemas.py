"""What is written, against the schemas of those who read it: the Compose Specification, and
Kubernetes of three ages, strictly. The schemas are those of kept validators.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
import yaml

from headrace_docker.writing.beside.compose import compose
from headrace_docker.writing.beside.kubernetes import kubernetes
from headrace_docker.writing.wishes import WrittenImage
from lib.clients import tool
from lib.images.written import beside, wished

KUBERNETES = ("1.26.0", "1.31.0", "1.37.0")
LABELS = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB", "nvidia.com/gpu.count": "8"}

Validate = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def by_compose_specification() -> Validate:
    place = tool("check-jsonschema", "0.39.0") / "check_jsonschema/builtin_schemas/vendor"
    schema = json.loads((place / "compose-spec.json").read_text("utf-8"))
    validate: Validate = jsonschema.Draft202012Validator(schema).validate
    return validate


@pytest.fixture(scope="module", params=KUBERNETES)
def by_kubernetes(request: pytest.FixtureRequest) -> Validate:
    """Give what validates one object; it refuses what it does not know."""
    schemas = tool("kubernetes-validate", "1.37.0") / "kubernetes_validate/kubernetes-json-schema"
    folder = schemas / f"v{request.param}-local-strict"
    registry = _resource(folder / "_definitions.json") @ referencing.Registry()
    validators: dict[str, Any] = {}

    def validate(document: dict[str, Any]) -> None:
        name = f"{document['kind'].lower()}-{document['apiVersion'].replace('/', '-')}.json"
        if name not in validators:
            schema = _resource(folder / name)
            validators[name] = jsonschema.Draft202012Validator(
                schema.contents, registry=schema @ registry
            )
        validators[name].validate(document)

    return validate


def _resource(path: Path) -> Any:
    return referencing.Resource.from_contents(json.loads(path.read_text("utf-8")))


def objects(image: WrittenImage) -> list[dict[str, Any]]:
    return list(yaml.load_all(kubernetes(image, LABELS), yaml.CSafeLoader))


def test_every_compose_file_is_one_by_the_specification(
    by_compose_specification: Validate,
) -> None:
    for image in beside():
        by_compose_specification(yaml.load(compose(image), yaml.CSafeLoader))
    broken = yaml.load(compose(wished()), yaml.CSafeLoader)
    broken["services"]["lab"]["shm_sise"] = "8gb"
    with pytest.raises(jsonschema.ValidationError):
        by_compose_specification(broken)


def test_every_object_is_one_that_kubernetes_takes(by_kubernetes: Validate) -> None:
    for image in beside():
        for each in objects(image):
            by_kubernetes(each)
    broken = next(each for each in objects(wished()) if each["kind"] == "Deployment")
    broken["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(jsonschema.ValidationError):
        by_kubernetes(broken)
