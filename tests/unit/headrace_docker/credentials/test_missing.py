from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.interface import Place, Scope
from headrace_docker.credentials.missing import check


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".docker").mkdir()
    (tmp_path / "bin").mkdir()
    return tmp_path


def told(home: Path, table: object, **env: str) -> list[tuple[str, str]]:
    (home / ".docker" / "config.json").write_text(json.dumps(table), "utf-8")
    variables = {"PATH": str(home / "bin"), **env}
    place = Place(Scope.USER, home, variables, "linux", home)
    return [(each.text, each.hint) for each in check(place)]


def install(home: Path, word: str) -> None:
    program = home / "bin" / f"docker-credential-{word}"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)


def test_a_store_that_is_gone_is_told_with_what_fails_by_it(home: Path) -> None:
    table = {"credsStore": "desktop", "auths": {}}
    ((text, hint),) = told(home, table)
    assert "docker-credential-desktop, which is not on your PATH" in text
    assert "(credsStore)" in hint
    install(home, "desktop")
    assert told(home, table) == []


def test_ours_is_undone_by_off(home: Path) -> None:
    ((text, hint),) = told(home, {"credsStore": "headrace"})
    assert "docker-credential-headrace" in text
    assert "`headrace off`" in hint


def test_the_helper_from_before_is_named_again_where_it_is_there(home: Path) -> None:
    table = {"credsStore": "headrace", "auths": {"a.example": {}}}
    beside = home / ".docker" / "headrace-credential"
    place = Place(Scope.USER, home, {"PATH": str(home / "bin")}, "linux", home)
    told(home, table)
    beside.write_text("pass 17223\n", "utf-8")
    beside.chmod(0o600)
    [found] = check(place)
    assert found.fix is None  # that one is gone, too
    install(home, "pass")
    [found] = check(place)
    assert found.fix is not None
    [edit] = found.fix.edits
    assert found.fix.gives_back == "docker-logins"
    assert json.loads(edit.after or b"") == {**table, "credsStore": "pass"}
    assert edit.before == (home / ".docker" / "config.json").read_bytes()


def test_a_helper_of_somebody_elses_is_told_and_not_mended(home: Path) -> None:
    told(home, {"credsStore": "desktop"})
    place = Place(Scope.USER, home, {"PATH": str(home / "bin")}, "linux", home)
    assert [each.fix for each in check(place)] == [None]


def test_helpers_of_single_registries_are_looked_for_once_each(home: Path) -> None:
    install(home, "pass")
    helpers = {"a.example": "ecr-login", "b.example": "ecr-login", "c.example": "pass"}
    ((_, hint),) = told(home, {"credsStore": "pass", "credHelpers": helpers})
    assert "credHelpers for a.example, credHelpers for b.example" in hint


@pytest.mark.parametrize(
    "table",
    [{}, [], {"credsStore": ""}, {"credsStore": 5}, {"credHelpers": []}, {"credsStore": "../x"}],
)
def test_what_names_no_program_says_nothing(home: Path, table: object) -> None:
    assert told(home, table) == []


def test_the_file_is_looked_for_where_docker_does_and_may_be_missing(home: Path) -> None:
    assert told(home, {"credsStore": "gone"}, DOCKER_CONFIG=str(home / "elsewhere")) == []
