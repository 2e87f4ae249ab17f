"""A gateway that dies or stands still in the middle of a layer: no engine notices."""

from __future__ import annotations

import subprocess

import pytest

from lib.engines.drivers import engine
from lib.engines.homes import enter
from lib.engines.kinds import AGES, HERE, Kind, why_not
from lib.gateway import Gateway
from lib.images.content import image
from lib.images.world import MakeImageWorld
from lib.serving.dying import FAULTS, ON_LINUX, SHARES, strike
from lib.serving.faults import SIZE
from lib.waiting import HANG

pytestmark = ON_LINUX
#: Bytes of a layer: one that is checked before it goes out, and one that streams.
SIZES = {"small": SIZE, "large": 80 << 20}
KINDS = (*HERE.values(), *AGES)


def pull(images: MakeImageWorld, kind: Kind, fault: str, size: int, share: float) -> None:
    if reason := why_not(kind):
        pytest.skip(reason)
    made = images(rate=24 << 20, origin_rate=24 << 20)
    what = made.registry.put("library/large", image("large", size=size))
    assert made.gateway.worker()
    with (
        engine(kind, made.gateway.port) as started,
        subprocess.Popen(
            enter(kind.suite, started.pid, started.words("library/large:v1")),
            env=started.env,
            cwd=started.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as pulling,
    ):

        def is_time() -> bool:
            assert pulling.poll() is None
            given = sum(m.bytes_sent("*/blobs/*") for m in (made.origin, *made.mirrors))
            return given >= share * size

        strike(made.gateway, fault, is_time)
        out, _ = pulling.communicate(timeout=HANG)
        assert pulling.returncode == 0, out + made.gateway.told()
        assert what.digest in started.digest("library/large:v1")


@pytest.fixture(autouse=True)
def _held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gateway, "held", True)


def test_pull_goes_on_when_the_gateway_is_killed(images: MakeImageWorld) -> None:
    pull(images, HERE["skopeo"], "killed", SIZES["large"], 0.5)


@pytest.mark.nightly
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_no_engine_notices(
    images: MakeImageWorld, kind: Kind, fault: str, size: str, share: float
) -> None:
    pull(images, kind, fault, SIZES[size], share)
