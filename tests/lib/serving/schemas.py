"""Schemas of those who read what is written, out of kept validators: compose and Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import referencing

from lib.clients import tool

__all__ = ["KUBERNETES", "Validate", "compose_validator", "kubernetes_validator"]

#: Versions of three ages.
KUBERNETES = ("1.26.0", "1.31.0", "1.37.0")

Validate = Callable[[dict[str, Any]], None]


def compose_validator() -> Validate:
    """Give what validates a document by the Compose Specification."""
    place = tool("check-jsonschema", "0.39.0") / "check_jsonschema/builtin_schemas/vendor"
    schema = json.loads((place / "compose-spec.json").read_text("utf-8"))
    validate: Validate = jsonschema.Draft202012Validator(schema).validate
    return validate


def kubernetes_validator(version: str) -> Validate:
    """Give what validates one object; it refuses what it does not know."""
    schemas = tool("kubernetes-validate", "1.37.0") / "kubernetes_validate/kubernetes-json-schema"
    folder = schemas / f"v{version}-local-strict"
    registry = _resource(folder / "_definitions.json") @ referencing.Registry()
    validators: dict[str, Any] = {}

    def validate(document: dict[str, Any]) -> None:
        group = document["apiVersion"].replace(".k8s.io", "").replace("/", "-")
        name = f"{document['kind'].lower()}-{group}.json"
        if name not in validators:
            schema = _resource(folder / name)
            validators[name] = jsonschema.Draft202012Validator(
                schema.contents, registry=schema @ registry
            )
        validators[name].validate(document)

    return validate


def _resource(path: Path) -> Any:
    return referencing.Resource.from_contents(json.loads(path.read_text("utf-8")))
