"""The configuration files of tools and engines: edited, looked at, and taken back.

Each activation sees a machine on which its own files hold the input.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

from fuzz.model import BrokenLaw, Run, Target
from headrace.errors import HeadraceError
from headrace.interface.activations import Activation, FileEdit, Place, Scope
from headrace.models import Origin
from headrace.system.edits import three_way
from headrace_conda.tools import condarc
from headrace_conda.tools.pixi import PixiActivation
from headrace_conda.tools.rattler import RattlerActivation
from headrace_docker.config_files import hosts_toml
from headrace_docker.engines.buildkit import BuildkitActivation
from headrace_docker.engines.containerd import ContainerdActivation
from headrace_docker.engines.docker_logins import LoginsActivation
from headrace_docker.engines.dockerd import DockerActivation
from headrace_docker.engines.k3s import K3sActivation
from headrace_docker.engines.podman import ContainersActivation
from headrace_docker.engines.running import Machine
from headrace_pip.tools import origins
from headrace_pip.tools.pdm import PdmActivation
from headrace_pip.tools.pip import PipActivation
from headrace_pip.tools.poetry import PoetryActivation
from headrace_pip.tools.uv import UvActivation
from lib.engines.machine import ORIGINS, Engines
from lib.places import GATEWAY, place

_INDEX = "https://index.example/simple"
_ORIGINS = [
    Origin("python", _INDEX),
    Origin("python", _INDEX, name="uv"),
    Origin("python", _INDEX, name="poetry"),
    Origin("python", _INDEX, name="pdm"),
    Origin("conda", "https://conda.anaconda.org", name="conda.anaconda.org"),
    *ORIGINS,
]
_ADDRESS = f"{GATEWAY.host}:{GATEWAY.port}".encode()


@dataclass(frozen=True, slots=True)
class _Tool:
    """An activation, and which files are its own."""

    make: Callable[[Machine], Activation]
    files: Sequence[str]
    """Ends of their paths."""
    scope: Scope = Scope.USER
    command: tuple[str, ...] = ()


@contextlib.contextmanager
def _opened(tool: _Tool) -> Iterator[Run]:
    with (
        tempfile.TemporaryDirectory(prefix="headrace-fuzz-") as folder,
        # Nobody's pip is asked what its index is.
        mock.patch.object(origins, "_ask", return_value=_INDEX),
    ):
        base = Path(folder)
        programs = ["dockerd", "containerd", "podman", "k3s", "docker-buildx", "nerdctl"]
        engines = Engines(base, [*programs, "docker-credential-headrace"], version=(28, 0, 0))
        where = place(base, scope=tool.scope)
        commanded = place(base, scope=tool.scope, command=tool.command)
        activation = tool.make(engines.machine())
        yield lambda data: _through(tool, activation, where, commanded, data)


def _through(
    tool: _Tool, activation: Activation, where: Place, commanded: Place, data: bytes
) -> object:
    now: dict[Path, bytes | None] = {}

    def read(path: Path) -> bytes | None:
        if path in now:
            return now[path]
        return data if str(path).endswith(tuple(tool.files)) else None

    word: list[object] = []
    for look in (
        lambda: [found.origin.url for found in activation.discover(where, read)][:2],
        lambda: activation.standing(where, GATEWAY, read).value,
        lambda: len(activation.overrides(where, GATEWAY, read)),
        lambda: len(activation.environment(commanded, GATEWAY, _ORIGINS, read, Path("/s"))[1]),
    ):
        with contextlib.suppress(HeadraceError):
            word.append(look())
    edits = activation.enable(where, GATEWAY, _ORIGINS, read)
    three_way.diff(edits)
    word += [(str(e.path)[-40:], len(e.after or b"") - len(e.before or b"")) for e in edits[:1]]
    for edit in edits:
        _taken_back(activation, edit)
        now[edit.path] = edit.after
    with contextlib.suppress(HeadraceError):
        word.append(activation.standing(where, GATEWAY, read).value)
        activation.overrides(where, GATEWAY, read)
    return tuple(word)


def _taken_back(activation: Activation, edit: FileEdit) -> None:
    """What is undone is as it was; what is taken out of a file that changed has none of ours."""
    before, after = edit.before, edit.after
    assert after is not None
    if three_way.without(before, after, after) != before:
        raise BrokenLaw("undone, it is not as it was")
    for changed in (after, after + b"\n# a line of the user's\n", after.replace(b"\n", b"\r\n")):
        with contextlib.suppress(ValueError):
            three_way.without(before, after, changed)
        left = activation.withdraw(edit.path, before, after, changed)
        if left is not None and left.count(_ADDRESS) > (before or b"").count(_ADDRESS):
            raise BrokenLaw("what was taken out still leads here")
    # Without a record: what is ours is known by its marks.
    activation.withdraw(edit.path, None, after, after)


def _any(data: bytes, activation: Activation, names: Sequence[str]) -> object:
    """A file that is no longer as we wrote it."""
    before, _, now = data.partition(b"\n=====\n")
    left = [activation.withdraw(Path(name), before, now or before, data) for name in names]
    with contextlib.suppress(ValueError):
        three_way.without(before, now, data)
    condarc.leads_to(data, GATEWAY)
    with contextlib.suppress(ValueError):
        hosts_toml.take_out(data)
    return [each is None for each in left]


_TOOLS = {
    "pip-conf": _Tool(lambda _: PipActivation(), ("pip.conf",), command=("pip", "install", "x")),
    "uv-toml": _Tool(
        lambda _: UvActivation(), ("uv.toml", "pyproject.toml"), command=("uv", "pip")
    ),
    "poetry-toml": _Tool(lambda _: PoetryActivation(), ("config.toml",), command=("poetry", "add")),
    "pdm-toml": _Tool(lambda _: PdmActivation(), ("config.toml",), command=("pdm", "add")),
    "pixi-toml": _Tool(
        lambda _: PixiActivation(),
        ("config.toml", "pixi.toml", "pyproject.toml", "credentials.json", ".netrc"),
        command=("pixi", "install"),
    ),
    "rattler-toml": _Tool(lambda _: RattlerActivation(), ("config.toml", "credentials.json")),
    "daemon-json": _Tool(DockerActivation, ("daemon.json",), Scope.SYSTEM),
    "docker-hosts-toml": _Tool(DockerActivation, ("hosts.toml",), Scope.SYSTEM),
    "containerd-toml": _Tool(ContainerdActivation, ("config.toml",), Scope.SYSTEM),
    "containerd-hosts": _Tool(ContainerdActivation, ("hosts.toml",), Scope.SYSTEM),
    "registries-conf": _Tool(ContainersActivation, ("registries.conf", "other.conf")),
    "registries-yaml": _Tool(K3sActivation, ("registries.yaml",), Scope.SYSTEM),
    "buildkit-toml": _Tool(BuildkitActivation, ("buildkitd.default.toml", "builder")),
    "docker-config": _Tool(LoginsActivation, ("config.json", "headrace-credential")),
}
_TOML = (
    b"[",
    b"]",
    b"[[",
    b'"""',
    b"'''",
    b" = ",
    b"\n[a.b]\n",
    b"{ x = 1 }",
    b"1979-05-27T07:32:00Z",
    b"inf",
    b"nan",
    b"\\u0000",
    b"#",
    b"\r\n",
)
_JSON = (b"{", b"}", b'":', b",", b"null", b"\\u0000", b'"registry-mirrors": [')
_WORDS = {
    "pip-conf": (
        b"[global]",
        b"[install]",
        b"index-url = ",
        b"\n ",
        b"[lock]",
        b"proxy = ",
        b"; ",
        b"# written by",
        b"%(x)s",
    ),
    "registries-yaml": (
        b"mirrors:\n",
        b"  docker.io:\n",
        b"    endpoint:\n",
        b'      - "',
        b"&a ",
        b"*a",
        b"<<: ",
        b"!!",
        b"? ",
        b"|\n",
        b"---\n",
        b"%YAML 1.2\n",
    ),
    "daemon-json": _JSON,
    "docker-config": _JSON,
}

TARGETS = [
    *(
        Target(name, words=_WORDS.get(name, _TOML), opened=partial(_opened, tool), largest=4096)
        for name, tool in _TOOLS.items()
    ),
    Target(
        "rewritten-files",
        lambda data: [
            _any(data, PipActivation(), ["/h/pip.conf"]),
            _any(data, UvActivation(), ["/h/uv.toml"]),
            _any(data, PixiActivation(), ["/h/config.toml"]),
            _any(data, DockerActivation(), ["/e/daemon.json", "/e/hosts.toml"]),
            _any(data, BuildkitActivation(), ["/e/buildkitd.default.toml"]),
            _any(data, K3sActivation(), ["/e/registries.yaml"]),
            _any(data, LoginsActivation(), ["/h/config.json"]),
        ],
        words=(
            *_TOML,
            *_JSON,
            b"\n=====\n",
            b"# written by `headrace on`, taken out by `headrace off`\n",
        ),
        largest=4096,
    ),
]
