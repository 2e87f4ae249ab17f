"""What `headrace image warm` does between its question and its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from headrace.cli.context import Context
from headrace.cli.explaining.at_hand import AtHand
from headrace.cli.images import outdated, warm
from headrace.interface.explanations import GatewayAnswer
from headrace.interface.hookspecs import GatewayAddress
from headrace.interface.named_images import ImageObject, ImagePin, ImageToWarm, PinState
from headrace.system.service import health
from headrace.system.service.identity import Expected

Heard = Callable[[int], None]
SetUp = Callable[[Callable[[str, Heard], GatewayAnswer | None]], None]
THERE = AtHand(GatewayAddress("127.0.0.1", 1), Expected(), runs=True, who="")
WANTED = warm._Wanted(
    (ImageObject("/v2/a", "sha256:a", 10), ImageObject("/v2/b", "sha256:b", 20)), frozenset(), 2
)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> SetUp:
    """Have the gateway's answers made by a function of a path and of who hears of bytes."""

    def set_up(answer: Callable[[str, Heard], GatewayAnswer | None]) -> None:
        def fetch(_address: Any, _expected: Any, path: str, *_: Any, **more: Any) -> Any:
            return answer(path, more["heard"])

        monkeypatch.setattr(health, "fetched", fetch)
        monkeypatch.setattr(warm, "_PAUSES", (0.0,))

    return set_up


def test_interruption_ends_what_is_on_its_way_at_its_next_bytes(fetched: SetUp) -> None:
    def answer(path: str, heard: Heard) -> GatewayAnswer | None:
        if path == "/v2/a":
            raise KeyboardInterrupt
        while True:  # a layer without an end
            heard(1)
            time.sleep(0.001)

    fetched(answer)
    with pytest.raises(KeyboardInterrupt):
        warm._bring(WANTED, THERE, Context({}))


def test_bytes_that_come_again_count_once(fetched: SetUp, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    counts: list[int] = []

    def answer(path: str, heard: Heard) -> GatewayAnswer | None:
        tried.append(path)
        heard(10)
        if tried.count(path) == 1:
            return None
        heard(10)
        return GatewayAnswer(200, b"")

    def note(_: Any, count: int) -> None:
        counts.append(count)

    fetched(answer)
    monkeypatch.setattr(warm._Progress, "heard", note)
    assert warm._bring(WANTED, THERE, Context({})) == {}
    assert sum(counts) == 40


def test_file_that_names_no_image_is_told_where_one_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nothing = warm._Wanted((), frozenset(), 0)
    warm._tell(Context({}), [], nothing)
    assert "name that one" in capsys.readouterr().out
    warm._tell(Context({}), [ImageToWarm("x", (), "linux/amd64", problem="is gone")], nothing)
    assert "name that one" not in capsys.readouterr().out


def test_images_that_are_not_pinned_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    pins = [
        ImagePin(f"docker.io/me/{name}:v1", (), state, ())
        for name, state in (("a", PinState.NOT_PINNED), ("b", PinState.CURRENT))
    ]
    outdated._tell(Context({}), pins, {}, ())
    said = capsys.readouterr().out
    assert "1 image not pinned" in said
    assert "docker.io/me/a:v1" in said
    assert "docker.io/me/b:v1" not in said
