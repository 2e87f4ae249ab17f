"""Why a gateway does not come up is read from its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.errors import LocalError
from headrace.interface.hookspecs import GatewayAddress, Scope
from headrace.system.service import health, last_words
from headrace.system.service.managers import choose
from headrace.system.service.managers.bare import Bare
from headrace.system.service.managers.spec import describe
from headrace.system.state import State

LOG = """\
headrace: an older trouble
headrace holder: the worker ended (exit code 1); the next one starts in 0.1 s
headrace: SSL_CERT_FILE names /none, which cannot be used
  whose fault: this machine
headrace holder: clients are sent to the origin meanwhile
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("", ""),
        ("headrace holder: started\n", ""),
        (LOG, "SSL_CERT_FILE names /none, which cannot be used"),
        (
            "Traceback (most recent call last):\n  File\nImportError: no uvicorn\n",
            "ImportError: no uvicorn",
        ),
        ("x" * 900, "x" * 300),
    ],
)
def test_the_reason_is_the_workers_last_word(tmp_path: Path, log: str, reason: str) -> None:
    path = tmp_path / "gateway.log"
    path.write_text("an old line\n" * 5000 + log if reason else log)
    assert last_words.of_file(path) == reason
    assert last_words.of_file(tmp_path / "none") == ""


def test_on_says_what_the_log_has_and_not_that_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = Folders(tmp_path / "config", tmp_path / "state", tmp_path / "cache")
    spec = describe(folders, Scope.USER, 18999, tmp_path)
    manager = Bare({})
    plan = choose.Plan(GatewayAddress("127.0.0.1", 18999), manager, spec, (), "", State(folders))
    folders.state.mkdir(mode=0o700)
    monkeypatch.setattr(Bare, "start", lambda *_: None)
    monkeypatch.setattr(health, "wait_until_up", lambda *_: health.Contact())
    with pytest.raises(LocalError, match="it does not answer"):
        plan.start()
    (folders.state / "gateway.log").write_text(LOG)
    with pytest.raises(LocalError, match="it says: SSL_CERT_FILE names /none"):
        plan.start()
    sent_away = health.Contact(listening=True, answers=True, redirecting=True, seen=True)
    monkeypatch.setattr(health, "wait_until_up", lambda *_: sent_away)
    assert "(SSL_CERT_FILE names /none, which cannot be used)" in plan.start().note
