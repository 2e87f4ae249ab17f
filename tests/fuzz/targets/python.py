"""What an index, its pages and its clients say."""

from __future__ import annotations

from functools import partial

from fuzz.model import BrokenLaw, Target
from headrace.models import Document, Origin, Request, ServeArtifact, ServeDocument
from headrace.variants.hosts import VariantRequest
from headrace_pip.index import environment, paths
from headrace_pip.index.names import is_distribution, project_of, version_of
from headrace_pip.index.read_ahead import newest_fitting, required_projects
from headrace_pip.index.wheel_metadata import metadata_of_wheel
from headrace_pip.pytorch.ecosystem import PythonWithBuilds
from headrace_pip.simple_api.rewrite import parse
from lib.programs import started

_ORIGIN = Origin("python", "https://index.example/simple", name="default")
_PIP = (
    'pip/26.0 {"implementation":{"name":"CPython","version":"3.12.3"},"python":"3.12.3",'
    '"system":{"name":"Linux"},"cpu":"x86_64","distro":{"libc":{"lib":"glibc","version":"2.39"}}}'
)


def _plan(ecosystem: PythonWithBuilds, path: str = "/simple/six/") -> ServeDocument:
    plan = ecosystem.plan(Request("GET", path))
    assert isinstance(plan, ServeDocument)
    return plan


def _page(data: bytes, kind: str | None = None) -> object:
    """A page through all that the gateway does with it. The first line is its Content-Type."""
    if kind is None:
        head, _, data = data.partition(b"\n")
        kind = head.decode("latin-1")
    ecosystem = PythonWithBuilds([_ORIGIN])
    plan = _plan(ecosystem)
    document = Document(plan.url, data, kind)
    artifacts = list(ecosystem.artifacts(document, plan))
    for form in ("json", "html"):
        answer = ecosystem.rewrite(document, form, plan)
        again = Document(plan.url, answer.body, dict(answer.headers)["content-type"])
        try:
            files = parse(again, "six").files
        except ValueError as error:
            if artifacts:
                raise BrokenLaw(f"our {form} cannot be read: {error}") from error
            files = ()
        del files
        mirrored = Document(plan.url, data, kind, supplied_by="mirror")
        ecosystem.rewrite(mirrored, form, plan)
    request = Request("GET", "/simple/six/", headers={"user-agent": _PIP})
    ahead = list(ecosystem.leads_to(plan, document, request))
    listed = list(ecosystem.listed(document, plan))
    return (
        len(artifacts) > 0,
        len(ahead),
        len(listed) > 1,
        sum(a.size is not None for a in artifacts) > 0,
    )


def _metadata(data: bytes) -> object:
    where = environment.read(_PIP)
    assert where is not None
    return len(list(required_projects(data.decode("utf-8", "replace"), where)))


def _request(data: bytes) -> object:
    """A command line, and after an empty line what lies in every file that it may name."""
    line, _, content = data.partition(b"\n\n")
    files = dict.fromkeys(("wanted.txt", "pyproject.toml", "work.py", "pip.conf"), content)
    program = started("pip install torch", files, {"PIP_CONFIG_FILE": "/here/pip.conf"})
    words = line.decode("utf-8", "surrogateescape").split("\n")
    program.arguments = ("pip", *words)
    ecosystem = PythonWithBuilds([_ORIGIN])
    asked = VariantRequest("torch", python="3.12", platform="linux_x86_64")
    request = Request("GET", "/simple/torch/", headers={"user-agent": _PIP})
    reading = ecosystem.requested(asked, program, request)
    steps = 0
    try:
        plans = next(reading)
        while True:
            steps += 1
            plans = reading.send([Document("", content, "text/plain")] * len(plans))
    except StopIteration as ended:
        found = ended.value
    if steps > 200:
        raise BrokenLaw(f"{steps} steps for one request")
    if found is None:
        return None
    told = found.request
    return found.whole, told.known, told.explicit, bool(told.specifier), steps


def _wheel(data: bytes) -> object:
    ecosystem = PythonWithBuilds([_ORIGIN])
    path = "/packages/ab/cd/" + "0" * 60 + "/six-1.0-py3-none-any.whl"
    plan = ServeArtifact(path, _plan(ecosystem))
    request = Request("GET", path, headers={"user-agent": _PIP})
    text = metadata_of_wheel(data)
    return text and text[:40], len(
        list(ecosystem.leads_to(plan, Document(path, data, ""), request))
    )


