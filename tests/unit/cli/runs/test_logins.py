"""For which hosts a led command's user has a login, as far as netrc, variables and tools tell."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from headrace.cli.context import Context
from headrace.cli.runs import logins
from headrace.interface.activations import Place, Reader
from headrace.interface.leading import LedBy, LedTool


def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *tools: LedTool, **env: str) -> set[str]:
    monkeypatch.setenv("HOME", str(tmp_path))
    context = Context({"HOME": str(tmp_path), "HEADRACE_HOME": str(tmp_path), **env})
    monkeypatch.setattr(context.plugins, "led_tools", lambda: list(tools))
    return logins.known(context)


def test_netrc_names_its_hosts_and_its_default_is_shown_to_every_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.write_text("machine a.example login me password secret\ndefault login me password secret\n")
    assert known(tmp_path, monkeypatch, NETRC=str(own)) == {"a.example", "*"}
    own.write_text("what is this?\n")
    assert known(tmp_path, monkeypatch, NETRC=str(own)) == set()


def test_a_netrc_that_only_other_readers_can_read_names_its_hosts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """curl passes over a word that it does not know, Python's reader gives the file up."""
    own = tmp_path / "own"
    own.write_bytes(b"future\nmachine a.example login me\n  password \xff\nmachine b.example\n")
    assert known(tmp_path, monkeypatch, NETRC=str(own)) == {"a.example", "b.example"}
    own.write_text("future\ndefault login me password secret\n")
    assert known(tmp_path, monkeypatch, NETRC=str(own)) == {"*"}


def test_a_netrc_may_be_named_from_home_as_requests_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").write_text("machine a.example login me password secret\n")
    assert known(tmp_path, monkeypatch, NETRC="~/own") == {"a.example"}
    assert known(tmp_path, monkeypatch, NETRC="~nobody-of-that-name/own") == set()


def test_variables_name_hosts_with_a_login_and_a_proxys_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "UV_INDEX": "x=https://me:secret@a.example/simple https://b.example/simple",
        "CONDA_CHANNELS": "https://c.example/t/tk-0123456789/own,conda-forge",
        "HTTPS_PROXY": "http://me:secret@proxy.example:3128",
    }
    assert known(tmp_path, monkeypatch, **told) == {"a.example", "c.example"}


def test_tools_are_asked_and_one_that_cannot_tell_costs_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(place: Place, read: Reader) -> Iterable[str]:
        raise ValueError(place, read)

    tools = [
        LedTool("crate", ("crate",), {"": LedBy.PROXY}, logins=broken),
        LedTool("pump", ("pump",), {"": LedBy.PROXY}, logins=lambda *_: ["*.a.example"]),
        LedTool("weir", ("weir",), {"": LedBy.PROXY}),
    ]
    assert known(tmp_path, monkeypatch, *tools) == {"*.a.example"}
