"""`headrace on`, a plain conda, `headrace off`: through the gateway, and nothing left behind. The
bases are the test's own, with a real conda's packages.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.conda.clients import Conda, find_bases, no_base
from lib.conda.user import User

pytestmark = pytest.mark.skipif(not find_bases(), reason=no_base())


def test_on_a_plain_conda_and_off(user: User) -> None:
    files, folders = user.files(), user.folders()
    told = user.headrace("on", "--dry-run").ok()
    assert "+    auth: headrace" in told.out
    assert (user.files(), user.folders()) == (files, folders)
    assert user.row()["state"] == "not routed"

    user.headrace("on").ok()
    # A pip or a podman that is here is none of this test; a shell's line is the gateway's.
    new = {
        name
        for name in set(user.files()) - set(files)
        if not name.endswith(("pip.conf", "zz-headrace.conf", ".bashrc", ".profile"))
    }
    assert {Path(name).suffix for name in new} == {".yml", ".pth"}
    assert {name: state for name, state in user.files().items() if name in files} == files
    user.anew()
    result = user.conda.run("create", "-y", "-n", "env", "alpha").ok()
    assert "headrace" not in result.out + result.err
    user.assert_installed("env")
    user.assert_through()
    row = user.row()
    assert row["state"] == "routed"
    assert new <= set(row["files"])
    assert row["overrides"] == []

    user.headrace("off").ok()
    assert user.files() == files
    assert user.folders() == folders
    assert not list(user.conda.base.root.rglob("headrace*"))
    user.anew()
    user.conda.run("create", "-y", "-n", "env", "alpha").ok()
    user.assert_past()


def test_no_conda_says_a_word_more_because_of_us(user: User) -> None:
    questions = (
        ("config", "--show", "--json"),
        ("info", "--json"),
    )

    def errors() -> list[tuple[int, str]]:
        told = [user.conda.run(*words) for words in questions]
        return [(result.code, result.err) for result in told]

    before = errors()
    user.headrace("on").ok()
    assert errors() == before
    assert "headrace.yml" in user.conda.run("config", "--show-sources").ok().out
    assert "gateway  up" in user.conda.run("headrace", "status", env={"HEADRACE_HOME": ""}).ok().out
    told = json.loads(user.conda.run("create", "-y", "-n", "e", "beta", "--json").ok().out)
    assert told["success"]
    # The drop-in stays, the plugin is gone: as after a Python upgrade of the base.
    (pth,) = user.site.glob("headrace-*.pth")
    pth.rename(user.root / "away")
    assert errors() == before
    user.anew()
    user.conda.run("create", "-y", "-n", "env", "beta").ok()
    user.assert_past()
    assert user.row()["state"] == "not routed"


def test_what_a_user_commits_is_the_same_with_us(newest: User) -> None:
    def committed() -> list[str]:
        user = newest
        user.anew()
        user.conda.run("create", "-y", "-q", "-n", "env", "alpha").ok()
        of_late = user.conda.base.release >= (25, 7)
        formats = ("environment-yaml", "environment-json") if of_late else ()
        exports = [
            user.conda.run("export", "-n", "env", "--format", each).ok().out for each in formats
        ]
        return [*user.conda.list_explicit("env", "--md5"), user.conda.export("env"), *exports]

    before = committed()
    newest.headrace("on").ok()
    assert committed() == before


def test_on_twice_is_on_once_and_a_lost_state_folder_is_no_trap(newest: User) -> None:
    files = newest.files()
    newest.headrace("on").ok()
    once = newest.files()
    newest.headrace("on").ok()
    assert newest.files() == once
    for name in ("journal", "origins.json"):
        (newest.root / "headrace" / "state" / name).unlink()
    newest.headrace("off").ok()
    newest.headrace("off").ok()
    assert newest.files() == files


def test_a_drop_in_that_somebody_else_named_so_stays_his(newest: User) -> None:
    his = newest.home / ".conda" / "condarc.d" / "headrace.yml"
    his.write_text("channel_priority: strict\n")
    newest.headrace("off").ok()
    assert his.read_text() == "channel_priority: strict\n"
    newest.headrace("on").ok()
    newest.headrace("off").ok()
    assert his.read_text() == "channel_priority: strict\n"


def test_a_second_user_of_the_base_hears_nothing_of_the_firsts(newest: User) -> None:
    newest.headrace("on").ok()
    other = Conda(newest.conda.base, newest.root / "other", newest.conda.solver)
    other.configure(channels=[newest.url])
    newest.origin.forget()
    told = other.run("create", "-y", "-n", "env", "beta").ok()
    assert "headrace" not in told.out + told.err
    newest.assert_past()


def test_a_gateway_that_was_stopped_is_started_by_the_next_create(newest: User) -> None:
    newest.headrace("on").ok()
    newest.headrace("gateway", "--stop").ok()
    newest.anew()
    # From a shell that knows nothing of where headrace has its folders.
    newest.conda.run("create", "-y", "-n", "env", "alpha", env={"HEADRACE_HOME": ""}).ok()
    newest.assert_through()
