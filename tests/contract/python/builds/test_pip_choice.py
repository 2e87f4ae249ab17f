"""What `lib.gpu.pip_choice` says of pip is what pip does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib import wheels
from lib.clients import Pip
from lib.gpu.pip_choice import File, in_order

#: Versions of a page with its yanked ones, and what is asked of it.
CASES = [
    (["2.14.1", "2.14.1+cu126", "2.15.0"], [], ""),
    (["2.14.1", "2.14.1+cu126", "2.15.0"], ["2.15.0"], ""),
    (["2.14.1", "2.14.1+cu126", "2.15.0"], ["2.15.0"], ">=2.15"),
    (["2.14.1", "2.14.1+cu126", "2.15.0"], ["2.15.0"], "==2.15.0"),
    (["2.14.1", "2.14.1+cu126", "2.15.0"], ["2.15.0"], "==2.15.*"),
    (["2.14.1", "2.14.1+cu126", "2.15.0"], ["2.15.0"], "~=2.15.0"),
    (["2.14.1", "2.14.1+cu126"], ["2.14.1+cu126"], "==2.14.1"),
    (["2.14.1", "2.14.1+cu126"], ["2.14.1", "2.14.1+cu126"], "==2.14.1"),
    (["2.14.1", "2.14.1+cu126"], [], "===2.14.1"),
    (["2.14.1", "2.14.1+cu126"], [], ">2.14.1"),
    (["2.14.1", "2.14.1+cu126"], [], "<=2.14.1"),
    (["2.14.1", "2.14.1+cu126", "2.13.0"], [], "!=2.14.1"),
    (["2.14.1", "2.16.0rc1"], [], ">=2.14"),
    (["2.14.1", "2.16.0rc1"], [], ">=2.15"),
]


@pytest.mark.parametrize(("versions", "yanked", "specifier"), CASES)
def test_pip_takes_what_is_said_of_it(
    newest: Pip, tmp_path: Path, versions: list[str], yanked: list[str], specifier: str
) -> None:
    folder = tmp_path / "simple" / "demo"
    folder.mkdir(parents=True)
    links = []
    for version in versions:
        built = wheels.wheel("demo", version, tag="py3-none-any")
        (folder / built.name).write_bytes(built.data)
        mark = ' data-yanked="why"' if version in yanked else ""
        links.append(f'<a href="{built.name.replace("+", "%2B")}"{mark}>{built.name}</a>')
    page = "<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>"
    (folder / "index.html").write_text(page)
    words = ("--dry-run", "--quiet", "--report", "-", "--no-deps")
    index = ("--index-url", (tmp_path / "simple").as_uri())
    ran = newest.run("install", *words, *index, f"demo{specifier}")
    files = [File("demo", version, version in yanked) for version in versions]
    said = [file.version for file in in_order(files, specifier)][:1]
    taken = json.loads(ran.out)["install"] if ran.code == 0 else []
    assert [each["metadata"]["version"] for each in taken] == said
