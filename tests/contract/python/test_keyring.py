"""The keyring backend with real keyring, real pip and real uv against an index that wants Basic."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress
from headrace.models import Credential, Origin
from headrace.system.state import State
from lib import wheels
from lib.clients import Environment, Pip, Result, Uv
from lib.index import Index
from lib.serving.servers import RecordingServer

SECRET = ("builder", "p@ss/word:1")
#: A second backend, as a company would have it.
COMPANY = """
from keyring.backend import KeyringBackend
from keyring.credentials import SimpleCredential
class Company(KeyringBackend):
    priority = 5
    kept = {}
    def get_password(self, service, username):
        return self.kept.get((service, username)) or ("theirs" if "corp" in service else None)
    def get_credential(self, service, username):
        return SimpleCredential("them", "theirs") if "corp" in service else None
    def set_password(self, service, username, password):
        self.kept[service, username] = password
"""


@pytest.fixture
def index() -> Iterator[RecordingServer]:
    made = Index()
    made.add(wheels.wheel("secret-app", "1.0"))
    with RecordingServer() as server:
        server.credential = SECRET
        made.mount_origin(server)
        yield server


def record(environment: Environment, url: str) -> None:
    """What `headrace on` leaves behind for a company index."""
    home = environment.home / "headrace"
    environment.variables["HEADRACE_HOME"] = str(home)
    state = State(Folders(home / "config", home / "state", home / "cache"))
    origin = Origin("python", url, private=True)
    state.record_origins([DiscoveredOrigin(origin, "pip.conf", Credential(*SECRET))])
    state.ensure_token()
    state.record_gateway(GatewayAddress("127.0.0.1", 17223))


def keyring_on_path(environment: Environment) -> None:
    """Put the `keyring` program of the interpreter in use, and nothing else of it, on PATH."""
    folder = environment.root / "tools"
    folder.mkdir()
    (folder / "keyring").symlink_to(Path(sys.executable).with_name("keyring"))
    environment.variables["PATH"] += os.pathsep + str(folder)


def importable(environment: Environment) -> None:
    """Make keyring and headrace importable in the environment, behind what it has itself."""
    here = sysconfig.get_paths()["purelib"]
    (environment.packages / "zz-keyring.pth").write_text(
        f"import site; site.addsitedir({here!r})\n"
    )


def python(environment: Environment, program: str) -> Result:
    importable(environment)
    return environment.run(environment.python, "-c", program)


def assert_installed(result: Result, server: RecordingServer) -> None:
    result.ok()
    assert any(seen.headers.get("authorization") for seen in server.seen)
    assert SECRET[1] not in result.out + result.err


def test_pip_with_keyring_in_its_environment(pip: Pip, index: RecordingServer) -> None:
    record(pip.environment, f"{index.url}/simple")
    importable(pip.environment)
    pip.point_at(f"{index.url}/simple/")
    assert_installed(pip.install("--keyring-provider", "import", "secret-app"), index)
    assert "secret_app-1.0" in pip.environment.distributions()


def test_pip_with_keyring_on_path(pip: Pip, index: RecordingServer) -> None:
    record(pip.environment, f"{index.url}/simple")
    keyring_on_path(pip.environment)
    pip.point_at(f"{index.url.replace('://', f'://{SECRET[0]}@')}/simple/")
    assert_installed(pip.install("--keyring-provider", "subprocess", "secret-app"), index)


def test_uv_with_keyring_on_path(uv: Uv, index: RecordingServer) -> None:
    record(uv.environment, f"{index.url}/simple")
    keyring_on_path(uv.environment)
    uv.point_at(f"{index.url.replace('://', f'://{SECRET[0]}@')}/simple/")
    assert_installed(uv.install("--keyring-provider", "subprocess", "secret-app"), index)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    made = Environment(tmp_path / "client")
    record(made, "https://index.corp.example/simple")
    return made


def test_the_gateways_token_is_given_for_the_gateway_alone(environment: Environment) -> None:
    told = python(
        environment,
        "import keyring\n"
        "for url in ('http://127.0.0.1:17223/simple/', '127.0.0.1:17223', 'http://127.0.0.1:1/',"
        " 'http://127.0.0.1:172230/'):\n"
        "    found = keyring.get_credential(url, None)\n"
        "    print(found and found.username)",
    ).ok()
    assert told.out.split() == ["headrace", "headrace", "None", "None"]


def test_other_users_of_keyring_are_not_in_the_way(environment: Environment) -> None:
    """The chain goes on behind us, for reading what is not ours and for writing anything."""
    importable(environment)
    (environment.packages / "company_keyring.py").write_text(COMPANY)
    info = environment.packages / "company_keyring-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: company-keyring\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[keyring.backends]\ncompany = company_keyring\n")
    told = python(
        environment,
        "import keyring\n"
        "print(type(keyring.get_keyring()).__name__)\n"
        "print(keyring.get_credential('https://index.corp.example/simple/', None).password)\n"
        "print(keyring.get_credential('https://other.corp.example/', None).password)\n"
        "keyring.set_password('https://x.example/', 'me', 'mine')\n"
        "print(keyring.get_password('https://x.example/', 'me'))\n",
    ).ok()
    assert told.out.split() == ["ChainerBackend", SECRET[1], "theirs", "mine"]


@pytest.mark.parametrize("damage", ["garbage", "folder", "unreadable", "other shape"])
def test_the_backend_never_raises(environment: Environment, damage: str) -> None:
    state = environment.home / "headrace" / "state"
    for name in ("origins.json", "gateway.json", "token"):
        path = state / name
        path.unlink()
        if damage == "garbage":
            path.write_bytes(b"\xff{")
        elif damage == "folder":
            path.mkdir()
        elif damage == "unreadable":
            path.symlink_to(path)
        else:
            path.write_text('[{"credential": {"username": 1}}, 7, null]')
    told = python(
        environment,
        "import keyring\n"
        "print(keyring.get_credential('https://index.corp.example/simple/', None))\n"
        "print(keyring.get_keyring().get_password('127.0.0.1:17223', 'headrace'))",
    ).ok()
    assert told.out.split() == ["None", "None"]


def test_asking_for_something_else_costs_next_to_nothing(environment: Environment) -> None:
    told = python(
        environment,
        "import keyring, sys\n"
        "keyring.get_keyring()\n"
        "before, heard = set(sys.modules), []\n"
        "sys.addaudithook(lambda event, _: heard.append(event))\n"
        "keyring.get_credential('login', None)\n"
        "heard = [e for e in heard if e.startswith(('socket.', 'subprocess.', 'os.exec'))]\n"
        "print(len(heard), len(set(sys.modules) - before), 'headrace.config' in sys.modules)",
    ).ok()
    assert told.out.split() == ["0", "0", "False"]


def test_the_command_line_of_keyring_gives_it(environment: Environment) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "keyring", "get", "https://index.corp.example/simple", SECRET[0]],
        env=environment.variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == SECRET[1]
