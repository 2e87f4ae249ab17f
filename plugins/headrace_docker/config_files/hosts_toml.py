"""``hosts.toml`` of one registry, as containerd and dockerd >= 28 read it: the gateway first, the
registry itself last (containerd, docs/hosts.md). Pure but for the names of certificates beside it.

Never ``_default``, which would send registries of the local network to us too, and never the
capability "referrers", for which containerd before 2.2 drops the whole file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.interface import ConfigurationError, FileEdit, Override, Reader, read_toml
from headrace.interface.editing import presence
from headrace.interface.editing.toml_text import MARK
from headrace_docker.registry_api.registries import Registry

__all__ = ["describe", "folder", "leads_to", "take_out"]

NAME = "hosts.toml"
_HEAD = f"# {MARK}\n"
_REASON = "{} is asked through the gateway, and itself when the gateway is not there"


def folder(base: Path, registry: str) -> Path:
    """Return the folder of a registry: of ``host:5000`` it is ``host_5000_`` or ``host:5000``,
    whichever is there, the former counting first.
    """
    plain = base / registry
    host, colon, port = registry.rpartition(":")
    if not colon:
        return plain
    other = base / f"{host}_{port}_"
    return other if presence.is_folder(other) or not presence.is_folder(plain) else plain


def describe(
    tool: str,
    base: Path,
    registry: Registry,
    url: str,
    read: Reader,
    *,
    authority: str = "",
    root: Path | None = None,
) -> FileEdit | Override:
    """Describe the edit for a registry below `base`, or say why the user's file is left alone.

    `authority`: the file of those who vouch for the gateway, where it is one of another machine.
    `root`: where the files of the machine lie here that the engine runs on.
    """
    path = folder(base, registry.name) / NAME
    before = read(path)
    after: bytes | str
    if before is None and read(base / "_default" / NAME) is not None:
        after = "is not written: the hosts that you have in _default would no longer count for it"
    elif before is None or not before.strip() or _is_ours(before):
        after = _whole(registry, _block(url, authority), path.parent, root)
    else:
        # Lines of ours that nobody recorded are no host of the user's.
        rest = take_out(before)
        after = _merged(before if rest is None else rest, registry, url, authority)
    if isinstance(after, str):
        return Override(tool, str(path), after, "as you wish; it is left alone", wins=False)
    return FileEdit(path, before, after, _REASON.format(registry.name))


def leads_to(content: bytes | None, url: str) -> bool:
    """Whether the gateway is the first host of a file."""
    try:
        hosts = read_toml(content or b"", NAME).get("host", {})
    except ConfigurationError:
        return False
    return isinstance(hosts, dict) and next(iter(hosts), None) == url


def take_out(content: bytes) -> bytes | None:
    """Take our lines out of a file; None: they are not there as we wrote them."""
    if _is_ours(content):
        return b""
    # What is none stays what it is.
    text = content.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    start = text.find(f'{_HEAD}[host."http')
    if start < 0:
        return None
    end = start
    for number, line in enumerate(text[start:].splitlines(keepends=True)):
        own = ("[host.",) if number == 1 else ("  capabilities = ", "  ca", "\n")
        if number and not line.startswith(own):
            return None
        end += len(line)
        if line == "\n":
            break
    rest = text[:start] + text[end:]
    rest = rest.replace("\n", "\r\n") if b"\r\n" in content else rest
    return rest.encode("utf-8", "surrogateescape")


def _is_ours(content: bytes) -> bool:
    """Whether a file is ours as a whole."""
    return content.startswith(f"{_HEAD}server = ".encode())


def _block(url: str, authority: str) -> str:
    if authority:
        return f'[host."{url}"]\n  capabilities = ["pull", "resolve"]\n  ca = "{authority}"\n'
    return f'[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'


def _whole(registry: Registry, block: str, beside: Path, root: Path | None) -> bytes:
    """A file for a registry that had none. Certificates beside it are no longer looked for once
    it is there, so they are named in it.
    """
    lines = [f'{_HEAD}server = "{registry.url}"\n']
    authorities = _files(beside, ".crt")
    if authorities:
        lines.append(f"ca = [{', '.join(_quoted(path, root) for path in authorities)}]\n")
    pairs = [
        f"[{_quoted(path, root)}, {_quoted(key, root)}]"
        for path in _files(beside, ".cert")
        if presence.is_there(key := path.with_suffix(".key"))
    ]
    if pairs:
        lines.append(f"client = [{', '.join(pairs)}]\n")
    return ("".join(lines) + "\n" + block).encode()


def _files(folder: Path, suffix: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == suffix)
    except OSError:
        return []


def _quoted(path: Path, root: Path | None) -> str:
    there = path if root is None else Path("/") / path.relative_to(root)
    text = there.as_posix().replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _merged(content: bytes, registry: Registry, url: str, authority: str) -> bytes | str:
    """Put our host before the user's; a reason instead where that would change more."""
    try:
        before = read_toml(content, NAME)
    except ConfigurationError:
        return "cannot be read as TOML: the engine skips it and asks the registry itself"
    text = content.decode("utf-8")
    server, hosts = before.get("server"), before.get("host", {})
    if server is not None and not _same_server(server, registry):
        return "names another server for this registry, which stays in charge of it"
    if not isinstance(hosts, dict):
        return "has hosts that are no table"
    block = f"{_HEAD}{_block(url, authority)}\n"
    lines = text.replace("\r\n", "\n").splitlines(keepends=True)
    first = next((n for n, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    if first and not lines[first - 1].endswith("\n"):
        lines[first - 1] += "\n"
    after = "".join([*lines[:first], block, *lines[first:]])
    if "\r\n" in text:
        after = after.replace("\n", "\r\n")
    theirs = {name: host for name, host in hosts.items() if name != url}
    mine: dict[str, Any] = {"capabilities": ["pull", "resolve"]}
    wanted = {url: {**mine, "ca": authority} if authority else mine, **theirs}
    try:
        result = read_toml(after.encode(), NAME)
    except ConfigurationError:
        return "has hosts in a form that ours cannot be put before"
    if list(result.get("host", {}).items()) != list(wanted.items()) or _other(result) != _other(
        before
    ):
        return "has hosts in a form that ours cannot be put before"
    return after.encode()


def _other(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "host"}


def _same_server(server: object, registry: Registry) -> bool:
    text = str(server)
    try:
        host = urlsplit(text if "://" in text else f"https://{text}").netloc
    except ValueError:
        return False
    names: Sequence[str] = (registry.name, urlsplit(registry.url).netloc)
    return host in (*names, *(("index.docker.io",) if registry.name == "docker.io" else ()))
