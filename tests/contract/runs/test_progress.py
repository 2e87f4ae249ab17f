"""What a person at a terminal sees below a command that shows no progress of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lib import wheels
from lib.clients import Environment, Pip, Uv
from lib.gateway import free_port, headrace
from lib.holders import none_left
from lib.terminals.screen import Seated
from lib.world import MakeWorld, World

BIG = wheels.wheel("big", "1.0", size=3_000_000)
#: The last row does not scroll.
REGION = b"\x1b[1;11r"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Environment]:
    environment = Environment(tmp_path / "box")
    environment.variables["HEADRACE_HOME"] = str(tmp_path / "headrace")
    environment.variables["HEADRACE_PORT"] = str(free_port())
    environment.variables["PATH"] = f"{environment.scripts}:{Path(sys.executable).parent}:/usr/bin"
    yield environment
    none_left(str(tmp_path))


@pytest.fixture
def slow(world: MakeWorld, box: Environment) -> World:
    """Upstreams that take some seconds for one file."""
    made = world(mirrors=1, mirror_rate=400_000.0, origin_rate=400_000.0)
    made.index.add(BIG)
    settings = Path(box.variables["HEADRACE_HOME"]) / "config" / "config.toml"
    settings.parent.mkdir(parents=True)
    mirror = made.described[0]
    settings.write_text(
        f'catalogue = false\n[[mirror]]\nid = "{mirror.id}"\nurl = "{mirror.url}"\n'
        f'layout = "{mirror.layout}"\n',
        "utf-8",
    )
    return made


def seated(box: Environment, *words: str, **more: str) -> Seated:
    env: Mapping[str, str] = {**box.variables, "CI": "", **more}
    return Seated([*headrace(), "run", *words], env)


def test_a_quiet_pip_has_a_line_below_it_that_is_gone_when_it_is_done(
    slow: World, box: Environment
) -> None:
    pip = Pip("26.3", box)
    pip.point_at(slow.origin)
    with seated(box, "--", *pip.command("install", "-q", "big")) as person:
        person.wait(lambda: "MB/s" in person.seen()[-1] or "kB/s" in person.seen()[-1])
        assert person.code is None, person.above()
        line = person.seen()[-1]
        assert " of 3.0 MB, " in line
        assert " left, from " in line
        assert person.end() == 0
    assert REGION in person.raw
    assert person.raw.rindex(b"\x1b[r") > person.raw.rindex(REGION)
    # What stays is what came, and no row of ours.
    said = [line for line in person.above() if line]
    assert said[0].startswith("headrace: 3.0 MB in 1 file")
    assert not [line for line in said if line.startswith("headrace  ")]


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("words", "env"),
    [
        (("install", "big"), {}),  # its own bar
        (("install", "-q", "big"), {"CI": "true"}),
        (("install", "-q", "big"), {"TERM": "dumb"}),
    ],
    ids=["its own bar", "CI", "dumb"],
)
def test_nothing_is_drawn_beside_a_bar_or_where_nobody_looks(
    slow: World, box: Environment, words: tuple[str, ...], env: dict[str, str]
) -> None:
    pip = Pip("26.3", box)
    pip.point_at(slow.origin)
    with seated(box, "--", *pip.command(*words), **env) as person:
        assert person.end() == 0
    assert REGION not in person.raw
    assert (b"\xe2\x94\x81" in person.raw) is ("-q" not in words)  # pip's bar


@pytest.mark.nightly
def test_quiet_is_quiet(slow: World, box: Environment) -> None:
    pip = Pip("26.3", box)
    pip.point_at(slow.origin)
    with seated(box, "--quiet", "--", *pip.command("install", "-q", "big")) as person:
        assert person.end() == 0
    assert person.raw == b""


@pytest.mark.nightly
@pytest.mark.parametrize("option", [(), ("--quiet",)])
def test_uv_draws_its_own_or_has_ours(
    slow: World, box: Environment, option: tuple[str, ...]
) -> None:
    uv = Uv("0.13.9", box)
    uv.point_at(slow.origin)
    box.variables.pop("UV_NO_PROGRESS")
    command = (uv.binary, "pip", "install", *option, "big", "--target", box.home / "there")
    with seated(box, "--", *map(str, command)) as person:
        assert person.end() == 0, person.above()
    assert (REGION in person.raw) is bool(option)
