"""Where `headrace on` fails, `headrace doctor` says so before, and leaves nothing behind.

Each place is made unwritable as it happens to people, in a mount namespace of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.capabilities import lacks
from lib.clients import Environment, Pip
from lib.gateway import headrace
from lib.holders import none_left
from lib.serving.ports import free_port

#: Shell lines that spoil a home: $CONF is pip's file, with ~/.config/pip/ above it.
SPOILED = {
    "home read-only": 'mount --bind "$HOME" "$HOME"; mount -o remount,bind,ro "$HOME"',
    "disk of headrace's folders full": (
        'mkdir -p "$HEADRACE_HOME"; mount -t tmpfs -o size=128k t "$HEADRACE_HOME"; '
        'dd if=/dev/zero of="$HEADRACE_HOME/full" bs=4k 2>/dev/null || :'
    ),
    "disk of the tool's folder full": (
        'cp "$CONF" "$HOME/kept"; mount -t tmpfs -o size=64k t "$HOME/.config/pip"; '
        'cp "$HOME/kept" "$CONF"; '
        'dd if=/dev/zero of="$HOME/.config/pip/full" bs=4k 2>/dev/null || :'
    ),
    "the file itself mounted": 'mount --bind "$CONF" "$CONF"',
    "a link into a read-only place": (
        'mkdir "$HOME/ro"; mv "$CONF" "$HOME/ro/pip.conf"; ln -s "$HOME/ro/pip.conf" "$CONF"; '
        'mount --bind "$HOME/ro" "$HOME/ro"; mount -o remount,bind,ro "$HOME/ro"'
    ),
    "a link below a file": 'echo > "$HOME/plain"; rm "$CONF"; ln -s "$HOME/plain/pip.conf" "$CONF"',
    "a link to itself": 'rm "$CONF"; ln -s pip.conf "$CONF"',
    "a file where the folder should be": 'rm -r "$HOME/.config/pip"; echo > "$HOME/.config/pip"',
    "nothing": ":",
}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Environment]:
    environment = Environment(tmp_path / "box")
    environment.variables |= {
        "HEADRACE_HOME": str(environment.home / "headrace"),
        "HEADRACE_PORT": str(free_port()),
        "PATH": f"{environment.scripts}:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin",
    }
    text = "[global]\nindex-url = http://127.0.0.1:9/simple\n"
    conf = environment.write(".config/pip/pip.conf", text)
    environment.variables["CONF"] = str(conf)
    yield environment
    none_left(str(tmp_path))


def everything(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder, and what is in it."""
    return {
        str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
        and "tmp" not in path.parts
        and ".cache" not in path.parts
    }


#: The rest takes a minute.
OFTEN = ("home read-only", "a link below a file", "nothing")


@pytest.mark.root
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason=lacks("root", "folders are mounted over for a command"),
)
@pytest.mark.parametrize(
    "spoiled",
    [name if name in OFTEN else pytest.param(name, marks=pytest.mark.nightly) for name in SPOILED],
)
def test_doctor_is_red_where_on_fails_and_green_where_it_works(
    box: Environment, spoiled: str, tmp_path: Path
) -> None:
    Pip("26.3", box)
    told = tmp_path / "told"
    told.mkdir()
    words = " ".join(headrace())
    before = everything(box.home)
    script = (
        f"set -e; {SPOILED[spoiled]}; set +e\n"
        f"ls -lR $HOME/.config > {told}/before\n"
        f"{words} doctor --json > {told}/doctor; echo $? > {told}/doctor-code\n"
        f"ls -lR $HOME/.config > {told}/after\n"
        f"{words} on --json > {told}/on; echo $? > {told}/on-code\n"
        f"{words} off --json > {told}/off; true\n"
    )
    box.run("unshare", "-m", "--propagation", "private", "sh", "-c", script).ok()
    findings: list[dict[str, Any]] = json.loads((told / "doctor").read_text())["findings"]
    on = json.loads((told / "on").read_text())
    red = [each for each in findings if each["check"] == "on" and each["level"] == "failure"]
    if spoiled == "nothing":
        assert (told / "on-code").read_text().strip() == "0", on
        assert not red
        assert everything(box.home).keys() >= before.keys()
        return
    code, seen = (int((told / f"{name}-code").read_text()) for name in ("on", "doctor"))
    assert code in (1, 3), on
    assert seen == 1 or code == 3 == seen
    shown = [each for each in findings if each["check"] == "on" and each["level"] != "ok"]
    assert red if code == 1 else shown, findings
    assert all(each["hint"] for each in shown)
    names = [line.split()[-1] for line in (told / "before").read_text().splitlines() if line]
    assert [line.split()[-1] for line in (told / "after").read_text().splitlines() if line] == names
