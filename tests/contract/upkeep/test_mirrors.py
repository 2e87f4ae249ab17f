"""`headrace mirrors` with a gateway that runs, and real servers behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lib.serving.servers import RecordingServer
from lib.waiting import until

if TYPE_CHECKING:
    from contract.upkeep.conftest import Bench

THING = "thing-1.0-py3-none-any.whl"


def in_use(bench: Bench) -> list[str]:
    used: list[str] = bench.world.gateway.status()["mirrors"]["python"]["in_use"]
    return used


def listed(bench: Bench) -> dict[str, dict[str, Any]]:
    rows = bench.json("mirrors")["mirrors"]
    return {row["id"]: row for row in rows if row["ecosystem"] == "python"}


def test_a_gateway_that_runs_takes_every_change_and_the_users_comments_stay(
    bench: Bench,
) -> None:
    bench.settings.write_text("# mine\n" + bench.settings.read_text() + "# the end\n")
    for mirror in ("mirror0", "mirror1"):
        bench.ok("mirrors", "disable", mirror)
    until(lambda: in_use(bench) == [], bench.world.gateway.told)
    bench.fetch()
    assert not bench.world.at_mirrors()
    assert listed(bench)["mirror0"]["why"] == "you disabled it"
    told = bench.ok("mirrors", "enable", "mirror1")
    assert "takes it at once" in told
    until(lambda: in_use(bench) == ["mirror1"], bench.world.gateway.told)
    bench.ok("mirrors", "remove", "mirror0")
    assert "mirror0" not in listed(bench)
    text = bench.settings.read_text()
    assert "# mine" in text
    assert "# the end" in text
    assert "mirror0" not in text


@pytest.mark.nightly
def test_what_holds_already_changes_no_byte(bench: Bench) -> None:
    before = bench.settings.read_bytes()
    assert "already used" in bench.ok("mirrors", "enable", "mirror0")
    assert bench.settings.read_bytes() == before


@pytest.mark.nightly
def test_an_id_that_nobody_has_is_refused_with_the_one_that_was_meant(bench: Bench) -> None:
    before = bench.settings.read_bytes()
    for action in ("test", "enable", "disable", "remove"):
        done = bench.run("mirrors", action, "miror1")
        assert done.returncode == 1
        assert "did you mean 'mirror" in done.stderr
        assert bench.run("mirrors", action, "origin").returncode == 1
    assert bench.settings.read_bytes() == before


def test_a_mirror_is_tested_with_a_part_of_a_real_file(bench: Bench) -> None:
    told = bench.ok("mirrors", "test", "mirror0", "--file", "thing")
    assert told.startswith("mirror0 gives ")
    assert THING in told
    assert [len(s.requests("*.whl")) for s in bench.world.mirrors] == [1, 0]
    bench.world.mirrors[1].close()
    done = bench.run("mirrors", "test", "mirror1", "--file", "thing")
    assert done.returncode == 1
    assert "mirror1 refuses connections" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_mirror_that_is_added_was_asked_how_it_keeps_its_files(bench: Bench) -> None:
    file = bench.world.index.files[0]
    where = file.path.replace("/packages/", "/pypi-packages/")
    with RecordingServer({where: file.built.data}, name="new") as new:
        told = bench.json("mirrors", "add", new.url, "--id", "new", "--file", "thing")
        assert (told["id"], told["layout"], told["changed"]) == ("new", "pypi-packages", True)
        until(lambda: "new" in in_use(bench), bench.world.gateway.told)
        again = bench.run("mirrors", "add", new.url)
        assert again.returncode == 1
        assert "that is new, which is known already" in again.stderr


@pytest.mark.nightly
def test_an_address_that_has_nothing_changes_nothing(bench: Bench) -> None:
    before = bench.settings.read_bytes()
    with RecordingServer(name="empty") as empty:
        done = bench.run("mirrors", "add", empty.url, "--file", "thing")
        assert done.returncode == 1
        assert "in none of the places" in done.stderr
        assert "--unasked" in done.stderr
    for url in ("ftp://x.example", "http://me:secret@x.example", "nonsense"):
        done = bench.run("mirrors", "add", url)
        assert done.returncode == 2
        assert "secret" not in done.stderr
    assert bench.settings.read_bytes() == before


@pytest.mark.nightly
def test_settings_with_a_mistake_are_not_edited(bench: Bench) -> None:
    bench.settings.write_text("port = 'x'\n" + bench.settings.read_text())
    before = bench.settings.read_bytes()
    done = bench.run("mirrors", "disable", "mirror0")
    assert done.returncode == 1
    assert "whose fault: your settings" in done.stderr
    assert bench.settings.read_bytes() == before
    assert in_use(bench) == ["mirror0", "mirror1"]
