"""What another tool imports at its start-up stays light: proved in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Modules that other tools import at their start-up, or that every command starts with.
ENTRY_FILES = [
    *("headrace_pip.plugin", "headrace_pip.keyring_backend"),
    "headrace_docker.credential_helper",
]
#: Rooms on a request's way, which wait for others and bring what that needs.
ON_THE_WAY = {
    f"headrace.{room}"
    for room in ("gateway", "artifacts", "documents", "download", "sources", "upstream")
}
#: None of these may come along.
HEAVY = ON_THE_WAY | {
    "asyncio",
    "headrace.cli",
    "headrace.system",
    "headrace.transfer",
    "http.client",
    "httpx",
    "packaging",
    "pynvml",
    "rich",
    "sqlite3",
    "ssl",
    "starlette",
    "tomlkit",
    "uvicorn",
    "uvloop",
}


def newly_loaded(module: str, *, before: str = "") -> set[str]:
    program = (
        f"import sys\n{before}\nbefore = set(sys.modules)\nimport {module}\n"
        "import json\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    )
    path = [p for p in sys.path if p]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ENTRY_FILES)
def test_an_entry_file_brings_nothing_heavy(module: str) -> None:
    # keyring itself is loaded already when it imports our backend
    before = "import keyring.backend" if module.endswith("keyring_backend") else ""
    loaded = newly_loaded(module, before=before)
    assert not {m for m in loaded if m in HEAVY or any(m.startswith(f"{h}.") for h in HEAVY)}


@pytest.mark.parametrize("module", ENTRY_FILES)
def test_an_entry_file_is_short(module: str) -> None:
    path = ROOT / "plugins" / (module.replace(".", "/") + ".py")
    assert len(path.read_text("utf-8").splitlines()) < 60


def test_the_command_line_starts_without_the_rooms_on_a_requests_way() -> None:
    loaded = newly_loaded("headrace.cli")
    heavy = ON_THE_WAY | {"httpx", "starlette", "uvicorn", "asyncio", "rich", "tomlkit"}
    assert not loaded & heavy


def test_the_rooms_that_may_not_come_along_are_rooms() -> None:
    assert not [name for name in ON_THE_WAY if importlib.util.find_spec(name) is None]
