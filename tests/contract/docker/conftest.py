"""Worlds of registries, and real engines in them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from lib.engines.drivers import Engine, engine
from lib.engines.kinds import HERE, NAMES, why_not
from lib.images.world import ImageWorld, MakeImageWorld, make_image_world

StartEngine = Callable[[ImageWorld], Engine]


@pytest.fixture
def images(tmp_path: Path) -> Iterator[MakeImageWorld]:
    """Make worlds; see `make_image_world`."""
    with contextlib.ExitStack() as stack:
        yield partial(make_image_world, tmp_path, stack)


@pytest.fixture(params=NAMES)
def start(request: pytest.FixtureRequest) -> Iterator[StartEngine]:
    """Start every engine that is here, led to a world's gateway."""
    kind = HERE[str(request.param)]
    if reason := why_not(kind):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        yield lambda made: stack.enter_context(engine(kind, made.gateway.port))


@pytest.fixture
def skopeo() -> Iterator[StartEngine]:
    """Start the quickest one, for what does not depend on the engine."""
    kind = HERE["skopeo"]
    if reason := why_not(kind):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        yield lambda made: stack.enter_context(engine(kind, made.gateway.port))
