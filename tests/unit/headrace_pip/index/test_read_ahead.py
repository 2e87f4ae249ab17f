from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from headrace.models import Document, Origin, Request, ServeArtifact, ServeDocument
from headrace_pip.index import read_ahead
from headrace_pip.index.ecosystem import SMALL_FILE, PythonEcosystem
from headrace_pip.index.environment import Environment
from headrace_pip.index.wheel_metadata import metadata_of_wheel
from headrace_pip.simple_api.model import FileLink, ProjectPage

HERE = Environment(
    tool="pip",
    tool_version=(24, 0),
    python="3.11.7",
    implementation="CPython",
    implementation_version="3.11.7",
    system="Linux",
    release="6",
    cpu="x86_64",
    libc=("glibc", 2, 36),
)


def newest(*files: str | FileLink) -> str | None:
    links = tuple(FileLink(f, f"/{f}") if isinstance(f, str) else f for f in files)
    found = read_ahead.newest_fitting(ProjectPage("foo", links), HERE)
    return found.filename if found else None


def link(filename: str, **rest: Any) -> FileLink:
    return FileLink(filename, f"/{filename}", **rest)


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["foo-1.9-py3-none-any.whl", "foo-1.10-py3-none-any.whl"], "foo-1.10-py3-none-any.whl"),
        (["foo-1.0-py3-none-any.whl", "foo-2.0rc1-py3-none-any.whl"], "foo-1.0-py3-none-any.whl"),
        (["foo-2.0rc1-py3-none-any.whl"], "foo-2.0rc1-py3-none-any.whl"),
        (
            [
                "foo-1.0-py3-none-any.whl",
                "foo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
                "foo-1.0-cp312-cp312-manylinux2014_x86_64.whl",
                "foo-1.0.tar.gz",
            ],
            "foo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        ),
        (["foo-2.0-cp312-cp312-win32.whl", "foo-1.0-py3-none-any.whl"], "foo-1.0-py3-none-any.whl"),
        (
            ["foo-2.0-cp312-cp312-win32.whl", "foo-2.0.tar.gz", "foo-1-py3-none-any.whl"],
            "foo-2.0.tar.gz",
        ),
        (
            [link("foo-2-py3-none-any.whl", yanked="bad"), "foo-1-py3-none-any.whl"],
            "foo-1-py3-none-any.whl",
        ),
        (
            [
                link("foo-2-py3-none-any.whl", requires_python=">=3.12"),
                "foo-1-py2.py3-none-any.whl",
            ],
            "foo-1-py2.py3-none-any.whl",
        ),
        ([link("foo-2-py3-none-any.whl", requires_python="nonsense")], "foo-2-py3-none-any.whl"),
        (["foo-nonsense-py3-none-any.whl", "foo.exe", "readme"], None),
        ([], None),
    ],
)
def test_the_newest_release_that_fits(files: list[str | FileLink], chosen: str | None) -> None:
    assert newest(*files) == chosen


METADATA = """Metadata-Version: 2.1
Name: foo
Requires-Dist: Bar.Baz (>=1.0)
Requires-Dist: old; python_version < "3"
requires-dist: folded
  >=1.0
Requires-Dist: linux-only ; sys_platform == "linux" and implementation_name == "cpython"
Requires-Dist: windows-only ; sys_platform == "win32"
Requires-Dist: extra-only ; extra == "x"
Requires-Dist: direct @ https://x.example/a.whl
Requires-Dist: bar-baz <2
Requires-Dist: not a requirement !!

Requires-Dist: description
"""


def test_what_a_release_requires_here() -> None:
    assert list(read_ahead.required_projects(METADATA, HERE)) == [
        "bar-baz",
        "folded",
        "linux-only",
    ]


def test_no_metadata_requires_nothing() -> None:
    for text in ("", "\n", "nonsense", "Requires-Dist"):
        assert list(read_ahead.required_projects(text, HERE)) == []


def built(metadata: bytes = METADATA.encode(), name: str = "foo-1.dist-info/METADATA") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("foo/__init__.py", b"")
        wheel.writestr(name, metadata)
    return buffer.getvalue()


