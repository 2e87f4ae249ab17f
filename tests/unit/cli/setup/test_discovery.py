"""Origins as they are typed, and as they are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.cli.context import Context
from headrace.cli.setup.discovery import discover, typed
from headrace.errors import UsageError


@pytest.mark.parametrize(
    "text",
    [
        "python",
        "=http://h",
        "python=",
        "python=ftp://h",
        "python=http://[",
        "python=http://h:99999",
    ],
)
def test_what_is_no_origin_is_the_caller_s_fault(text: str) -> None:
    with pytest.raises(UsageError, match="is not ECOSYSTEM=URL"):
        typed(text, "--origin")


def test_a_password_in_what_is_no_origin_is_not_repeated() -> None:
    with pytest.raises(UsageError) as told:
        typed("python=ftp://u:hunter2@h/", "--origin")
    assert "hunter2" not in str(told.value)


def test_an_origin_has_a_name_and_its_login_apart() -> None:
    found = typed("python/corp=https://u:p@h/simple/", "--origin")
    assert (found.origin.name, found.origin.url) == ("corp", "https://h/simple")
    assert found.origin.private
    assert found.credential is not None


def test_what_is_in_the_way_of_every_tool_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    context = Context({"HEADRACE_HOME": str(tmp_path), "PATH": ""})
    context.state.journal.parent.mkdir(mode=0o700)
    context.state.journal.write_text("no journal", "utf-8")
    context.state.journal.chmod(0o600)
    discover(context)
    told = [each for each in caplog.records if each.levelname == "WARNING"]
    assert len(told) == 1
    assert "cannot be read" in told[0].getMessage()
