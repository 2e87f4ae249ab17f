"""What a kept outcome is held against is all that the system was asked for, as strace saw it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.capabilities import lacks

from .test_kept import PROGRAM, Box, box  # noqa: F401 - a fixture

#: A line of strace's with a path of its own: who, which call, where from, what, and the rest.
_CALL = re.compile(r'^(\d+) +(\w+)\((?:(AT_FDCWD|\d+)(?:<[^>]*>)?, )?"((?:[^"\\]|\\.)*)"(.*)$')
#: A call of one thread within which another thread's came, in two parts.
_BEGUN = re.compile(r"^(\d+) (.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
_LOOKING = ("open", "openat", "stat", "lstat", "newfstatat", "access", "readlink", "statx")
_WRITES = ("O_WRONLY", "O_RDWR", "O_CREAT")


def joined(trace: str) -> Iterator[str]:
    """Give each call in one line, when it has ended."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        if first := _BEGUN.match(line):
            begun[first[1]] = f"{first[1]} {first[2]}"
        elif rest := _RESUMED.match(line):
            yield begun.pop(rest[1], rest[1]) + rest[2]
        else:
            yield line


def asked(trace: str) -> Iterator[tuple[str, bool]]:
    """Give each path that headrace's own process asked for, and whether it was there. What another
    program reads is told by whoever asks that one (`presence.asked`).
    """
    first, others = "", set()
    for line in joined(trace):
        found = _CALL.match(line)
        if found is None:
            continue
        process, call, where, path, rest = found.groups()
        first = first or process
        if call == "execve" and process != first:
            others.add(process)
        own = process not in others and where in (None, "AT_FDCWD")
        if call in _LOOKING and own and not any(word in rest for word in _WRITES):
            yield path, " = -1 " not in rest


@pytest.mark.parametrize("command", ["rattler", pytest.param("uv", marks=pytest.mark.nightly)])
def test_whatever_was_looked_at_is_known_to_what_is_kept(
    box: Box,  # noqa: F811 - the fixture
    tmp_path: Path,
    command: str,
) -> None:
    if shutil.which("strace") is None:
        pytest.skip(lacks("programs", "strace is not installed here"))
    kept = Path(box.variables["HEADRACE_HOME"]) / "state/kept-runs"
    box.settle()
    for before in kept.glob("*.json"):
        before.unlink()
    trace = tmp_path / "trace"
    words = ("strace", "-f", "-qq", "-s4096", "-o", trace, "-e", "trace=%file")
    done = box.run(*words, sys.executable, "-c", PROGRAM, "run", "-q", "--", command)
    if "ptrace" in done.err:
        pytest.skip(lacks("root", f"strace may not look here: {done.err.strip()}"))
    assert "by the long" in done.ok().err
    (made,) = kept.glob("*.json")
    told = json.loads(made.read_bytes())
    known = {os.path.normpath(each) for each in (*told["looked"], *told["there"])}
    known |= {os.path.realpath(each) for each in known}
    library = Path(os.__file__).parent
    apart = (
        # What the interpreter itself does before anything of ours is read, and its own modules.
        *("/proc", "/sys", "/dev", "/lib", "/usr/lib", "/etc/ld.so.cache", "/etc/ld.so.preload"),
        *("/etc/localtime", "/usr/share/locale", str(library), sys.prefix, sys.base_prefix),
        # What is ours: other runs, the gateway, what is kept.
        *(str(kept.parent), box.variables["TMPDIR"], str(Path(__file__).parents[3])),
    )
    missed: set[str] = set()
    for name, there in asked(trace.read_text()):
        path = os.path.normpath(name if name.startswith("/") else f"{box.home}/{name}")
        is_module = path.endswith((".py", ".pyc", ".so", ".zip")) and "/lib/python" in path
        if is_module or any(f"{path}/".startswith(f"{folder}/") for folder in apart):
            continue
        # A folder that was looked at has another time when something comes into it; and where a
        # folder was missing, so was the file in it.
        covered = path in known or (
            not there
            and (str(Path(path).parent) in known or any(k.startswith(f"{path}/") for k in known))
        )
        if not covered and not (there and Path(path).is_dir()):
            missed.add(path)
    assert not missed, "\n".join(sorted(missed))