def _agent(data: bytes) -> object:
    where = environment.read(data.decode("latin-1"))
    if where is None:
        return None
    ecosystem = PythonWithBuilds([_ORIGIN])
    request = Request("GET", "/simple/six/", headers={"user-agent": data.decode("latin-1")})
    asked = ecosystem.asked(request, _plan(ecosystem))
    page = Document(
        "https://index.example/simple/six/",
        b'{"files":[{"filename":"six-1.0-py3-none-any.whl","url":"six-1.0-py3-none-any.whl",'
        b'"hashes":{},"requires-python":">=3.8"},{"filename":"six-1.1-cp312-cp312-'
        b'manylinux_2_17_x86_64.whl","url":"b.whl","hashes":{}}],"meta":{"api-version":"1.0"}}',
        "application/json",
    )
    best = newest_fitting(parse(page, "six"), where)
    needed = list(required_projects("Requires-Dist: a; python_version > '3.5'\n", where))
    return where.tool, where.system, where.libc is None, best is not None, bool(needed), bool(asked)


def _names(data: bytes) -> object:
    """File names and URLs, as pages have them."""
    text = data.decode("utf-8", "replace")
    url, _, name = text.partition("\n")
    told = (project_of(name), version_of(name), is_distribution(name))
    path = paths.file_path("", told[0] or "six", url, name)
    paths.content_path(url)
    paths.path_digest(url)
    if path is not None and "\ufffd" not in path:
        read = paths.parse(path)
        if not isinstance(read, paths.FilePath):
            raise BrokenLaw(f"{path!r} leads nowhere")
    return path and path[:12], told[0] is None, told[1]


def _paths(data: bytes) -> object:
    """Targets of requests, as the ecosystem gets them."""
    path, _, query = data.decode("utf-8", "replace").partition("?")
    ecosystem = PythonWithBuilds([_ORIGIN, Origin("python", "https://o.example/simple", name="o1")])
    request = Request("GET", path, query, {"accept": query})
    plan = ecosystem.plan(request)
    if isinstance(plan, ServeDocument):
        ecosystem.form(request, plan)
    return type(plan).__name__


TARGETS = [
    Target("page", _page, (ValueError,), (b"data-requires-python=", b"<base href=", b"#sha256=")),
    Target(
        "page-html",
        partial(_page, kind="text/html"),
        (ValueError,),
        (
            b"<a href='",
            b"<!--",
            b"</a>",
            b"<meta name=",
            b"&amp;",
            b"data-yanked",
            b"<![CDATA[",
            b"<!DOCTYPE ",
            b"<?",
            b"<script>",
        ),
    ),
    Target(
        "page-json",
        partial(_page, kind="application/vnd.pypi.simple.v1+json"),
        (ValueError,),
        (
            b'"files":[',
            b'"hashes":{',
            b'"core-metadata":',
            b'"yanked":',
            b'"size":',
            b'"provenance":',
            b'"versions":[',
            b'"project-status":',
        ),
    ),
    Target(
        "metadata",
        _metadata,
        (),
        (
            b"Requires-Dist: ",
            b"; python_version",
            b" @ ",
            b"extra == ",
            b"(>=1)",
            b"[a,b]",
            b" and ",
            b" or ",
            b"not in",
        ),
    ),
    Target(
        "pip-request",
        _request,
        (),
        (
            b"install\n",
            b"-r\nwanted.txt",
            b"-c\nwanted.txt",
            b"--group\na",
            b"--requirements-from-script\nwork.py",
            b"-e\n.",
            b"\n\n",
            b" --hash=sha256:",
            b"${HOME}",
            b"torch>=2",
            b"[dependency-groups]\na=['torch']\n",
            b"# /// script\n# dependencies=['torch']\n# ///\n",
            b"[project]\ndependencies=['torch']\n",
            b"\\\n",
        ),
    ),
    Target("wheel", _wheel, (), (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"METADATA")),
    Target(
        "user-agent",
        _agent,
        (),
        (
            b"pip/",
            b"uv/",
            b'"musl"',
            b'"Darwin"',
            b'"Windows"',
            b'"PyPy"',
            b'"libc":',
            b'"distro":',
        ),
    ),
    Target(
        "file-names", _names, (), (b".whl", b".tar.gz", b"/packages/", b"#sha256=", b".metadata")
    ),
    Target(
        "index-paths",
        _paths,
        (),
        (b"/simple/", b"/index/o1/", b"/pytorch/cu126/", b"/files/", b"format="),
    ),
]
