"""What another tool imports at its start-up stays light: proved in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lib.capabilities import lacks

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
    "tomlkit",
    "uvicorn",
    "uvloop",
}


def newly_loaded(module: str, *, before: str = "", after: str = "") -> set[str]:
    program = (
        f"import sys\n{before}\nbefore = set(sys.modules)\nimport {module}\n{after}\n"
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


def loaded_by(program: str, home: Path) -> set[str]:
    """What Python, which has `re` from the script that pip makes, loads until a program ends."""
    words = (
        f"import re, sys\nsys.path[:0] = {[p for p in sys.path if p]!r}\n"
        "before = set(sys.modules)\n"
        "import atexit\n"
        "atexit.register(lambda: print('loaded', *(set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", words + program],
        input="some.registry\n",
        capture_output=True,
        text=True,
        check=False,
        env={"DOCKER_CONFIG": str(home), "HOME": str(home)},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return set(done.stdout.rpartition("loaded ")[2].split())


def test_the_version_is_told_by_whoever_imports_nothing(tmp_path: Path) -> None:
    program = "from headrace.cli import main\nraise SystemExit(main(['--version']))"
    assert loaded_by(program, tmp_path) == {"__future__", "headrace", "headrace.cli", "atexit"}


@pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "other modules are its own"))
@pytest.mark.parametrize("words", [[], ["version"], ["list"], ["get"], ["erase"], ["before"]])
def test_the_credential_helper_loads_next_to_nothing(tmp_path: Path, words: list[str]) -> None:
    with socket.socket() as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.listen()
        helper = "headrace-is-not-here" if words == ["before"] else ""
        record = tmp_path / "headrace-credential"
        record.write_text(f"{helper or '/'} {gateway.getsockname()[1]}\n")
        record.chmod(0o600)
        main = "from headrace_docker.credential_helper import main\n"
        loaded = loaded_by(f"{main}sys.argv[1:] = {words!r}\nmain()", tmp_path)
    ours = {name for name in loaded if name.startswith("headrace")}
    assert ours <= {
        *("headrace", "headrace.interface"),
        *("headrace_docker", "headrace_docker.credential_helper", "headrace_docker.credentials"),
        "headrace_docker.credentials.helper_protocol",
        "headrace_docker.credentials.record",
    }
    costly = {"dataclasses", "inspect", "json", "pathlib", "selectors", "socket", "subprocess"}
    assert not loaded & costly


def test_the_command_line_starts_without_the_rooms_on_a_requests_way() -> None:
    loaded = newly_loaded("headrace.cli.command_line")
    heavy = ON_THE_WAY | {"httpx", "uvicorn", "asyncio", "rich", "tomlkit"}
    assert not loaded & heavy


def test_a_gateway_loads_its_live_page_for_nobody_who_does_not_ask_for_it() -> None:
    loaded = newly_loaded("headrace.gateway.app")
    shown = {name for name in loaded if name.startswith("headrace.gateway.live.")}
    assert shown == {f"headrace.gateway.live.{name}" for name in ("history", "later")}


def test_a_gateway_loads_no_command_line_of_its_server() -> None:
    loaded = newly_loaded("headrace.gateway.server", before="import asyncio")
    assert {"uvicorn.server", "uvicorn.protocols.http.httptools_impl"} <= loaded
    assert not {name for name in loaded if name.split(".")[0] in ("click", "multiprocessing")}


def test_the_server_whose_command_line_is_left_out_has_it_for_whoever_calls_it() -> None:
    then = "try:\n    uvicorn.main(['--help'])\nexcept SystemExit: pass"
    loaded = newly_loaded(
        "headrace.gateway.server, uvicorn",
        before="import io, contextlib\nsys.stdout, told = io.StringIO(), sys.stdout",
        after=f"{then}\nassert '--workers' in sys.stdout.getvalue()\nsys.stdout = told",
    )
    assert {"click", "uvicorn.main"} <= loaded


def prepared_to_ask(*, before: str = "", proxied: bool) -> set[str]:
    then = f"Transports(TrustStore({{}}), None, keep=1).prepare(proxied={proxied})"
    then = f"from headrace.upstream.tls import TrustStore\nheadrace.upstream.transports.{then}"
    return newly_loaded("headrace.upstream.transports", before=before, after=then)


def test_whoever_asks_upstreams_loads_no_terminal() -> None:
    loaded = prepared_to_ask(proxied=True)
    assert {"httpx", "httpcore"} <= loaded
    assert not {name for name in loaded if name.split(".")[0] in ("rich", "click", "pygments")}


def test_what_leads_through_proxies_is_loaded_where_there_are_some() -> None:
    loaded = prepared_to_ask(proxied=False)
    assert {"httpcore", "h2.connection", "headrace.upstream.http1.pool"} <= loaded
    assert "httpx" not in loaded


#: What nobody needs who has nothing set up.
NOT_TOLD = {
    "headrace.interface.lookups",
    "headrace.policy.reputation",
    "headrace.system.service.health",
    "headrace.variants.builds",
    "headrace.variants.hosts",
    "http.client",
    # Nor who writes for no terminal.
    "email.message",
    "importlib.metadata",
    "rich",
    "packaging.utils",
    "ssl",
}


@pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "other modules are its own"))
def test_status_loads_nothing_for_what_it_has_not_to_tell(tmp_path: Path) -> None:
    loaded = loaded_by("from headrace.cli import main\nmain(['status'])", tmp_path)
    assert "headrace.cli.status" in loaded
    assert not loaded & (NOT_TOLD | ON_THE_WAY)


def test_where_a_hosts_paths_are_made_nothing_is_described() -> None:
    loaded = newly_loaded("headrace.variants.host_paths")
    assert not {name for name in loaded if name.startswith("headrace.variants.")} - {
        "headrace.variants.host_paths"
    }


def test_the_rooms_that_may_not_come_along_are_rooms() -> None:
    assert not [name for name in ON_THE_WAY if importlib.util.find_spec(name) is None]