def test_metadata_is_read_out_of_a_wheel() -> None:
    assert metadata_of_wheel(built()) == METADATA


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        built()[:-30],
        built(name="foo/METADATA"),
        built(name="METADATA"),
        b"\0" * (9 * 1024 * 1024),
    ],
    ids=["empty", "text", "cut", "elsewhere", "at the root", "too large"],
)
def test_what_is_no_sane_wheel_tells_nothing(content: bytes) -> None:
    assert metadata_of_wheel(content) is None


def test_a_zip_bomb_is_read_to_its_limit_only() -> None:
    text = metadata_of_wheel(built(b"a" * (64 * 1024 * 1024)))
    assert text is not None
    assert len(text) == 1024 * 1024


# ---------------------------------------------------------------- through the ecosystem

INDEX = Origin("python", "https://index.example/simple")
WORLD = PythonEcosystem([INDEX])


def client(tool: str) -> Request:
    told = {
        "cpu": "x86_64",
        "python": "3.11.7",
        "implementation": {"name": "CPython", "version": "3.11.7"},
        "system": {"name": "Linux", "release": "6"},
    }
    return Request("GET", "/", headers={"user-agent": f"{tool} {json.dumps(told)}"})


def page(**rest: object) -> tuple[ServeDocument, Document]:
    plan = WORLD.plan(Request("GET", "/simple/foo/"))
    assert isinstance(plan, ServeDocument)
    entry = {"filename": "foo-1-py3-none-any.whl", "url": "foo-1-py3-none-any.whl", "hashes": {}}
    body = json.dumps({"files": [entry | rest], "meta": {"api-version": "1.0"}}).encode()
    return plan, Document(plan.url, body, "application/vnd.pypi.simple.v1+json")


def kinds(tool: str, **rest: object) -> list[str]:
    plan, document = page(**rest)
    found = list(WORLD.leads_to(plan, document, client(tool)))
    assert all(isinstance(p, ServeArtifact) and p.named_by == plan for p in found)
    named = {a.path for a in WORLD.artifacts(document, plan)}
    paths = [p.path for p in found if isinstance(p, ServeArtifact)]
    assert set(paths) <= named
    return [path.rpartition(".")[2] for path in paths]


def test_a_page_leads_to_metadata_and_a_small_wheel_in_the_clients_order() -> None:
    both = {"size": 1, "core-metadata": True}
    assert kinds("pip/24.0", **both) == ["metadata", "whl"]
    assert kinds("uv/0.13.9", **both) == ["metadata", "whl"]
    assert kinds("pip/26.3", **both) == ["whl", "metadata"]


def test_a_page_leads_to_nothing_large_and_nothing_that_is_not_there() -> None:
    assert kinds("pip/24.0", size=SMALL_FILE + 1) == []
    assert kinds("pip/24.0") == []
    assert kinds("curl/8", size=1) == []
    assert kinds("pip/24.0", size=1, yanked=True) == []


@pytest.mark.parametrize("suffix", [".metadata", ""])
def test_metadata_and_wheels_lead_to_pages_of_the_same_origin(suffix: str) -> None:
    plan, _ = page()
    artifact = ServeArtifact(f"/files/foo/{'0' * 16}/foo-1-py3-none-any.whl{suffix}", plan)
    body = METADATA.encode() if suffix else built()
    document = Document("https://x.example/", body, "application/octet-stream")
    found = list(WORLD.leads_to(artifact, document, client("pip/26.3")))
    assert [p.url.rpartition("/simple/")[2] for p in found if isinstance(p, ServeDocument)] == [
        "bar-baz/",
        "folded/",
        "linux-only/",
    ]
    assert found[0] == WORLD.plan(Request("GET", "/simple/bar-baz/"))


def test_a_mirrors_page_leads_where_the_origins_does() -> None:
    plan, document = page(size=1)
    provisional = Document(document.url, document.body, document.content_type, supplied_by="m")
    leads = [
        list(WORLD.leads_to(plan, each, client("pip/24.0"))) for each in (document, provisional)
    ]
    assert leads[0] == leads[1] != []
