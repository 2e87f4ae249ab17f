"""Worlds of registries, and real engines in them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from lib.engines import NAMES, Engine, engine, why_no_engine
from lib.image_world import ImageWorld, MakeImageWorld, make_image_world

StartEngine = Callable[[ImageWorld], Engine]


@pytest.fixture
def images(tmp_path: Path) -> Iterator[MakeImageWorld]:
    """Make worlds; see `make_image_world`."""
    with contextlib.ExitStack() as stack:
        yield partial(make_image_world, tmp_path, stack)


@pytest.fixture(params=NAMES)
def start(request: pytest.FixtureRequest) -> Iterator[StartEngine]:
    """Start every engine that is here, led to a world's gateway."""
    name = str(request.param)
    if reason := why_no_engine(name):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        yield lambda made: stack.enter_context(engine(name, made.gateway.port))


@pytest.fixture
def skopeo() -> Iterator[StartEngine]:
    """Start the quickest one, for what does not depend on the engine."""
    if reason := why_no_engine("skopeo"):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        yield lambda made: stack.enter_context(engine("skopeo", made.gateway.port))
