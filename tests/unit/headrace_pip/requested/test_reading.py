"""What pip was asked for, by its command line and all that it meets (`data/pip_requests.toml`)."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from headrace.interface import RequestRead
from headrace.models import Document, Origin, Request, ServeArtifact, ServeDocument
from headrace.ownership.processes import Program
from headrace.variants.hosts import VariantRequest
from headrace_pip.pytorch.ecosystem import PythonWithBuilds
from lib.programs import started

CASES = tomllib.loads((Path(__file__).parents[3] / "data" / "pip_requests.toml").read_text("utf-8"))
AGENT = "pip/26.3 " + json.dumps(
    {
        "python": "3.11.9",
        "implementation": {"name": "CPython", "version": "3.11.9"},
        "system": {"name": "Linux"},
        "cpu": "x86_64",
        "distro": {"libc": {"lib": "glibc", "version": "2.36"}},
    }
)
#: Project, version, and what it requires; of a source archive that is not told.
INDEX: Mapping[str, Mapping[str, Sequence[str] | None]] = {
    "direct": {"1.0": ["torch>=2.15"], "0.9": ["torch<2.9"]},
    "above": {"2.0": ["middle[More]>=1"]},
    "middle": {"1.5": ['direct==1.*; extra == "more"']},
    "narrow": {"1.0": ["direct<1", "torch"]},
    "ring": {"1.0": ["round"]},
    "round": {"1.0": ["ring", "torch>=2.1"]},
    "numpy": {"2.3": []},
    "xformers": {"1": []},
    "torch-npu": {"1": []},
    "source": {"1.0": None},
}


def program(case: Mapping[str, Any]) -> Program:
    """Make the program of a case."""
    files: dict[str, str] = dict(case.get("files", {}))
    files["/venv/pyvenv.cfg"] = "include-system-site-packages = false\n"
    for told in case.get("installed", ()):
        named, _, requires = told.partition(": ")
        folder = f"/venv/lib/python3.11/site-packages/{named.replace(' ', '-')}.dist-info"
        files[f"{folder}/METADATA"] = f"Name: x\nRequires-Dist: {requires}\n\n"
    return started(case["command"], files, case.get("variables"))


def document(plan: ServeDocument | ServeArtifact) -> Document | None:
    """Answer for the index."""
    if isinstance(plan, ServeDocument):
        project = plan.url.rstrip("/").rpartition("/")[2]
        if project not in INDEX:
            return None
        files = [
            {
                "filename": f"{project}-{version}.tar.gz"
                if requires is None
                else f"{project.replace('-', '_')}-{version}-py3-none-any.whl",
                "url": f"https://files.test/{project}-{version}",
                "hashes": {},
                "core-metadata": requires is not None,
            }
            for version, requires in INDEX[project].items()
        ]
        body = json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": files})
        return Document(plan.url, body.encode(), "application/vnd.pypi.simple.v1+json")
    assert plan.path.endswith(".metadata")
    project, version = plan.path.rpartition("/")[2].split("-")[:2]
    requires = INDEX[project.replace("_", "-")][version] or ()
    text = "".join(f"Requires-Dist: {each}\n" for each in requires)
    return Document("", f"Name: {project}\n{text}\nRequires-Dist: torch<1".encode(), "text/plain")


def read(given: Program, page: str, *, answer: Any = document) -> RequestRead | None:
    """Read a request to its end."""
    ecosystem = PythonWithBuilds(
        [
            Origin("python", "https://index.test/simple"),
            Origin("python", "https://builds.test/whl", name="pytorch"),
        ]
    )
    request = Request("GET", f"/simple/{page}/", headers={"user-agent": AGENT})
    plan = ecosystem.plan(request)
    assert isinstance(plan, ServeDocument)
    asked = ecosystem.asked(request, plan)
    assert asked is not None
    reading = ecosystem.requested(asked, given, request)
    try:
        plans = next(reading)
        while True:
            plans = reading.send([answer(each) for each in plans])
    except StopIteration as ended:
        found: RequestRead | None = ended.value
        return found


@pytest.mark.parametrize("case", CASES["case"], ids=lambda case: case["command"])
def test_request_is_read_as_pip_reads_it(case: Mapping[str, Any]) -> None:
    page = case.get("page", "torch")
    found = read(program(case), page)
    if case.get("stays"):
        assert found is None
        return
    told = dict(case.get("asked", {}))
    unread = told.pop("unread", False)
    whole = told.pop("whole", not unread)
    companions = tuple(sorted(told.pop("companions", {}).items()))
    plain: dict[str, Any] = {"python": "3.11", "platform": "linux_x86_64", "known": not unread}
    request = VariantRequest(page, companions=companions, **(plain | told))
    assert found == RequestRead(request, whole)
