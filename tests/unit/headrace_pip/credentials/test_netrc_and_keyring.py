"""Where the gateway finds a company index's credential, in pip's own order."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.models import Credential, Origin
from headrace.system.state import State
from headrace_pip.credentials import netrc_and_keyring

URL = "https://corp.example/simple"
PRIVATE = Origin("python", URL, private=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user of the test's own, whose programs are those in ~/bin."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("NETRC", "HEADRACE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "headrace"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return tmp_path


def record(home: Path, credential: Credential | None) -> None:
    base = home / "headrace"
    state = State(Folders(base / "config", base / "state", base / "cache"))
    state.record_origins([DiscoveredOrigin(PRIVATE, "pip.conf", credential)])


def netrc(home: Path, text: str) -> Path:
    path = home / ".netrc"
    path.write_text(text)
    path.chmod(0o600)
    return path


def keyring_program(home: Path, body: str) -> None:
    path = home / "bin" / "keyring"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n")
    path.chmod(0o755)


def shell_keyring(home: Path, body: str) -> None:
    """Give the user a keyring that starts in no time."""
    keyring_program(home, "")
    (home / "bin" / "keyring").write_text(f"#!/bin/sh\n{body}\n")


def test_what_stood_in_the_url_comes_first(home: Path) -> None:
    record(home, Credential("me", "from-url"))
    netrc(home, "machine corp.example login me password from-netrc\n")
    assert netrc_and_keyring.credential(PRIVATE) == Credential("me", "from-url")


def test_a_public_index_is_never_shown_one(home: Path) -> None:
    record(home, Credential("me", "from-url"))
    netrc(home, "default login me password from-netrc\n")
    assert netrc_and_keyring.credential(Origin("python", URL)) is None


def test_netrc(home: Path) -> None:
    netrc(
        home, "machine other.example login x password y\nmachine corp.example login a password b\n"
    )
    assert netrc_and_keyring.credential(PRIVATE) == Credential("a", "b")


def test_netrc_by_its_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = netrc(home, "machine corp.example login a password b\n").rename(home / "elsewhere")
    monkeypatch.setenv("NETRC", str(path))
    assert netrc_and_keyring.credential(PRIVATE) == Credential("a", "b")


def test_a_broken_netrc_is_passed_over(home: Path) -> None:
    netrc(home, "machine corp.example login a password b\nnonsense here\n")
    keyring_program(home, 'print(\'{"username": "k", "password": "ring"}\')')
    assert netrc_and_keyring.credential(PRIVATE) == Credential("k", "ring")


def test_netrc_of_another_user_than_the_urls_does_not_count(home: Path) -> None:
    record(home, Credential("me", ""))
    netrc(home, "machine corp.example login other password b\n")
    assert netrc_and_keyring.credential(PRIVATE) == Credential("me", "")


def test_an_old_keyring_program_is_asked_in_its_own_way(home: Path) -> None:
    record(home, Credential("me", ""))
    keyring_program(
        home,
        "if '--mode=creds' in sys.argv: sys.exit(2)\n"
        "print('old' if sys.argv[1:] == ['get', 'https://corp.example/simple/', 'me'] else '')",
    )
    assert netrc_and_keyring.credential(PRIVATE) == Credential("me", "old")


@pytest.mark.parametrize("secret", ["12345", "null", '{"password": "x"}'])
def test_what_an_old_keyring_says_is_the_secret_whatever_it_looks_like(
    home: Path, secret: str
) -> None:
    record(home, Credential("me", ""))
    keyring_program(home, f"print({secret!r}) if '--mode=creds' not in sys.argv else sys.exit(2)")
    assert netrc_and_keyring.credential(PRIVATE) == Credential("me", secret)


def test_the_host_alone_is_asked_last(home: Path) -> None:
    keyring_program(
        home,
        'if \'corp.example\' in sys.argv: print(\'{"username": "k", "password": "host"}\')\n'
        "else: sys.exit(1)",
    )
    assert netrc_and_keyring.credential(PRIVATE) == Credential("k", "host")


def test_a_keyring_that_waits_for_its_user_is_asked_once_and_ended(home: Path) -> None:
    started = home / "started"
    shell_keyring(home, f"echo >> {started}; exec /bin/sleep 600")
    assert netrc_and_keyring.credential(PRIVATE, patience=3.0) is None
    assert started.read_text() == "\n"


#: A keyring's backend that writes down which process asks it for what, and takes its time.
BACKEND = """
import os, pathlib, time
from keyring.backend import KeyringBackend
from keyring.credentials import SimpleCredential
class Ring(KeyringBackend):
    priority = 1
    def set_password(self, service, username, password):
        raise NotImplementedError
    def get_password(self, service, username):
        return None
    def get_credential(self, service, username):
        print("a word of the store's own")
        with (pathlib.Path(__file__).parent / "asked").open("a") as file:
            print(os.getpid(), service, username, file=file)
        {body}
