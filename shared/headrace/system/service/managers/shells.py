"""Lines in a shell's start-up files. They fail for nobody, and are there as long as headrace is on.

*Waking*: where nothing keeps the port up, a new shell does. A shell is what begins a login, and
what a person in a container types into. The line looks into the kernel's table of sockets (a
millisecond) and starts the gateway, apart from the shell, where nobody listens. It says nothing but
what the gateway left to be said once (`gateway/builds/notice.py`), to a terminal, and that headrace
is gone while tools are still led to it: they would fail, and nothing else could say why.

*Functions*: where `headrace on --shell` asked for it, a shell that somebody types into has what
``headrace shell`` prints.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.config import EnvVars, Folders
from headrace.errors import ConfigurationError, HeadraceError
from headrace.interface.hookspecs import FileEdit, Reader
from headrace.system.edits.file_step import read_file
from headrace.system.service.managers.shell_functions import MARK, line_for

if TYPE_CHECKING:
    from headrace.system.service.managers.spec import ServiceSpec

__all__ = [
    "edits",
    "functions_in",
    "is_edit",
    "leftovers",
    "line",
    "login_shell",
    "notice_in",
    "with_functions",
    "withdraw",
]

#: Where zsh looks for its files.
_ZSH = "ZDOTDIR"

_WHY = "starts the gateway again where nobody does, as after a reboot"
_COMMENT = "# headrace: starts its gateway where nobody does; `headrace off` takes this out again"
_GONE = (
    "headrace: {place} is gone or not complete, and tools are still led to its gateway and fail:"
    " install headrace again, then `headrace off` gives every file back"
)
_WHY_FUNCTIONS = "leads tools that cannot be pointed anywhere, in shells that somebody types into"


def edits(
    spec: ServiceSpec, env: Mapping[str, str], shell: str, read: Reader
) -> Iterator[FileEdit]:
    """Describe the edits for one user: of what the login shell reads, and of other shells' files
    that are there. `shell` is the login shell's path.

    A file that cannot be written is left alone, and so is a link: what it leads to may be kept in
    a repository, or be another user's.
    """
    text = line(spec.port, _command(spec, env), notice_in(spec.folders), _installation())
    for path, before in _writable(spec.home, env, shell, read):
        yield FileEdit(path, before, _added(withdraw(before or b""), f"{_COMMENT}\n{text}"), _WHY)


def with_functions(
    described: Sequence[FileEdit], home: Path, env: Mapping[str, str], shell: str, read: Reader
) -> list[FileEdit]:
    """Return these edits of a service manager, and the line for the functions: in the same files,
    a file is described once.
    """
    edits = {edit.path: edit for edit in described}
    for path, before in _writable(home, env, shell, read):
        text = line_for(path, env)
        known = edits.get(path)
        kept = withdraw(before or b"") if known is None else known.after or b""
        why = _WHY_FUNCTIONS if known is None else f"{known.reason}; {_WHY_FUNCTIONS}"
        edits[path] = FileEdit(path, before, _added(kept, text), why)
    return list(edits.values())


def _writable(
    home: Path, env: Mapping[str, str], shell: str, read: Reader
) -> Iterator[tuple[Path, bytes | None]]:
    for path in _files(home, env, Path(shell).name):
        there = next(each for each in (path, *path.parents) if each.exists())
        if path.is_symlink() or not os.access(there, os.W_OK):
            continue
        try:
            yield path, read(path)
        except ConfigurationError:
            continue


def _added(kept: bytes, text: str) -> bytes:
    kept += b"" if not kept or kept.endswith(b"\n") else b"\n"
    return kept + f"{text}\n".encode()


def functions_in(home: Path, env: Mapping[str, str], shell: str) -> list[Path]:
    """Return the files that have the line for the functions."""
    found = []
    for path in _files(home, env, Path(shell).name):
        try:
            if MARK.encode() in (read_file(path) or b""):
                found.append(path)
        except HeadraceError:
            continue
    return found


def leftovers(
    home: Path, env: Mapping[str, str], shell: str
) -> Iterator[tuple[Path, bytes | None]]:
    """Find files that have our lines, and what they are without; None: nothing is left. A state
    folder that was lost knows nothing of them.
    """
    for path in _files(home, env, Path(shell).name):
        try:
            now = None if path.is_symlink() else read_file(path)
        except HeadraceError:
            continue
        if now is not None and _has_ours(now):
            clean = withdraw(now)
            yield path, clean if clean.strip() else None


def is_edit(before: bytes | None, after: bytes) -> bool:
    """Whether an edit is one of those above."""
    return _has_ours(after) and not _has_ours(before or b"")


def withdraw(now: bytes) -> bytes:
    """Take the lines out of a file that was changed since, wherever they are, if they are."""
    lines = now.splitlines(keepends=True)
    return b"".join(each for each in lines if not _is_ours(each))


def _has_ours(content: bytes) -> bool:
    return _COMMENT.encode() in content or MARK.encode() in content


def _is_ours(text: bytes) -> bool:
    if text.rstrip().endswith(MARK.encode()):
        return True
    words = (b"sh -c ", b"/proc/net/tcp", b" gateway --wake ")
    return text.strip() == _COMMENT.encode() or all(word in text for word in words)


def notice_in(folders: Folders) -> Path:
    """Return where the gateway leaves a sentence for the next shell."""
    return folders.state.absolute() / "notice"


def line(port: int, command: Sequence[str], notice: Path, installation: Sequence[Path] = ()) -> str:
    """Return the line, in words that sh, bash, zsh and fish read alike. `notice`: what lies there
    is shown to a terminal, once. `installation`: what the command needs; where some of it is gone,
    a terminal is told what to do, and nothing is started.
    """
    start = f"( {shlex.join(command)} </dev/null & ) >/dev/null 2>&1"
    # Columns of /proc/net/tcp (proc(5)): local address, remote address, state 0A is LISTEN.
    look = f"grep -qs ': [0-9A-F]*:{port:04X} [0-9A-F]*:0000 0A ' /proc/net/tcp 2>/dev/null"
    file = shlex.quote(str(notice))
    show = f"cat {file} >&2 2>/dev/null; rm -f {file} 2>/dev/null"
    told = f"if [ -s {file} ] && [ -t 2 ]; then {show}; fi"
    if installation:
        there = " && ".join(f"[ -e {shlex.quote(str(path))} ]" for path in installation)
        gone = shlex.quote(_GONE.format(place=installation[-1].parent))
        start = f"if {there}; then {start}; elif [ -t 2 ]; then echo {gone} >&2; fi"
    return f"sh -c {shlex.quote(f'{look} || {start}; {told}')}"


def _installation() -> list[Path]:
    """Name what is gone when headrace is: its Python (pipx, uv tool), or its package (pip)."""
    import headrace  # noqa: PLC0415 - for its place alone

    return [Path(sys.executable), Path(headrace.__file__)]


def _command(spec: ServiceSpec, env: Mapping[str, str]) -> Sequence[str]:
    folders = (spec.folders.config, spec.folders.state, spec.folders.cache)
    words = ["--wake", "--scope", str(spec.scope), "--folders"]
    words += [str(folder.absolute()) for folder in folders]
    if settings := env.get(EnvVars.HEADRACE_CONFIG):
        words += ["--settings", str(Path(settings).absolute())]
    from headrace.system.service.process import worker_argv  # noqa: PLC0415 - start-up time

    return worker_argv(*words)


def _files(home: Path, env: Mapping[str, str], shell: str) -> Iterator[Path]:
    bash = home / ".bashrc"
    if shell == "bash" or bash.exists():
        yield bash
    # bash(1): a login shell reads the first of these that is there; other shells the last.
    login = [home / ".bash_profile", home / ".bash_login", home / ".profile"]
    found = next((path for path in login if path.exists()), None)
    if found is not None:
        yield found
    elif shell not in ("zsh", "fish"):
        yield login[-1]
    zsh = Path(env.get(_ZSH) or home) / ".zshrc"
    if shell == "zsh" or zsh.exists():
        yield zsh
    fish = Path(env.get(EnvVars.XDG_CONFIG_HOME) or home / ".config") / "fish"
    if shell == "fish" or (fish / "config.fish").exists():
        yield fish / "conf.d" / "headrace.fish"


def login_shell(env: Mapping[str, str]) -> str:
    """Return the path of the user's login shell, as the system has it; "" where it has none."""
    try:
        import pwd  # noqa: PLC0415 - not on Windows

        return pwd.getpwuid(os.geteuid()).pw_shell
    except (ImportError, KeyError):
        return env.get("SHELL", "")
