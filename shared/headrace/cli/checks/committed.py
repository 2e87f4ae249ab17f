"""Whether a file that is to be committed names a gateway (promise 3), or pins what is not to be had
everywhere.

Some programs write the index that they ask into the files that they make, and their user commits
those: on another machine there is no such gateway, and a token in it would be everybody's. And a
build that was chosen for this machine's accelerator is recorded with its local version, which the
default index does not list.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from headrace.cli.context import Context
from headrace.config import DEFAULT_PORT, EnvVars
from headrace.errors import ConfigurationError
from headrace.foreign import read_toml
from headrace.interface.hookspecs import Finding
from headrace.wording import counted

__all__ = ["CHECKS", "builds_pinned", "gateways_named", "of_files"]

#: Larger files are data, longer lists no project; what git takes longer for is not waited for.
_LARGEST = 8 << 20
_MOST_FILES = 20_000
_PATIENCE = 10.0
_MOST_TOLD = 20

_URL = re.compile(
    rb"http://(?:([^\s/@\"'<>:]{1,64})(?::[^\s/@\"'<>]{0,256})?@)?"
    rb"(?:127\.0\.0\.1|localhost|\[::1\]):([0-9]{1,5})(?![0-9])(/[^\s\"'<>#]{0,300})?",
    re.IGNORECASE,
)
#: Paths that nobody but a gateway has below its root.
_OURS = re.compile(
    rb"/(?:index/[^/]+/|pytorch/[a-z0-9.]+/)?"
    rb"(?:packages/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/|files/[a-z0-9-]+/[0-9a-f]{16}/)"
)
_USER = b"headrace"
#: A local version that names a kind of accelerator, and what stands before it where it is pinned:
#: a requirement, or a value of its own (locks).
_LOCAL = re.compile(rb"\+(cpu|xpu|cu\d{2,3}|rocm\d(?:\.\d{1,2}){0,2})(?![A-Za-z0-9])")
_PIN = re.compile(
    rb"(?:(?P<project>[A-Za-z0-9][A-Za-z0-9._-]{0,60})(?:\[[^\]]{0,60}\])?"
    rb"[ \t]{0,8}={2,3}[ \t]{0,8}|[\"'](?:={2,3})?)(?P<version>[0-9][0-9A-Za-z.!]{0,30})\Z"
)
_BEFORE = 180
_MOST_LOCAL = 2000
#: Text for people speaks of builds, and programs compare them.
_NO_RECORDS = frozenset({".md", ".rst", ".adoc", ".html", ".py", ".ipynb"})


def gateways_named(content: bytes, ports: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Yield (line from 1, the gateway's ``host:port`` without what may be a token) for each URL.

    A gateway is one at a port of `ports`, whatever shows its token, and whatever has its paths.
    """
    known = {str(port).encode() for port in ports}
    for found in _URL.finditer(content):
        user, port, path = found[1], found[2], found[3] or b""
        if port in known or (user or b"").lower() == _USER or _OURS.match(path):
            line = content.count(b"\n", 0, found.start()) + 1
            yield line, f"{'a token and ' if user else ''}the address 127.0.0.1:{port.decode()}"


def builds_pinned(content: bytes) -> Iterator[tuple[int, str, str]]:
    """Yield (line from 1, the pin as far as it is told, the label) of each build for one kind of
    accelerator that is pinned, where the content names no index of that label.
    """
    named: dict[bytes, bool] = {}
    for count, found in enumerate(_LOCAL.finditer(content)):
        if count == _MOST_LOCAL:
            return
        before = content[max(0, found.start() - _BEFORE) : found.start()]
        pin, label = _PIN.search(before), found[1]
        if pin is None:
            continue
        if label not in named:
            there = rb"https?://[^\s\"'<>]{1,300}/%s(?![0-9A-Za-z.])" % re.escape(label)
            named[label] = re.search(there, content) is not None
        if not named[label]:
            project = pin["project"] + b"==" if pin["project"] else b""
            told = (project + pin["version"] + found[0]).decode()
            yield content.count(b"\n", 0, found.start()) + 1, told, label.decode()


