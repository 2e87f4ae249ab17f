"""The fault list, at one mirror and at all of them: the client must not notice."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from lib import wheels
from lib.capabilities import lacks
from lib.clients import ALL, NAMES, PIPS, UVS, Installer, Pip, make_client
from lib.gateway import TestMirror
from lib.serving import modes
from lib.serving.faults import DISTINCT, FAULTS, LIES, SIZE, TELLING, large
from lib.serving.ports import black_hole
from lib.waiting import HANG, until
from lib.world import MakeWorld, World


def matrix(thorough: str, faults: Iterable[str]) -> list[tuple[str, str]]:
    """Many faults for one client, the telling ones for the others; in a full run, all for all."""
    return [
        (client, fault)
        for client in NAMES
        for fault in FAULTS
        if ALL or fault in TELLING or (client == thorough and fault in faults)
    ]


AT_ONE = matrix(f"pip-{PIPS[-1]}", FAULTS)
AT_ALL = matrix(f"uv-{UVS[-1]}", DISTINCT)
AT_SMALL = [f for f in FAULTS if "of-file" not in f and (ALL or f in DISTINCT)]


def resumes(client: Installer) -> bool:
    """Say whether the client asks for the rest of a file when its download was cut."""
    return isinstance(client, Pip) and tuple(map(int, client.version.split(".")[:2])) >= (25, 2)


def install_large(world: World, client: Installer, fault: str = "") -> None:
    built = large()
    client.point_at(world.gateway.index)
    result = client.install("large")
    # Where a client goes on rightly part of a lie may have gone out when it was found, and it asked
    # again; no other is given any of it.
    if fault not in LIES or not resumes(client):
        told = (result.out + result.err).lower()
        for word in ("retry", "resum", "incomplete", "connection broken"):
            assert word not in told, result.told()
    result.ok()
    assert client.environment.holds(built.files())
    world.assert_polite()


@pytest.mark.parametrize(("name", "fault"), AT_ONE, ids=[f"{c}-{f}" for c, f in AT_ONE])
def test_fault_at_one_mirror_is_not_felt(
    world: MakeWorld, tmp_path: Path, name: str, fault: str
) -> None:
    made = world(mirrors=2)
    made.index.add(large())
    FAULTS[fault](made.mirrors[0], large())
    install_large(made, make_client(tmp_path / "client", name), fault)
    assert made.mirrors[1].bytes_sent("*.whl") > 0


@pytest.mark.parametrize(("name", "fault"), AT_ALL, ids=[f"{c}-{f}" for c, f in AT_ALL])
def test_fault_at_every_mirror_leaves_the_origin(
    world: MakeWorld, tmp_path: Path, name: str, fault: str
) -> None:
    made = world(mirrors=2, origin_rate=24 << 20)
    made.index.add(large())
    for mirror in made.mirrors:
        FAULTS[fault](mirror, large())
    install_large(made, make_client(tmp_path / "client", name), fault)
    if fault not in ("norange", "slow"):
        assert made.files.bytes_sent("*.whl") > 0


@pytest.mark.parametrize("fault", AT_SMALL)
def test_fault_at_a_small_file_is_not_felt_whatever_it_is(
    world: MakeWorld, newest: Pip, fault: str
) -> None:
    # The origin is far, so that the mirrors are asked.
    made = world(mirrors=2)
    made.files.delay = 0.1
    small = wheels.wheel("small", "1.0", size=700_000)
    made.index.add(small)
    for mirror in made.mirrors:
        FAULTS[fault](mirror, small)
    newest.point_at(made.gateway.index)
    result = newest.install("small").ok()
    assert newest.environment.holds(small.files())
    assert "resum" not in (result.out + result.err).lower()
    made.assert_polite()


@pytest.mark.parametrize(
    "mode", [modes.status(410), modes.HTML, modes.wrong_length(1)], ids=["410", "html", "longer"]
)
def test_small_file_that_its_quick_origin_spoils_comes_from_the_last_mirror_that_has_it(
    world: MakeWorld, newest: Pip, mode: modes.Mode
) -> None:
    made = world(mirrors=3)
    small = wheels.wheel("small", "1.0", size=700_000)
    made.index.add(small)
    for server in (made.files, *made.mirrors[:2]):
        server.fail(mode, "*.whl")
    # So that the origin is the best choice by far, and its pages have told.
    for mirror in made.mirrors:
        mirror.delay = 0.4
    newest.point_at(made.gateway.index)
    newest.install("small").ok()
    assert newest.environment.holds(small.files())
    made.assert_polite()


def by_hand(made: World, target: Path, *words: str) -> subprocess.Popen[bytes]:
    """Begin to download the large wheel with curl, which can take nothing back."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip(lacks("programs", "curl is not installed here"))
    page = made.gateway.get("/simple/large/")[2].decode()
    link = re.search(r'href="([^"#]+)', page)
    assert link is not None, page
    url = urljoin(f"{made.gateway.index}large/", link[1])
    env = {"PATH": os.environ["PATH"], "NO_PROXY": "*"}
    return subprocess.Popen([program, "-fsS", *words, "-o", target, url], env=env)


