"""Where the gateway finds a company index's credential, in pip's own order."""

from __future__ import annotations

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
        "if '--mode=creds' in sys.argv: sys.exit('usage')\n"
        "print('old' if sys.argv[1:] == ['get', 'https://corp.example/simple/', 'me'] else '')",
    )
    assert netrc_and_keyring.credential(PRIVATE) == Credential("me", "old")


def test_the_host_alone_is_asked_last(home: Path) -> None:
    keyring_program(
        home,
        'if \'corp.example\' in sys.argv: print(\'{"username": "k", "password": "host"}\')\n'
        "else: sys.exit(1)",
    )
    assert netrc_and_keyring.credential(PRIVATE) == Credential("k", "host")


def test_a_keyring_that_waits_for_the_user_is_not_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netrc_and_keyring, "_PATIENCE", 1.0)
    keyring_program(home, "time.sleep(60)")
    assert netrc_and_keyring.credential(PRIVATE) is None


def test_nobody_knows(home: Path) -> None:
    assert home.is_dir()
    assert netrc_and_keyring.credential(PRIVATE) is None
