"""`headrace.interface` is all that a plugin imports, and a plugin pays for what it names alone."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import interface

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = [*sorted((ROOT / "plugins").rglob("*.py")), ROOT / "tests" / "lib" / "acme_headrace.py"]
#: Modules of the interface that are imported as such.
OPEN = {
    "headrace.interface.catalogue",
    "headrace.interface.editing",
    "headrace.interface.editing.answers",
    "headrace.interface.editing.loopback",
    "headrace.interface.editing.presence",
    "headrace.interface.editing.toml_text",
}


def imports(source: str) -> Iterator[tuple[str, str]]:
    """Yield modules and the names that are imported from them; of one that is imported under
    another name, what is used of it.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                used = attributes(tree, alias.asname) if alias.asname else set()
                yield from ((alias.name, name) for name in used or {""})
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def attributes(tree: ast.AST, module: str) -> set[str]:
    """Return what is taken of a module by that name."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == module
    }


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_plugin_imports_public_names_and_nothing_else_of_the_core(path: Path) -> None:
    for module, name in imports(path.read_text("utf-8")):
        if module.split(".")[0] != "headrace" or module in OPEN:
            continue
        assert module == "headrace.interface", f"{module} is not public"
        assert name in interface.__all__ or f"{module}.{name}" in OPEN, f"{name} is not public"


def test_every_public_name_is_there_and_is_the_one_that_type_checkers_see() -> None:
    for_types = {
        (alias.asname or alias.name): (node.module or "", alias.name)
        for node in ast.walk(ast.parse(inspect.getsource(interface)))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("headrace")
        for alias in node.names
    }
    assert set(for_types) == set(interface.__all__)
    assert len(interface.__all__) == len(set(interface.__all__))
    for name, (module, inner) in for_types.items():
        assert getattr(interface, name) is getattr(importlib.import_module(module), inner)
    assert set(interface.__all__) <= set(dir(interface))


def test_a_name_that_is_not_public_is_an_error() -> None:
    with pytest.raises(AttributeError, match="has no Nonsense"):
        _ = interface.Nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("names", "modules"),
    [
        ("ConfigurationError, __version__", {"errors", "models", "values"}),
        (
            "Folders, environment",
            {
                *("config", "errors", "foreign", "models", "values"),
                *("ownership", "ownership.files"),
            },
        ),
    ],
)
def test_a_name_brings_its_own_module_and_no_other(names: str, modules: set[str]) -> None:
    """The credential helper and the keyring backend name these, within another tool's start-up."""
    program = (
        f"import json, sys\nfrom headrace.interface import {names}\n"
        "print(json.dumps([m for m in sys.modules if m.startswith('headrace.')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {each.removeprefix("headrace.") for each in json.loads(done.stdout)}
    assert loaded == {"interface", *modules}
