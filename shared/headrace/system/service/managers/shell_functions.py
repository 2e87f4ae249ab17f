"""The line in a shell's start-up files that brings the functions of ``headrace shell``."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import headrace

__all__ = ["MARK", "line_for", "own_command", "own_module", "running_shells"]

#: What ends the line.
MARK = "# headrace: leads tools through its gateway; `headrace off` takes this out again"


def own_command(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return this headrace's command, wherever a shell finds another one. What its user has on
    Python's path is for other programs, unless headrace itself is found there.
    """
    path = [Path(each) for each in env.get("PYTHONPATH", "").split(os.pathsep) if each]
    needed = Path(headrace.__file__).parents[1] in path
    return (sys.executable, *(() if needed else ("-E",)), "-P", "-m", "headrace.cli")


def own_module() -> str:
    """Return a file that goes when headrace does."""
    return str(Path(headrace.__file__).parent / "cli" / "__main__.py")


def line_for(path: Path, env: Mapping[str, str]) -> str:
    """Return the line for a file of a shell's, in its language. A login shell of bash may read two
    files that have it, and one of those is read by shells that know nothing of such functions.
    """
    own = own_command(env)
    program, command = shlex.quote(own[0]), shlex.join([*own, "shell"])
    there = f"[ -x {program} ] && [ -f {shlex.quote(own_module())} ]"
    if path.suffix == ".fish":
        there = f"status is-interactive; and test -x {program} -a -f {shlex.quote(own_module())}"
        return f"if {there}; {command} fish 2>/dev/null | source; end {MARK}"
    shell, version = ("zsh", "ZSH") if path.name == ".zshrc" else ("bash", "BASH")
    asked = f'[ -n "${{{version}_VERSION-}}" ] && ! command -v __headrace_lead >/dev/null'
    begun = f'if {asked} && {there}; then eval "$({command} {shell} 2>/dev/null)"; fi'
    return f"case $- in *i*) {begun};; esac {MARK}"


def running_shells(shells: Collection[str]) -> list[str] | None:
    """Name the shell that this process was started from as its functions do (``bash:4711``): the
    nearest one of these names, and those that it was forked from. None: nobody can tell.
    """
    found: list[str] = []
    words = b""
    number = os.getppid()
    try:
        while number > 1:
            folder = Path("/proc", str(number))
            name = (folder / "comm").read_text("utf-8", "replace").strip()
            said = (folder / "cmdline").read_bytes()
            if found and said != words:
                break
            if name in shells:
                found.append(f"{name}:{number}")
                words = said
            # proc(5): behind the name, in parentheses, state and parent.
            number = int(
                (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]
            )
    except (OSError, ValueError, IndexError):
        return found or None
    return found
