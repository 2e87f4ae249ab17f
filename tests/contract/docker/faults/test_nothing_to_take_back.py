"""Engines that are at their end where a file proves wrong, or where its host has not got it: they
are given no wrong byte, and are waited for.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.engines.drivers import engine
from lib.engines.kinds import AGES, HERE, Kind, why_not
from lib.images.content import Image, image
from lib.images.world import ImageWorld, MakeImageWorld
from lib.serving import modes
from lib.waiting import until

MB = 1 << 20
#: More than what goes out in one piece to engines that do go on.
LARGE = 66 * MB
#: With the engines of this machine one of each library, as buildah pulls as podman does.
KINDS = [
    *(pytest.param(HERE[name], id=name) for name in ("skopeo", "podman", "dockerd")),
    *(pytest.param(kind, id=kind.name, marks=pytest.mark.nightly) for kind in AGES),
    pytest.param(HERE["containerd"], id="containerd", marks=pytest.mark.nightly),
    pytest.param(HERE["buildah"], id="buildah", marks=pytest.mark.nightly),
]
#: Those that ask the host of the manifest for its layers, and nobody else.
STAYING = [
    pytest.param(HERE["podman"], id="podman"),
    pytest.param(HERE["skopeo"], id="skopeo", marks=pytest.mark.nightly),
    pytest.param(HERE["buildah"], id="buildah", marks=pytest.mark.nightly),
    *(
        pytest.param(kind, id=kind.name, marks=pytest.mark.nightly)
        for kind in AGES
        if kind.program in ("podman", "skopeo", "buildah")
    ),
]


@functools.cache
def made_once(name: str, size: int) -> Image:
    """Make an image, which takes a while, for all tests."""
    return image(name, size=size)


def pulled(made: ImageWorld, kind: Kind, what: Image) -> None:
    """Pull, and see the right image."""
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(engine(kind, made.gateway.port))
        done = running.pull("library/large:v1")
        assert done.returncode == 0, done.stdout + done.stderr + made.gateway.told()
        assert what.digest in running.digest("library/large:v1")
    made.assert_polite()


def here(kind: Kind) -> None:
    """Skip where an engine is not."""
    if reason := why_not(kind):
        pytest.skip(reason)


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_two_mirrors_may_lie_in_a_layer_of_any_size(
    images: MakeImageWorld, kind: Kind
) -> None:
    here(kind)
    made = images()
    what = made.registry.put("library/large", made_once("large", LARGE))
    layer = f"*/blobs/{what.layer.digest}"
    # All that it gives is wrong, so that whatever goes out of it shows.
    made.mirrors[0].fail(modes.swapped(made_once("evil", LARGE).layer.data), layer)
    pulled(made, kind, what)
    assert all(mirror.bytes_sent(layer) > MB for mirror in made.mirrors)


@pytest.mark.parametrize("kind", STAYING)
def test_layer_whose_first_byte_comes_late_is_waited_for(
    images: MakeImageWorld, kind: Kind
) -> None:
    here(kind)
    made = images(mirrors=0)
    what = made.registry.put("library/large", made_once("small", MB))
    layer = f"*/blobs/{what.layer.digest}"
    late = threading.Event()
    made.origin.fail(modes.held(late), layer)
    with ThreadPoolExecutor(1) as pool:
        pulling = pool.submit(pulled, made, kind, what)
        # It is asked a second time only where it was waited for longer than others are.
        try:
            until(lambda: len(made.origin.requests(layer)) > 1 or pulling.done(), made.gateway.told)
        finally:
            late.set()
        pulling.result()
