"""Mirrors that never answer are seen: by `status`, `run` and `doctor`, with real pip between."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.clients import Environment, Pip, Result
from lib.gateway import TestMirror, headrace
from lib.holders import none_left
from lib.serving import modes
from lib.serving.faults import large
from lib.serving.ports import free_port, refusing
from lib.serving.servers import RecordingServer
from lib.world import MakeWorld, World


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Environment]:
    environment = Environment(tmp_path / "box")
    environment.variables["HEADRACE_HOME"] = str(tmp_path / "headrace")
    environment.variables["PATH"] = (
        f"{environment.scripts}:{Path(sys.executable).parent}:/usr/bin:/bin"
    )
    yield environment
    none_left(str(tmp_path))


def settings(box: Environment, made: World, mirrors: list[TestMirror]) -> None:
    """The test's index is called public, so that its mirrors may be asked."""
    lines = ["catalogue = false", f'public_origins = ["{made.origin}"]']
    for mirror in mirrors:
        lines += ["[[mirror]]", f'id = "{mirror.id}"', f'url = "{mirror.url}"']
    path = Path(box.variables["HEADRACE_HOME"]) / "config" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def dead() -> Iterator[list[TestMirror]]:
    """One that refuses connections, and one that never answers."""
    with contextlib.ExitStack() as stack:
        mute = stack.enter_context(RecordingServer(name="mute"))
        mute.fail(modes.SILENT)
        gone = stack.enter_context(refusing())
        yield [TestMirror("gone", gone), TestMirror("mute", mute.url)]


def test_run_claims_nothing_for_mirrors_that_never_answered_and_names_them(
    world: MakeWorld, box: Environment, dead: list[TestMirror]
) -> None:
    made = world(mirrors=0)
    made.index.add(large())
    pip = Pip("26.3", box)
    pip.point_at(made.origin)
    settings(box, made, dead)
    done = box.run(*headrace(), "run", "--", *pip.command("install", "large")).ok()
    assert box.holds(large().files())
    line = done.err.strip().splitlines()[-1]
    # The metadata is no file of its own, read ahead or not.
    assert ": 25.2 MB in 1 file from origin (" in line, line
    # A range that is cut short for another connection has bytes under way beyond the cut: up to
    # three in a hundred may come twice, from nobody but the origin.
    (given,) = re.findall(r"origin \(([\d.]+) MB\)", line)
    assert 25.2 <= float(given) <= 25.2 * 1.03, line
    assert "less than" not in line, line
    assert "survived" not in line, line
    assert "failed, and another source was asked: " in line, line
    assert "gone (refused" in line, line


def test_status_and_doctor_tell_how_each_mirror_of_ones_own_stands(
    world: MakeWorld, box: Environment, dead: list[TestMirror]
) -> None:
    made = world(mirrors=1)
    made.index.add(large())
    pip = Pip("26.3", box)
    pip.point_at(made.origin)
    settings(box, made, [*made.described, *dead])
    box.variables["HEADRACE_PORT"] = str(free_port())

    def told(command: str) -> Result:
        return box.run(*headrace(), command)

    box.run(*headrace(), "on").ok()
    try:
        assert "mirror   gone (yours) not asked yet" in told("status").out
        pip.run("install", "large").ok()
        status = told("status")
        assert status.code == 3  # it needs the user's attention
        assert "mirror   mirror0 (yours) delivers" in status.out
        assert "mirror   gone (yours) does not answer: it refuses connections" in status.out
        assert "whoever runs it has the word" in status.out
        assert "survived" not in status.out
        states = json.loads(box.run(*headrace(), "status", "--json").out)["mirrors"]["python"]
        by_id = {each["id"]: each for each in states["states"]}
        assert by_id["mirror0"]["bytes"] > 0
        assert by_id["gone"]["state"] == "does not answer"
        assert by_id["gone"]["bytes"] == 0

        asked = len(made.mirrors[0].seen)
        doctor = json.loads(box.run(*headrace(), "doctor", "--json").out)
        found = {
            each["text"].split()[0]: each
            for each in doctor["findings"]
            if each["check"] == "mirror"
        }
        assert {name: each["level"] for name, each in found.items()} == {
            "mirror0": "ok",
            "gone": "warning",
            "mute": "warning",
        }
        assert "refuses connections" in found["gone"]["text"]
        assert "does not answer in time" in found["mute"]["text"]
        assert "ask whoever runs it" in found["gone"]["hint"]
        # Politely: one head each, by an honest name, without a word of the user.
        (seen,) = made.mirrors[0].seen[asked:]
        assert seen.method == "HEAD"
        assert seen.headers["user-agent"].startswith("headrace/")
        assert not {"authorization", "cookie", "referer"} & set(seen.headers)
    finally:
        box.run(*headrace(), "off").ok()