def of_files(context: Context, files: Iterable[Path]) -> Iterator[Finding]:
    """Look into files; what cannot be read, and what is no text, is passed over."""
    ports = _ports(context)
    for path in files:
        try:
            if not path.is_file() or path.stat().st_size > _LARGEST:
                continue
            content = path.read_bytes()
        except OSError:
            continue
        if b"\0" in content[:8192]:
            continue
        for line, what in gateways_named(content, ports):
            yield Finding(
                "committed",
                "failure",
                f"{path}:{line} holds {what} of a headrace gateway, which no other machine has",
                "take it out (and where it held a token: `headrace off`, then `headrace on`); "
                "`headrace run -- COMMAND` makes the same file with your own index in it",
            )
        if path.suffix.lower() not in _NO_RECORDS:
            yield from _pinned(path, content)


def _pinned(path: Path, content: bytes) -> Iterator[Finding]:
    """Tell the first pin of a file, and how many there are."""
    pins = list(builds_pinned(content))
    if not pins:
        return
    line, first, label = pins[0]
    more = f" (and {counted(len(pins) - 1, 'more such pin')})" if len(pins) > 1 else ""
    yield Finding(
        "committed",
        "note",
        f"{path}:{line} pins {first}{more}, a build for one kind of accelerator: the default index "
        "lists none, so without headrace it installs nowhere",
        f"write the version without +{label}, and each machine gets the build that suits it; or "
        f"name the index of {label} in that file, too",
    )


def _ports(context: Context) -> set[int]:
    ports = {DEFAULT_PORT}
    if (address := context.state.gateway()) is not None:
        ports.add(address.port)
    if (named := context.env.get(EnvVars.HEADRACE_RUN, "")).isdigit():
        ports.add(int(named))
    return ports


def committed(context: Context) -> Iterator[Finding]:
    """Look through the project in which the user stands, where it is one (git)."""
    here = Path.cwd()
    files = _tracked(here)
    if files is None:
        return
    if _is_own_source(files):
        yield Finding(
            "committed",
            "ok",
            "this project is headrace itself, whose texts and tests name gateways",
        )
        return
    every = list(of_files(context, files))
    found = [each for each in every if each.level == "failure"]
    notes = [each for each in every if each.level != "failure"]
    yield from found[:_MOST_TOLD]
    if len(found) > _MOST_TOLD:
        yield Finding(
            "committed", "failure", f"and {counted(len(found) - _MOST_TOLD, 'more line')}", ""
        )
    yield from notes[:_MOST_TOLD]
    if len(notes) > _MOST_TOLD:
        more = counted(len(notes) - _MOST_TOLD, "more file pins", "more files pin")
        yield Finding("committed", "note", f"and {more} such builds")
    if not found:
        text = f"none of {counted(len(files), 'file')} of this project names a gateway"
        yield Finding("committed", "ok", text)


def _is_own_source(files: Sequence[Path]) -> bool:
    """Whether it is a checkout of headrace, in which a newcomer's first `headrace doctor` is typed:
    the outermost project has its name.
    """
    path = min(
        (each for each in files if each.name == "pyproject.toml"),
        key=lambda each: len(each.parts),
        default=None,
    )
    if path is None or not all(each.is_relative_to(path.parent) for each in files):
        return False
    try:
        table = read_toml(path.read_bytes(), path)
    except (OSError, ConfigurationError):
        return False
    project = table.get("project")
    return isinstance(project, dict) and project.get("name") == "headrace"


def _tracked(folder: Path) -> Sequence[Path] | None:
    """List what git has, or would have, of the project that a folder is in; None: no project."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name")
    try:
        top = _git(folder, "git", "rev-parse", "--show-toplevel")
        root = Path(os.fsdecode(top.rstrip(b"\n")))
        names = _git(root, *words)
    except (OSError, subprocess.SubprocessError):
        return None
    each = [name for name in names.split(b"\0") if name]
    return [root / os.fsdecode(name) for name in each[:_MOST_FILES]]


def _git(folder: Path, *words: str) -> bytes:
    done = subprocess.run(  # noqa: S603 - git of the PATH, no shell
        words, cwd=folder, capture_output=True, check=True, timeout=_PATIENCE
    )
    return done.stdout


CHECKS = (committed,)
