"""Which projects a pip is going to ask its index for, because its user named them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from headrace.models import Document, Origin, Request, ServeDocument
from headrace_pip.pytorch.ecosystem import PythonWithBuilds
from lib.programs import started

AGENT = "pip/26.3 " + json.dumps(
    {
        "python": "3.11.9",
        "implementation": {"name": "CPython", "version": "3.11.9"},
        "system": {"name": "Linux"},
        "cpu": "x86_64",
        "distro": {"libc": {"lib": "glibc", "version": "2.36"}},
    }
)
REQUEST = Request("GET", "/simple/one/", headers={"user-agent": AGENT})
ECOSYSTEM = PythonWithBuilds([Origin("python", "https://index.test/simple")])
ALONE = {"/venv/pyvenv.cfg": "include-system-site-packages = false\n"}
ONE_INSTALLED = {"/venv/lib/python3.11/site-packages/one-1.5.dist-info/METADATA": "Name: one\n"}
FILE = (
    "one==1.0\ntwo ; python_version < '3'\nhttps://other.test/three-1.0.tar.gz\n./four\n-c c.txt\n"
)


def plan() -> ServeDocument:
    made = ECOSYSTEM.plan(REQUEST)
    assert isinstance(made, ServeDocument)
    return made


def named(command: str, files: Mapping[str, str]) -> Mapping[str, str]:
    program = started(command, {**ALONE, **files})
    found = ECOSYSTEM.named(plan(), program, REQUEST)
    return {each.plan.url.rstrip("/").rpartition("/")[2]: each.wanted for each in found}


@pytest.mark.parametrize(
    ("command", "files", "expected"),
    [
        ("pip install one two", {}, {"one": "", "two": ""}),
        ("pip download 'Two_x>=1' one==2", {}, {"two-x": ">=1", "one": "==2"}),
        ("pip install one 'one<3'", {}, {"one": "<3"}),
        ("pip install -r r.txt five", {"r.txt": FILE, "c.txt": "one<2\nsix<1\n"},
         {"five": "", "one": "<2,==1.0"}),
        ("/venv/bin/pip install one two", ONE_INSTALLED, {"two": ""}),
        ("/venv/bin/pip install 'one>=2' two", ONE_INSTALLED, {"one": ">=2", "two": ""}),
        ("/venv/bin/pip install -U one two", ONE_INSTALLED, {"one": "", "two": ""}),
        ("pip list", {}, {}),
        ("other install one", {}, {}),
        ("pip install one --no-such-option", {}, {}),
    ],
)  # fmt: skip
def test_what_pip_will_ask_for_is_named_and_nothing_else(
    command: str, files: Mapping[str, str], expected: Mapping[str, str]
) -> None:
    assert named(command, files) == expected


def leads_to(wanted: str, versions: Sequence[str]) -> list[str]:
    files = [
        {
            "filename": f"one-{version}-py3-none-any.whl",
            "url": f"https://files.test/one-{version}",
            "hashes": {},
            "core-metadata": True,
        }
        for version in versions
    ]
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "one", "files": files})
    document = Document(plan().url, body.encode(), "application/vnd.pypi.simple.v1+json")
    (found,) = ECOSYSTEM.named(plan(), started(f"pip install 'one{wanted}'", ALONE), REQUEST)
    plans = ECOSYSTEM.leads_to_of(found, document, REQUEST)
    return [each.path.rpartition("/")[2] for each in plans]


def test_page_leads_to_the_release_that_is_wanted() -> None:
    assert leads_to("<2", ["1.0", "1.5", "2.0"]) == ["one-1.5-py3-none-any.whl.metadata"]
    assert leads_to("==3", ["1.0", "1.5", "2.0"]) == []