"""


def ring(home: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """Give our own interpreter a backend; return what it writes down."""
    folder = home / "backends"
    folder.mkdir()
    (folder / "company_ring.py").write_text(BACKEND.replace("{body}", body))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "company_ring.Ring")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    return folder / "asked"


@pytest.mark.parametrize("user", [None, "me"])
def test_one_process_answers_all_that_a_login_needs(
    home: Path, monkeypatch: pytest.MonkeyPatch, user: str | None
) -> None:
    if user:
        record(home, Credential(user, ""))
    body = "return SimpleCredential('k', 'ring') if service == 'corp.example' else None"
    asked = ring(home, monkeypatch, body)
    assert netrc_and_keyring.credential(PRIVATE) == Credential("k", "ring")
    lines = [line.split() for line in asked.read_text().splitlines()]
    services = ["https://corp.example/simple/", "https://corp.example/simple", "corp.example"]
    assert [(service, name) for _, service, name in lines] == [(s, str(user)) for s in services]
    assert len({process for process, _, _ in lines}) == 1


def test_a_store_that_raises_does_not_hide_what_the_next_question_finds(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring(
        home,
        monkeypatch,
        "if 'https' in service: raise RuntimeError('locked')\n"
        "        return SimpleCredential('k', 'ring')",
    )
    assert netrc_and_keyring.credential(PRIVATE) == Credential("k", "ring")


@pytest.mark.parametrize("user", [None, "me"])
@pytest.mark.parametrize(
    "body",
    [
        "os.write(1, b'Unlock your ring: ')",
        "os.system('echo Unlock your ring:')",
        "if 'https' in service: raise SystemExit(0)",
        # What it leaves running ends with the test: its standard input is a pipe of ours.
        "import subprocess; subprocess.Popen(['/bin/cat'], stdin=open(os.environ['HELD']))",
    ],
)
def test_what_a_store_does_beside_its_answer_does_not_spoil_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, user: str | None, body: str
) -> None:
    if user:
        record(home, Credential(user, ""))
    held = home / "held"
    os.mkfifo(held)
    monkeypatch.setenv("HELD", str(held))
    ring(home, monkeypatch, f"{body}\n        return SimpleCredential('k', 'ring')")
    with os.fdopen(os.open(held, os.O_RDWR)):
        assert netrc_and_keyring.credential(PRIVATE) == Credential("k", "ring")


def test_the_time_that_one_keyring_takes_is_not_taken_from_the_next_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring(home, monkeypatch, "time.sleep(600)")
    shell_keyring(home, 'echo \'{"username": "k", "password": "theirs"}\'')
    assert netrc_and_keyring.credential(PRIVATE, patience=3.0) == Credential("k", "theirs")


def test_an_old_keyring_is_told_of_modes_once(home: Path) -> None:
    record(home, Credential("me", ""))
    asked = home / "asked"
    keyring_program(
        home,
        f"print(*sys.argv[1:], file=open({str(asked)!r}, 'a'))\n"
        "sys.exit(2 if '--mode=creds' in sys.argv else 1)",
    )
    assert netrc_and_keyring.credential(PRIVATE) == Credential("me", "")
    modes = [line.split()[0] for line in asked.read_text().splitlines()]
    assert modes == ["--mode=creds", "get", "get", "get"]


def test_a_keyring_of_today_is_asked_each_question_once(home: Path) -> None:
    record(home, Credential("me", ""))
    asked = home / "asked"
    keyring_program(home, f"print(*sys.argv[1:], file=open({str(asked)!r}, 'a'))\nsys.exit(1)")
    assert netrc_and_keyring.credential(PRIVATE) == Credential("me", "")
    assert len(asked.read_text().splitlines()) == 3


def test_nobody_knows(home: Path) -> None:
    assert home.is_dir()
    assert netrc_and_keyring.credential(PRIVATE) is None
