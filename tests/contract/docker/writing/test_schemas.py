"""What is written, against the schemas of those who read it: the Compose Specification, and
Kubernetes of three ages, strictly. The schemas are those of kept validators.
"""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from headrace_docker.writing.beside.compose import compose
from headrace_docker.writing.beside.kubernetes import kubernetes
from headrace_docker.writing.wishes import WrittenImage
from lib.images.written import beside, wished
from lib.serving.schemas import KUBERNETES, Validate, compose_validator, kubernetes_validator

LABELS = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB", "nvidia.com/gpu.count": "8"}


@pytest.fixture(scope="module")
def by_compose_specification() -> Validate:
    return compose_validator()


@pytest.fixture(scope="module", params=KUBERNETES)
def by_kubernetes(request: pytest.FixtureRequest) -> Validate:
    return kubernetes_validator(request.param)


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