@pytest.mark.parametrize("words", [(), ("-L",)], ids=["curl", "curl-L"])
def test_download_by_hand_is_whole_and_right_though_a_mirror_lies(
    world: MakeWorld, tmp_path: Path, words: tuple[str, ...]
) -> None:
    made = world(mirrors=2)
    made.index.add(large())
    made.mirrors[0].fail(modes.swapped(large("evil").data), "*.whl")
    target = tmp_path / "large.whl"
    assert by_hand(made, target, *words).wait(HANG) == 0, made.gateway.told()
    assert target.read_bytes() == large().data
    assert made.mirrors[0].bytes_sent("*.whl") > 1 << 20


def test_progress_is_told_while_little_goes_out_and_ctrl_c_stops_the_fetch(
    world: MakeWorld, tmp_path: Path
) -> None:
    made = world(mirrors=2, mirror_rate=400 << 10, origin_rate=200 << 10)
    made.index.add(large())
    target = tmp_path / "large.whl"

    def told() -> list[dict[str, Any]]:
        status = json.loads(made.gateway.get("/status")[2])
        return [each for each in status["under_way"] if each["here"] > 1 << 20]

    fetching = by_hand(made, target, "-N")
    try:
        (one,) = until(told, made.gateway.told)
        assert one["name"].startswith("large-1.0")
        assert one["size"] == len(large().data)
        assert one["held_back"]
        until(target.exists, made.gateway.told)  # a trickle of it
        given = target.read_bytes()
        assert len(given) < 1 << 20
        assert large().data.startswith(given)
    finally:
        fetching.terminate()
        fetching.wait(HANG)
    until(lambda: not told(), made.gateway.told)
    assert sum(mirror.bytes_sent("*.whl") for mirror in made.mirrors) < len(large().data)


def test_mirror_where_connecting_never_ends_is_not_felt(world: MakeWorld, newest: Pip) -> None:
    with black_hole() as hole:
        made = world(mirrors=1, more=[TestMirror("hole", hole, rank=-1)])
        made.index.add(large())
        install_large(made, newest)


def test_healthy_mirrors_carry_the_file_and_the_origin_little(
    world: MakeWorld, newest: Pip
) -> None:
    made = world(mirrors=2)
    made.index.add(large())
    install_large(made, newest)
    sent = made.sent()
    assert sent["mirror0"] + sent["mirror1"] > SIZE * 0.6, sent
    assert sum(sent.values()) < SIZE * 1.35, sent
    # Each was asked for parts, and for no part that lies outside of the file.
    for seen in made.at_mirrors("*.whl"):
        assert seen.range is not None


def test_fault_that_begins_in_the_middle_of_a_transfer_is_not_felt(
    world: MakeWorld, newest: Pip
) -> None:
    made = world(mirrors=2, mirror_rate=6 << 20)
    made.index.add(large())

    def later() -> None:
        while made.mirrors[0].bytes_sent("*.whl") < 2 << 20:
            time.sleep(0.01)
        made.mirrors[0].close()

    thread = threading.Thread(target=later)
    thread.start()
    install_large(made, newest)
    thread.join()


def test_banned_mirror_is_not_asked_again_at_once(world: MakeWorld, newest: Pip) -> None:
    made = world(mirrors=2)
    made.index.add(large(), wheels.wheel("second", "1.0", size=SIZE))
    made.mirrors[0].fail(modes.status(403), "*.whl")
    install_large(made, newest)
    made.mirrors[0].forget()
    newest.install("second").ok()
    assert made.mirrors[0].requests() == []


def test_redirect_of_a_mirror_is_followed(world: MakeWorld, newest: Pip) -> None:
    made = world(mirrors=2)
    made.index.add(large())
    made.mirrors[0].fail(modes.redirect(made.mirrors[1].url), "*.whl")
    install_large(made, newest)
