"""The archive for a base without headrace: what is in it, and that old Pythons can read it."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from headrace import __version__
from headrace_conda.tools import bridge
from headrace_conda.tools.bases import Base

SOURCES = sorted((Path(bridge.__file__).parents[2] / "headrace_conda_inside").glob("*.py"))
NAMES = [path.name for path in SOURCES]


def read() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bridge.content())) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def test_the_archive_is_the_same_bytes_at_any_time() -> None:
    assert bridge.content() == bridge.content()
    with zipfile.ZipFile(io.BytesIO(bridge.content())) as packed:
        assert {item.date_time for item in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_it_holds_the_plugin_and_what_makes_it_known_and_nothing_else() -> None:
    info = f"headrace_conda_inside-{__version__}.dist-info"
    files = read()
    assert set(files) == {
        *(f"headrace_conda_inside/{name}" for name in NAMES),
        f"{info}/METADATA",
        f"{info}/entry_points.txt",
    }
    for path in SOURCES:
        assert files[f"headrace_conda_inside/{path.name}"] == path.read_bytes()


def test_python_finds_the_entry_point_in_it(tmp_path: Path) -> None:
    packed = tmp_path / bridge.NAME
    packed.write_bytes(bridge.content())
    code = (
        f"import sys; sys.path[:] = [{str(packed)!r}, *sys.path]\n"
        "import importlib.metadata as m\n"
        "print(m.version('headrace-conda-inside'), "
        "[e.value for e in m.distribution('headrace-conda-inside').entry_points])"
    )
    told = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)  # noqa: PLW1510
    assert told.stdout.strip() == f"{__version__} ['headrace_conda_inside']", told.stderr
    assert [path.name for path in tmp_path.iterdir()] == [bridge.NAME]


def test_pip_neither_lists_nor_freezes_it(tmp_path: Path) -> None:
    packed = tmp_path / bridge.NAME
    packed.write_bytes(bridge.content())
    told = subprocess.run(  # noqa: PLW1510
        [sys.executable, "-m", "pip", "list", "--no-index"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(packed)},
    )
    assert "pytest" in told.stdout, told.stderr
    assert "conda-inside" not in told.stdout.replace("_", "-")
    assert "egg" not in told.stderr


def test_the_way_to_it_is_named_by_what_it_says(tmp_path: Path) -> None:
    base = Base(tmp_path, (26, 7), tmp_path / "site", True, False)
    path, line = bridge.pth(base, Path("/home/a b/plugin.whl"))
    assert line == b"/home/a b/plugin.whl\n"
    assert path.parent == base.site
    assert path.suffix == ".pth"
    other, _ = bridge.pth(base, Path("/home/c/plugin.whl"))
    assert other != path


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_no_syntax_is_newer_than_python_3_9(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_no_annotation_is_evaluated_and_no_name_of_a_newer_python_imported(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    futures = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    assert [alias.name for node in futures for alias in node.names] == ["annotations"]
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                setattr(node, field, None)
    # What is left is evaluated: no type may be joined with | there (Python 3.10).
    joined = [n for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.BitOr)]
    assert not joined
    new = {"tomllib", "StrEnum", "Self", "ParamSpec", "override", "zip_longest"}
    names = {
        a.name
        for n in ast.walk(tree)
        if isinstance(n, ast.Import | ast.ImportFrom)
        for a in n.names
    }
    assert not names & new
    slots = [k for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords]
    assert not [k.arg for k in slots if k.arg in ("slots", "kw_only", "strict")]
